"""Routes of workflows."""

urlpatterns: list[object] = []
