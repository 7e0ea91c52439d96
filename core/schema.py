"""Common parts of the OpenAPI document: what every operation takes and how it can refuse.

The statuses named are those an operation can really answer, no others: the fuzzer holds every
answer to them (`make fuzz-api`). `500` is never promised.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiFilterExtension
from drf_spectacular.plumbing import build_parameter_type, force_instance
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

Operation = dict[str, Any]
TRACE = "0af7651916cd43dd8448eb211c80319c"
OURS = "/api/v1/"
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
        "trace_id": TRACE,
    },
}
REFUSALS: dict[str, tuple[str, str, str]] = {
    "400": ("BadRequest", "invalid_input", "The input is not valid."),
    "401": ("NotAuthenticated", "not_authenticated", "Sign in or send a key."),
    "403": ("PermissionDenied", "permission_denied", "Your role does not allow this."),
    "404": ("NotFound", "not_found", "No such thing, or not yours to know of."),
    "406": ("NotAcceptable", "not_acceptable", "Only JSON is spoken."),
    "409": ("Conflict", "conflict", "The thing is not in the state this needs."),
    "412": ("PreconditionFailed", "precondition_failed", "This was changed meanwhile."),
    "413": ("TooLarge", "request_too_large", "The request body is too large."),
    "415": ("UnsupportedMediaType", "unsupported_media_type", "Bodies of this type are not read."),
    "422": ("Mismatch", "idempotency_mismatch", "This key was used for another request."),
    "429": ("RateLimited", "rate_limited", "Slow down; see Retry-After."),
}
"""By status: the component's name, the code it usually carries, and a sentence."""
EVERYWHERE = ("400", "401", "403", "406", "429")
BY_METHOD: dict[str, tuple[str, ...]] = {
    "get": (),
    "post": ("409", "413", "415", "422"),
    "put": ("409", "412", "413", "415"),
    "patch": ("409", "412", "413", "415"),
    "delete": ("409", "412"),
}
COUNTED = {
    "RateLimit-Limit": "Requests allowed in the window.",
    "RateLimit-Remaining": "What is left of them.",
    "RateLimit-Reset": "Seconds until the window ends.",
}
HEADERS: dict[str, dict[str, Any]] = {
    **{
        name: {"description": text, "schema": {"type": "integer", "minimum": 0}, "example": 60}
        for name, text in COUNTED.items()
    },
    "RateLimit-Policy": {
        "description": "Limit and window, in seconds.",
        "schema": {"type": "string"},
        "example": "600;w=60",
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 7,
    },
    "X-Request-ID": {
        "description": "The trace id of this request.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "example": TRACE,
    },
    "traceparent": {
        "description": "The same in the form of W3C Trace Context.",
        "schema": {"type": "string"},
        "example": f"00-{TRACE}-b7ad6b7169203331-01",
    },
    "ETag": {
        "description": "Names this state of the thing, for If-None-Match and If-Match.",
        "schema": {"type": "string"},
        "example": '"33a64df551425fcc55e4d42a148795d9"',
    },
    "Idempotency-Replayed": {
        "description": "`true`: the answer kept from the first request under this key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
}
ON_EVERY_ANSWER = ("X-Request-ID", "traceparent", *COUNTED, "RateLimit-Policy")
PARAMETERS: dict[str, dict[str, Any]] = {
    "X-Organization": {
        "description": "The organization to act in, for a person who belongs to several.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "0192f0c1-0000-7000-8000-000000000001",
    },
    "traceparent": {
        "description": "W3C Trace Context; the work done carries its trace id.",
        "schema": {"type": "string"},
        "example": f"00-{TRACE}-b7ad6b7169203331-01",
    },
    "Idempotency-Key": {
        "description": "Sent again with the same request within a day, the answer is the first "
        "one's and the work is not done again.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,120}$", "minLength": 1, "maxLength": 120},
        "example": "3b1f0a52-import-2026-11-25",
    },
    "If-None-Match": {
        "description": "An ETag you have: 304 without a body when it still holds.",
        "schema": {"type": "string"},
        "example": '"33a64df551425fcc55e4d42a148795d9"',
    },
    "If-Match": {
        "description": "An ETag you have: 412, and nothing happens, when it holds no more.",
        "schema": {"type": "string"},
        "example": '"33a64df551425fcc55e4d42a148795d9"',
    },
}
SENT: dict[str, tuple[str, ...]] = {
    "get": ("If-None-Match",),
    "post": ("Idempotency-Key",),
    "put": ("If-Match",),
    "patch": ("If-Match",),
    "delete": ("If-Match",),
}


class DeclaredFiltersExtension(OpenApiFilterExtension):  # type: ignore[no-untyped-call]
    """Names each field of a view's `filters` as a parameter of its list."""

    target_class = "core.listing.DeclaredFilters"

    def get_schema_operation_parameters(self, auto_schema: Any, *_: Any, **__: Any) -> Any:
        view = auto_schema.view
        kind = getattr(view, "filters", None)
        if kind is None or getattr(view, "action", "list") != "list":
            return []
        form = force_instance(kind)  # type: ignore[no-untyped-call]
        mapped = auto_schema._map_serializer(form, "request")  # noqa: SLF001 - as spectacular does
        return [
            build_parameter_type(
                name=name,
                schema=schema,
                description=schema.pop("description", None),
                location=OpenApiParameter.QUERY,
                required=name in mapped.get("required", []),
            )
            for name, schema in mapped["properties"].items()
        ]


def refusal(code: str, message: str, **detail: Any) -> OpenApiResponse:
    """A documented refusal: the one error body with the code, message and detail it carries."""
    return OpenApiResponse(
        response={"$ref": "#/components/schemas/Error"},
        description=message,
        examples=[OpenApiExample(code, value=_error(code, message, detail))],
    )


def _error(code: str, message: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "message": message, "detail": detail, "trace_id": TRACE}


def add_common_parts(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: headers, conditions and refusals, at each operation of ours."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    components["responses"] = {
        name: _component(status, code, text) for status, (name, code, text) in REFUSALS.items()
    }
    components["headers"] = HEADERS
    components["parameters"] = {
        name: {"name": name, "in": "header", "required": False, **part}
        for name, part in PARAMETERS.items()
    }
    _open_up(result)
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if path.startswith(OURS) and method in BY_METHOD:
                _complete(path, method, operation)
    return result


def _open_up(part: Any) -> None:
    """`oneOf: [{}, null]` fits null twice and so never: what may be anything may be null."""
    if isinstance(part, dict):
        if {} in part.get("oneOf", ()):
            del part["oneOf"]
        for each in part.values():
            _open_up(each)
    elif isinstance(part, list):
        for each in part:
            _open_up(each)


def _component(status: str, code: str, text: str) -> dict[str, Any]:
    headers = [*ON_EVERY_ANSWER, *(["Retry-After"] if status == "429" else [])]
    return {
        "description": text,
        "headers": _refer("headers", headers),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {code: {"value": _error(code, text, {})}},
            }
        },
    }


def _complete(path: str, method: str, operation: Operation) -> None:
    answers = operation["responses"]
    statuses = [*EVERYWHERE, *BY_METHOD[method], *(["404"] if "{" in path else [])]
    for status in statuses:
        component = {"$ref": f"#/components/responses/{REFUSALS[status][0]}"}
        answers.setdefault(status, component)
    streamed = "text/event-stream" in str(answers.get("200", {}).get("content", {}))
    if method == "get" and not streamed and _is_json(answers.get("200", {})):
        answers["304"] = {"description": "It is what you have.", "headers": {}}
    for status, answer in answers.items():
        if "$ref" not in answer:
            answer["headers"] = _refer("headers", _headers(method, status, answer)) | answer.get(
                "headers", {}
            )
    names = ["X-Organization", "traceparent", *SENT[method]]
    if method == "get" and "304" not in answers:
        names.remove("If-None-Match")
    _add_parameters(operation, names)
    operation["responses"] = dict(sorted(answers.items()))


def _add_parameters(operation: Operation, names: list[str]) -> None:
    own = {p.get("name") for p in operation.get("parameters", [])}
    found = [{"$ref": f"#/components/parameters/{name}"} for name in names if name not in own]
    operation["parameters"] = [*operation.get("parameters", []), *found]


def _headers(method: str, status: str, answer: dict[str, Any]) -> list[str]:
    names = list(ON_EVERY_ANSWER)
    if method == "get" and (status == "304" or (status == "200" and _is_json(answer))):
        names.append("ETag")
    if method == "post" and status.startswith("2"):
        names.append("Idempotency-Replayed")
    return names


def _is_json(answer: dict[str, Any]) -> bool:
    return "application/json" in answer.get("content", {})


def _refer(kind: str, names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/{kind}/{name}"} for name in names}
