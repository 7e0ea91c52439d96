"""REST doors of llm."""
