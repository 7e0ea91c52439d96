"""The operator console."""

UNFOLD: dict[str, object] = {}
