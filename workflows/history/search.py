"""Narrowing a list of runs by what can be asked of it. Pages and API read the same names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from core.errors import InvalidInput
from workflows.models import Run

COLUMNS = {
    "workflow": "workflow_id",
    "trigger": "trigger",
    "trace_id": "trace_id",
    "id": "public_id",
    "parent": "parent__public_id",
    "source": "source__public_id",
    "error": "error__code",
    "since": "created_at__gte",
    "until": "created_at__lt",
}


def narrow_runs(rows: QuerySet[Run], wanted: Mapping[str, Any]) -> QuerySet[Run]:
    """Those of `rows` that fit all of `wanted`. Raises InvalidInput for a tag that is none."""
    rows = rows.filter(**{COLUMNS[name]: wanted[name] for name in COLUMNS if _given(wanted, name)})
    if state := wanted.get("state"):
        # Said apart, so that the index of what lives or of what has ended can answer.
        rows = rows.filter(state=state, ended_at__isnull=state in Run.LIVE)
    if _given(wanted, "min_seconds") or _given(wanted, "max_seconds"):
        rows = _by_duration(rows, wanted.get("min_seconds"), wanted.get("max_seconds"))
    tags = wanted.get("tag") or ()
    for tag in [tags] if isinstance(tags, str) else tags:
        rows = rows.filter(**_tagged(tag))
    return rows


def _given(wanted: Mapping[str, Any], name: str) -> bool:
    return wanted.get(name) not in {None, ""}


def _by_duration(rows: QuerySet[Run], least: float | None, most: float | None) -> QuerySet[Run]:
    rows = rows.filter(ended_at__isnull=False).annotate(took=F("ended_at") - F("started_at"))
    if least is not None:
        rows = rows.filter(took__gte=timedelta(seconds=least))
    if most is not None:
        rows = rows.filter(took__lte=timedelta(seconds=most))
    return rows


def _tagged(tag: str) -> dict[str, Any]:
    """`name:value`, or `name:begin*` for all that begins so."""
    name, colon, value = tag.partition(":")
    if not (name and colon and value.rstrip("*")):
        raise InvalidInput(
            _("A tag is written name:value, or name:begin* for what begins so."), field="tag"
        )
    how = "startswith" if value.endswith("*") else "exact"
    return {"runtags__name": name, f"runtags__value__{how}": value.removesuffix("*")}
