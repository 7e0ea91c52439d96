"""Operators come into an organization as support, and leave it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from audit.actions import record
from core.errors import InvalidInput, NotFound, PermissionRefused
from orgs.access import Actor, require
from orgs.letters import tell_of_support
from orgs.models import Organization, SupportAccess
from orgs.support import MAY_ENTER, may_enter, support_actor

SHORTEST_REASON = 10
DEFAULT_MINUTES, MOST_MINUTES = 30, 4 * 60


@transaction.atomic
def begin_support(
    *,
    operator: Any,
    organization_id: UUID,
    reason: str,
    level: str = SupportAccess.Level.VIEW,
    minutes: int = DEFAULT_MINUTES,
) -> SupportAccess:
    """Let an operator in, for a stated reason and a while; an earlier stay of theirs ends.

    The organization's owners are told by mail. Raises PermissionRefused for who may not enter,
    InvalidInput for a reason of less than ten characters, an unknown level or a time out of bounds.
    """
    if not may_enter(operator):
        raise PermissionRefused("You may not enter organizations.", verb=MAY_ENTER)
    reason = " ".join(reason.split())
    _check(reason, level, minutes)
    if not Organization.objects.filter(pk=organization_id).exists():
        raise NotFound("There is no such organization.")
    for stay in SupportAccess.objects.running(now()).filter(operator=operator):
        _end(support_actor(stay), stay)
    stay = SupportAccess.objects.create(
        organization_id=organization_id,
        operator=operator,
        level=level,
        reason=reason,
        expires_at=now() + timedelta(minutes=minutes),
    )
    _note("orgs.support.started", support_actor(stay), stay, minutes=minutes)
    tell_of_support(stay)
    return stay


def _check(reason: str, level: str, minutes: int) -> None:
    if not SHORTEST_REASON <= len(reason) <= 500:
        raise InvalidInput("Say in 10 to 500 characters why you enter.", field="reason")
    if level not in SupportAccess.Level.values:
        raise InvalidInput("There is no such level.", known=list(SupportAccess.Level.values))
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidInput("A stay lasts up to four hours.", field="minutes", most=MOST_MINUTES)


@transaction.atomic
def end_support(*, actor: Actor, stay_id: UUID) -> SupportAccess:
    """End a stay at once: one's own, or any with the right to. Repeating it changes nothing."""
    rows = SupportAccess.objects.of(actor.organization_id).select_for_update()
    stay = rows.filter(pk=stay_id).first()
    if stay is None:
        raise NotFound("There is no such stay.")
    if actor.support_id != stay.pk:
        require(actor, "support.end", stay)
    if stay.running:
        _end(actor, stay)
    found: SupportAccess = stay
    return found


def _end(actor: Actor, stay: SupportAccess) -> None:
    stay.ended_at, stay.ended_by_id = now(), actor.user_id
    stay.save(update_fields=["ended_at", "ended_by_id", "updated_at"])
    _note("orgs.support.ended", actor, stay)


def _note(action: str, actor: Actor, stay: SupportAccess, **data: object) -> None:
    record(
        action,
        actor=actor,
        target_type="support_access",
        target_id=stay.pk,
        summary=stay.reason,
        data={"operator": str(stay.operator_id), "level": stay.level, **data},
    )
