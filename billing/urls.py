"""Pages of billing."""

urlpatterns: list[object] = []
