"""Bodies of HTTP requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import BeforeValidator, Field

from workflows.engine.pool import Pool
from workflows.nodes.base import Config, NodeFailed
from workflows.nodes.fields import Text

FORM = "application/x-www-form-urlencoded"


class BodyField(Config):
    key: Text = ""
    type: Text = "text"
    value: Text = ""


def _fields(data: Any) -> Any:
    """Old flows hold the whole body as one text."""
    if isinstance(data, str):
        return [{"value": data}] if data else []
    return [row for row in data or () if isinstance(row, Mapping)]


class Body(Config):
    type: Text = "none"
    data: Annotated[list[BodyField], BeforeValidator(_fields)] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Bytes to send and what the run shows of them. A `fixed_type` overrules the flow's header."""

    content: bytes | None = None
    content_type: str = ""
    shown: Any = None
    fixed_type: bool = False


def encode(body: Body, pool: Pool) -> Encoded:
    """Raises NodeFailed (invalid_json_body, unsupported_body)."""
    match body.type:
        case "none":
            return Encoded()
        case "raw-text":
            text = _whole(body, pool)
            return Encoded(text.encode(), "text/plain; charset=utf-8", text)
        case "json":
            return _json(_whole(body, pool))
        case "x-www-form-urlencoded":
            fields = _form(body, pool)
            return Encoded(urlencode(fields).encode(), FORM, dict(fields))
        case "form-data":
            return _multipart(_form(body, pool))
    message = f"A body of type {body.type} is not supported"
    raise NodeFailed(message, code="unsupported_body", retryable=False)


def _whole(body: Body, pool: Pool) -> str:
    return pool.text(body.data[0].value) if body.data else ""


def _json(text: str) -> Encoded:
    try:
        value = json.loads(text, strict=False)
    except ValueError as error:
        raise NodeFailed(
            f"The body is not JSON: {error}",
            code="invalid_json_body",
            kind="RequestBodyError",
            inputs={"body": text},
            retryable=False,
        ) from error
    return Encoded(json.dumps(value, ensure_ascii=False).encode(), "application/json", value)


def _form(body: Body, pool: Pool) -> list[tuple[str, str]]:
    if any(field.type == "file" for field in body.data):
        raise NodeFailed("Files cannot be sent yet", code="unsupported_body", retryable=False)
    if len(body.data) == 1 and not body.data[0].key:
        lines = (line.partition(":") for line in body.data[0].value.splitlines())
        named = [(name.strip(), value.strip()) for name, _, value in lines if name.strip()]
    else:
        named = [(field.key, field.value) for field in body.data if field.key]
    return [(pool.text(name), pool.text(value)) for name, value in named]


def _multipart(fields: list[tuple[str, str]]) -> Encoded:
    """Text parts only; RFC 7578, with names quoted as WHATWG forms do."""
    mark = uuid4().hex
    parts = []
    for name, value in fields:
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        parts.append(
            f'--{mark}\r\nContent-Disposition: form-data; name="{quoted}"\r\n\r\n{value}\r\n'
        )
    content = f"{''.join(parts)}--{mark}--\r\n".encode()
    return Encoded(content, f"multipart/form-data; boundary={mark}", dict(fields), fixed_type=True)
