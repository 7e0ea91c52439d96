"""What is served, read from the URL configuration, the OpenAPI document and the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.contrib import admin
from django.contrib.admindocs.views import simplify_regex
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from llm.gateway.app import NAMED, ROUTES

NAMES = ("get", "post", "put", "patch", "delete")
PLACE = "0192f0c1-0000-7000-8000-000000000001"
CONSOLE = "/admin/"


def routes(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        address = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, address)
        else:
            yield _plain(address), pattern.callback


def _plain(address: str) -> str:
    """`api/v1/^keys/(?P<pk>[^/.]+)/$` and `keys/<uuid:pk>/` alike as `/…/keys/<pk>/`."""
    plain = simplify_regex(address) if "^" in address else f"/{address}"
    for kind in ("uuid:", "str:", "path:", "int:", "slug:"):
        plain = plain.replace(f"<{kind}", "<")
    return plain


def methods_of(address: str, callback: Any) -> set[str]:
    if actions := getattr(callback, "actions", None):
        return {name.upper() for name in actions if name != "head"}
    if view := getattr(callback, "cls", None) or getattr(callback, "view_class", None):
        return {name.upper() for name in NAMES if hasattr(view, name)}
    # A plain function says in `Allow` what it takes, before it asks who is calling.
    response = Client().options(re.sub(r"<\w+>", PLACE, address))
    allowed = response.headers.get("Allow")
    if allowed is None:
        return {"GET", "POST"}
    return {name.strip() for name in allowed.split(",")} - {"HEAD", "OPTIONS"}


@cache
def served() -> dict[str, Any]:
    """`GET /address/` -> its view, for all that Django serves outside the console."""
    found: dict[str, Any] = {}
    for address, callback in routes():
        if address.startswith(CONSOLE):
            continue
        methods = {"GET"} if address == "/healthz" else methods_of(address, callback)
        if view := getattr(callback, "view_class", None):
            methods = {name for name in methods if _handles(view, callback, name)}
        found |= {f"{method} {address}": callback for method in methods}
    return found


def _handles(view: Any, callback: Any, method: str) -> bool:
    """Headless views say by `handler` and `client` which methods a client of theirs may use."""
    names = getattr(callback, "view_initkwargs", {}).get("http_method_names")
    return method.lower() in (names or getattr(view, "http_method_names", NAMES))


@cache
def console() -> dict[str, str]:
    """`/admin/…/` -> `app.Model:change` and the like of a registered model, or the address."""
    places = {}
    for model, owner in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        own = {base + _plain(str(each.pattern)).lstrip("/") for each in owner.get_urls()}
        for address in own:
            rest = address.removeprefix(base).removeprefix("<object_id>/").rstrip("/")
            kind = {"": "list" if address == base else "object"}.get(rest, rest)
            known = kind in {"list", "object", "add", "history", "delete", "change"}
            places[address] = f"{model._meta.label}:{kind}" if known else address
    addresses = {address for address, _ in routes() if address.startswith(CONSOLE)}
    return {address: places.get(address, address) for address in sorted(addresses)}


@cache
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


def operations() -> dict[str, dict[str, Any]]:
    """`GET /api/v1/keys/<pk>/` -> its operation in the OpenAPI document."""
    return {
        f"{method.upper()} {_angled(path)}": operation
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method in NAMES
    }


def _angled(path: str) -> str:
    """`{id}` is `<pk>` in the URL configuration; other names are the same in both."""
    named = re.sub(r"\{(\w+)\}", r"<\1>", path)
    known = {name.partition(" ")[2] for name in served()}
    return named if named in known else re.sub(r"<(?:id|public_id)>", "<pk>", named)


def gateway() -> set[str]:
    """`POST /v1/chat/completions`, `GET /v1/models/<name>`, …: from the gateway's own tables."""
    return {*ROUTES, *(f"{start}<name>" for start in NAMED)}
