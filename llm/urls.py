"""Pages of llm."""

urlpatterns: list[object] = []
