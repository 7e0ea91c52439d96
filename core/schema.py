"""Common parts of the OpenAPI document: every operation can answer with the one error body."""

from typing import Any

ERROR_SCHEMA = {
    "type": "object",
    "required": ["code", "message", "detail", "trace_id"],
    "properties": {
        "code": {"type": "string", "description": "Stable; safe to branch on."},
        "message": {"type": "string"},
        "detail": {"type": "object", "additionalProperties": True},
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "example": {
        "code": "permission_denied",
        "message": "Your role does not allow this.",
        "detail": {"verb": "workflow.edit"},
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    },
}


def add_error_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: adds `Error` and points every operation's default answer to it."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    answer = {
        "description": "A refusal or an error.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("default", answer)
    return result
