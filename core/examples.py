"""Examples for the OpenAPI document, made from its own schemas so that they can never be stale.

An operation that brings an example of its own keeps it. Others get one built from the schema:
fields with a known name get a telling value, the rest the smallest value their type allows.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
DEEPEST = 6

BY_NAME: dict[str, Any] = {
    "email": "ada@northwind.example",
    "name": "Northwind",
    "slug": "northwind",
    "code": "refund",
    "cursor": "cD0xMDI0",
    "next": "https://loomwork.example/api/v1/runs/?cursor=cD0xMDI0",
    "previous": None,
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "model": "gpt-4o-mini",
    "base_url": "https://api.provider.example/v1",
    "currency": "USD",
    "token": "lw_k3yp4x7q_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",  # nosec B105 # opens nothing
    "prefix": "k3yp4x7q",
    "scopes": ["run.view", "workflow.run"],
    "reason": "Started with the wrong file.",
    "note": "Checked with the customer.",
    "comment": "Checked with the customer.",
    "inputs": {"mail": "I was charged twice.", "amount": 250},
    "outputs": {"category": "refund", "outcome": "approved"},
    "error": None,
    "node_id": "classify",
    "title": "Approve the refund",
    "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "content_type": "application/yaml",
    "message": "Your role does not allow this.",
}
BY_FORMAT: dict[str, Any] = {
    "uuid": "0192f0c1-0000-7000-8000-000000000001",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "email": "ada@northwind.example",
    "uri": "https://loomwork.example/",
    "binary": "(the file)",
}
BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}


def add_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: gives every parameter, request and answer an example."""
    schemas = result.get("components", {}).get("schemas", {})
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                _complete(operation, schemas)
    return result


def _complete(operation: dict[str, Any], schemas: dict[str, Schema]) -> None:
    for parameter in operation.get("parameters", []):
        if "schema" in parameter and not {"example", "examples"} & parameter.keys():
            parameter["example"] = example_of(parameter["schema"], schemas, parameter["name"])
    bodies = [operation.get("requestBody", {})]
    bodies += [answer for status, answer in operation["responses"].items() if status != "default"]
    for body in bodies:
        for media in body.get("content", {}).values():
            if "schema" in media and not {"example", "examples"} & media.keys():
                media["example"] = example_of(media["schema"], schemas)


def example_of(schema: Schema, schemas: dict[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that fits `schema`."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    for key in ("example", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return example_of(schema[several][0], schemas, name, depth)
    return _of_type(schema, schemas, name, depth)


def _of_type(schema: Schema, schemas: dict[str, Schema], name: str, depth: int) -> Any:
    kind = _type(schema)
    if name in BY_NAME and _fits(BY_NAME[name], kind, schema):
        return BY_NAME[name]
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, "", depth + 1)]
    if kind == "object":
        return _object(schema, schemas, depth)
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    if kind in {"integer", "number"}:
        return max(BY_TYPE[kind], schema.get("minimum", BY_TYPE[kind]))
    return BY_TYPE.get(kind, {})


def _object(schema: Schema, schemas: dict[str, Schema], depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        return {}
    return {
        key: example_of(part, schemas, key, depth + 1)
        for key, part in schema.get("properties", {}).items()
    }


def _type(schema: Schema) -> str:
    """OpenAPI 3.1 writes "or null" as a list of types."""
    kinds = schema.get("type", "")
    if isinstance(kinds, list):
        return next((kind for kind in kinds if kind != "null"), "null")
    return str(kinds)


def _fits(value: Any, kind: str, schema: Schema) -> bool:
    if value is None:
        kinds = schema.get("type", [])
        return not kind or (isinstance(kinds, list) and "null" in kinds)
    if kind == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", 1_000)
    python = {"array": list, "object": dict, "": object}.get(kind)
    return python is not None and isinstance(value, python)
