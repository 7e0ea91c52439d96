"""Fields that several rooms' APIs read."""

from typing import Any

from rest_framework import serializers


class TraceIdField(serializers.RegexField):
    """32 lower-case hexadecimal characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[0-9a-f]{32}$", **options)
