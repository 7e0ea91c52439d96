"""Routes of bpm."""

urlpatterns: list[object] = []
