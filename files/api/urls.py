"""Routes of files."""

urlpatterns: list[object] = []
