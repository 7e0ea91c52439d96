"""Common parts of the OpenAPI document: every operation can answer with the one error body."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

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


def refusal(code: str, message: str, **detail: Any) -> OpenApiResponse:
    """A documented refusal: the one error body with the code, message and detail it carries."""
    body = {
        "code": code,
        "message": message,
        "detail": detail,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    return OpenApiResponse(
        response={"$ref": "#/components/schemas/Error"},
        description=message,
        examples=[OpenApiExample(code, value=body)],
    )


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
