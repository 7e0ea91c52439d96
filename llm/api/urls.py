"""Routes of llm."""

urlpatterns: list[object] = []
