"""Pages of workflows."""

urlpatterns: list[object] = []
