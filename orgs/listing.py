"""Keyset pages of server-rendered lists: `?before=` the last id that was shown."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

PAGE = 25


def newest(rows: QuerySet[Any], request: HttpRequest) -> tuple[list[Any], str]:
    """(rows of this page, newest first; what to ask `before` for the next one, "" at the end)."""
    with suppress(ValueError):
        rows = rows.filter(pk__lt=UUID(request.GET.get("before", "")))
    found = list(rows.order_by("-pk")[: PAGE + 1])
    more = str(found[PAGE - 1].pk) if len(found) > PAGE else ""
    return found[:PAGE], more


def typed(request: HttpRequest, name: str) -> str:
    """A text of the query, without what no database compares with."""
    return request.GET.get(name, "").replace("\x00", "").strip()[:120]
