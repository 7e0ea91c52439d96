"""Pages of bpm."""

urlpatterns: list[object] = []
