"""Pages of files."""

urlpatterns: list[object] = []
