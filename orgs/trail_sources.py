"""What the audit trail has under a trace; here because `audit` stands below permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.models import Entry
from orgs.access import Actor
from orgs.models import ApiKey
from orgs.trail import entries_visible_to
from orgs.trails import TRACES, Clue, Item, Scope, Source, Wanted, register


def contribute() -> None:
    register(
        Source(
            kind="audit",
            label=_("Audit"),
            icon="history",
            order=100,
            verb="audit.view",
            at="at",
            rows=_rows,
            show=_show,
            find=_find,
            key=_keys,
            by_key=_by_key,
        )
    )


def _seen(actor: Actor | None) -> QuerySet[Entry]:
    return Entry.objects.all() if actor is None else entries_visible_to(actor)


def _rows(scope: Scope) -> QuerySet[Entry]:
    rows = _seen(scope.actor).filter(trace_id__in=scope.traces)
    return rows.exclude(target_id__in=scope.hidden) if scope.hidden else rows


def _show(row: Entry) -> Item:
    return Item(
        kind="audit",
        at=row.at,
        id=str(row.pk),
        title=row.action,
        trace_id=row.trace_id,
        url=reverse("audit_entry", args=[row.pk]),
        row=("audit_entry", row.pk),
        organization_id=row.organization_id,
        user_id=row.actor_id if row.actor_kind == Entry.ActorKind.USER else None,
        api_key_id=row.api_key_id,
        data={
            "target": f"{row.target_type} {row.target_id}",
            "summary": row.summary,
            "by": row.actor_kind,
            **row.data,
        },
    )


def _find(actor: Actor | None, wanted: Wanted) -> Iterator[Clue]:
    if wanted.number is not None:
        yield from map(_clue, _seen(actor).filter(pk=wanted.number))


def _keys(scope: Scope) -> QuerySet[Any]:
    return _rows(scope).filter(api_key_id__isnull=False).annotate(acting=F("api_key_id"))


def _by_key(actor: Actor | None, key: ApiKey) -> Iterator[Clue]:
    """What the key did, and what was done to it."""
    rows = _seen(actor).filter(organization_id=key.organization_id).order_by("-pk")
    yield from map(_clue, rows.filter(actor_id=key.pk)[: TRACES + 1])
    yield from map(_clue, rows.filter(target_type="api_key", target_id=str(key.pk))[: TRACES + 1])


def _clue(row: Entry) -> Clue:
    return Clue(row.trace_id, "audit", row.action, row.at, row.organization_id)
