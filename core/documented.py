"""What the OpenAPI document says an operation takes: the query's rule is the document itself.

A parameter that no operation names is refused, so what callers misspell is not silently ignored,
and what the document promises cannot drift from what is read.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from drf_spectacular.generators import SchemaGenerator

from core.listing import UnknownParameter

_VARIABLE = re.compile(r"\(\?P<\w+>[^)]*\)|<[^>]*>|\{[^}]*\}")
_lock = threading.Lock()


def refuse_unknown_parameters(request: HttpRequest | Any) -> None:
    """Raise UnknownParameter for what this operation's description does not name."""
    plain: Any = getattr(request, "_request", request)
    if not plain.GET:
        return
    known = query_names().get((_plain(plain.resolver_match.route), plain.method))
    if known is None:  # a route that describes itself nowhere takes what it likes
        return
    unknown = sorted(set(plain.GET) - known)
    if unknown:
        raise UnknownParameter(
            "This operation does not know all of these parameters.",
            unknown=[name[:60] for name in unknown[:20]],
            known=sorted(known),
        )


def query_names() -> dict[tuple[str, str], frozenset[str]]:
    """By address and method; the document is drawn up once a process (about a second)."""
    with _lock:
        return _query_names()


@lru_cache(maxsize=1)
def _query_names() -> dict[tuple[str, str], frozenset[str]]:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    return {
        (_plain(path), method.upper()): frozenset(
            parameter["name"]
            for parameter in operation.get("parameters", [])
            if parameter.get("in") == "query"  # those of `components` are headers
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    }


def _plain(route: str) -> str:
    """`api/v1/^keys/(?P<pk>[^/.]+)/$`, `api/v1/keys/<uuid:pk>/` and `/api/v1/keys/{id}/` alike."""
    return "/" + _VARIABLE.sub("{}", route).replace("^", "").replace("$", "").lstrip("/")
