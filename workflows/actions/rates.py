"""How often an organization lets its nodes work: limits by kind of node or by connector."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, require
from workflows.errors import LimitTaken
from workflows.models import NodeRateLimit

MOST_CALLS = 1_000_000
LONGEST_PERIOD = 86_400
"""Seconds: a day."""
LONGEST_NAME = 200
FIELDS = ("scope", "name", "limit", "per_seconds", "burst")


@transaction.atomic
def create_rate_limit(
    *,
    actor: Actor,
    scope: str,
    name: str,
    limit: int,
    per_seconds: int,
    burst: int | None = None,
) -> NodeRateLimit:
    """Let nodes start `limit` times in `per_seconds`, evenly, up to `burst` of them at once.

    Without `burst` that is `limit`. Workers feel it within seconds. Raises InvalidInput and
    LimitTaken.
    """
    require(actor, "limit.manage")
    row = NodeRateLimit(organization_id=actor.organization_id)
    values = {"scope": scope, "name": name, "limit": limit, "per_seconds": per_seconds}
    _set(row, values | {"burst": limit if burst is None else burst})
    _save(row, new=True)
    _note("workflows.rate_limit.created", actor, row, after=_values(row))
    return row


@transaction.atomic
def change_rate_limit(*, actor: Actor, limit_id: UUID, **values: Any) -> NodeRateLimit:
    """Change those of `FIELDS` that are given. Raises InvalidInput, LimitTaken."""
    require(actor, "limit.manage")
    row = _row(actor, limit_id)
    before = _values(row)
    _set(row, {name: value for name, value in values.items() if value is not None})
    after = _values(row)
    if after != before:
        _save(row)
        _note("workflows.rate_limit.changed", actor, row, before=before, after=after)
    return row


@transaction.atomic
def delete_rate_limit(*, actor: Actor, limit_id: UUID) -> None:
    require(actor, "limit.manage")
    row = _row(actor, limit_id)
    _note("workflows.rate_limit.deleted", actor, row, before=_values(row))
    row.delete()


def _row(actor: Actor, limit_id: UUID) -> NodeRateLimit:
    rows = NodeRateLimit.objects.of(actor.organization_id).select_for_update()
    row: NodeRateLimit | None = rows.filter(pk=limit_id).first()
    if row is None:
        raise NotFound("There is no such limit.")
    return row


def _values(row: NodeRateLimit) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _set(row: NodeRateLimit, values: dict[str, Any]) -> None:
    """Names are compared in lower case: hosts are, and models and tools differ in more."""
    if "name" in values:
        values["name"] = str(values["name"]).replace("\0", "").strip().lower()
        if not 0 < len(values["name"]) <= LONGEST_NAME:
            raise InvalidInput(
                _("Name a kind of node, a host, a model or a tool."), field="name",
                most=LONGEST_NAME,
            )  # fmt: skip
    if values.get("scope", row.scope) not in NodeRateLimit.Scope.values:
        raise InvalidInput(_("There is no such choice."), field="scope")
    bounds = {"limit": MOST_CALLS, "per_seconds": LONGEST_PERIOD, "burst": MOST_CALLS}
    for name, most in bounds.items():
        if not 1 <= values.get(name, 1) <= most:
            raise InvalidInput(_("This number is out of range."), field=name, least=1, most=most)
    for name, value in values.items():
        setattr(row, name, value)


def _save(row: NodeRateLimit, *, new: bool = False) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=new)
    except IntegrityError as error:
        raise LimitTaken(_("There is a limit for this already."), name=row.name) from error


def _note(what: str, actor: Actor, row: NodeRateLimit, **states: Any) -> None:
    record(
        what,
        actor=actor,
        target_type="rate_limit",
        target_id=row.pk,
        summary=row.name,
        data={"scope": row.scope},
        **states,
    )
