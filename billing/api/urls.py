"""Routes of billing."""

urlpatterns: list[object] = []
