"""The table of `docs/fields.md`: which fields an operation shows and takes, and what it asks for.

Read from the OpenAPI document and the views' own verbs, so it is what the code does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from config.permission_tables import table

OURS = "/api/v1/"
OWN, GRANTED = "one's own", "or what was granted"
Schema = Mapping[str, Any]


def tables() -> dict[str, str]:
    """The table in Markdown, by the name of its place in the page."""
    head = ("operation", "asks for", "shows", "takes")
    return {"fields": table(head, sorted(rows()))}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(operation, verb, fields of the answer, fields of the body), in Markdown."""
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]  # it has no types
    document: Schema = generator.get_schema(public=True)
    for path, _, method, view in generator._get_paths_and_endpoints():  # noqa: SLF001
        operation = document["paths"].get(path, {}).get(method.lower())
        if operation is None or not path.startswith(OURS):
            continue
        shown = {field for body in _answers(operation) for field in _fields(document, body)}
        taken = {field for body in _bodies(operation) for field in _fields(document, body)}
        name = f"`{path.removeprefix(OURS)}` {method}"  # so that they sort by thing
        yield name, _verb(view, method), _named(shown), _named(taken)


def _verb(view: Any, method: str) -> str:
    verbs: Mapping[str, str] | None = getattr(view, "verbs", None)
    if verbs is None:
        return OWN
    name = getattr(view, "action", None) or method.lower()
    asked = verbs.get(name) or verbs.get("*", "")
    granted = name in view.granted
    return f"`{asked}`{', ' + GRANTED if granted else ''}" if asked else GRANTED.removeprefix("or ")


def _answers(operation: Schema) -> Iterator[Schema]:
    for status, answer in operation["responses"].items():
        if str(status).startswith("2"):
            yield from _content(answer)


def _bodies(operation: Schema) -> Iterator[Schema]:
    yield from _content(operation.get("requestBody") or {})


def _content(body: Schema) -> Iterator[Schema]:
    yield from (each["schema"] for each in (body.get("content") or {}).values() if "schema" in each)


def _fields(document: Schema, schema: Schema) -> set[str]:
    """The names of an object, or of the objects that a list of it holds."""
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        return _fields(document, schema["items"])
    for part in ("allOf", "oneOf", "anyOf"):
        if part in schema:
            return {name for each in schema[part] for name in _fields(document, each)}
    properties: Schema = schema.get("properties") or {}
    if "results" in properties and "next" in properties:
        return _fields(document, properties["results"])
    return set(properties)


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = found
    return schema


def _named(fields: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(fields)) or "–"
