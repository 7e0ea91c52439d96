"""What the OpenAPI document says an operation takes: the query's rule is the document itself.

A parameter that no operation names is refused, so what callers misspell is not silently ignored,
and what the document promises cannot drift from what is read. What it does not call a list is
refused when it comes twice.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, QueryDict
from drf_spectacular.generators import SchemaGenerator

from core.listing import UnknownParameter
from core.repeats import refuse_repeats

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_VARIABLE = re.compile(r"\(\?P<\w+>[^)]*\)|<[^>]*>|\{[^}]*\}")
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Taken:
    """The names in an operation's query, and which of query and form hold several values."""

    query: frozenset[str]
    lists: frozenset[str]
    fields: frozenset[str]


def refuse_unknown_parameters(request: HttpRequest | Any) -> None:
    """Raise UnknownParameter for what this operation's description does not name.

    Raises RepeatedParameter for what it does not call a list.
    """
    plain: Any = getattr(request, "_request", request)
    if not plain.GET:
        return
    known = _of(plain)
    if known is None:  # a route that describes itself nowhere takes what it likes
        return
    unknown = sorted(set(plain.GET) - known.query)
    if unknown:
        raise UnknownParameter(
            "This operation does not know all of these parameters.",
            unknown=[name[:60] for name in unknown[:20]],
            known=sorted(known.query),
        )
    refuse_repeats(plain.GET, known.lists)


def refuse_repeated_fields(request: Any) -> None:
    """Raise RepeatedParameter for a form that gives a field twice; JSON has its own rule.

    Here and not in a parser: a session's form is read for its CSRF token before DRF parses it.
    """
    if request.content_type.partition(";")[0].strip().lower() not in FORMS:
        return
    known = _of(request._request)  # noqa: SLF001 - as DRF's own
    given = request.data
    if known is not None and isinstance(given, QueryDict):
        refuse_repeats(given, known.fields)


def query_names() -> dict[tuple[str, str], frozenset[str]]:
    """The names of each operation's query, by address and method."""
    return {operation: taken.query for operation, taken in operations().items()}


def _of(plain: HttpRequest) -> Taken | None:
    route = plain.resolver_match.route if plain.resolver_match else ""
    return operations().get((_plain(route), str(plain.method)))


def operations() -> dict[tuple[str, str], Taken]:
    """By address and method; the document is drawn up once a process (about a second)."""
    with _lock:
        return _drawn_up()


@lru_cache(maxsize=1)
def _drawn_up() -> dict[tuple[str, str], Taken]:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    return {
        (_plain(path), method.upper()): _taken(operation, document)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    }


def _taken(operation: dict[str, Any], document: dict[str, Any]) -> Taken:
    query = {
        parameter["name"]: parameter.get("schema", {})
        for parameter in operation.get("parameters", [])
        if parameter.get("in") == "query"  # those of `components` are headers
    }
    content = operation.get("requestBody", {}).get("content", {})
    fields: dict[str, Any] = {}
    for form in FORMS & set(content):
        fields |= _resolved(content[form].get("schema", {}), document).get("properties", {})
    return Taken(
        frozenset(query),
        frozenset(name for name, schema in query.items() if _is_list(schema, document)),
        frozenset(name for name, schema in fields.items() if _is_list(schema, document)),
    )


def _is_list(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    kind = _resolved(schema, document).get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _plain(route: str) -> str:
    """`api/v1/^keys/(?P<pk>[^/.]+)/$`, `api/v1/keys/<uuid:pk>/` and `/api/v1/keys/{id}/` alike."""
    return "/" + _VARIABLE.sub("{}", route).replace("^", "").replace("$", "").lstrip("/")
