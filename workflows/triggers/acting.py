"""In whose name a trigger's runs start, asked anew each time; and what follows when nobody may."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils.timezone import now

from audit.actions import record
from orgs.access import Actor, system_actor
from orgs.models import ApiKey, Membership
from workflows.errors import TriggerOwnerGone
from workflows.letters import tell_of_disabled
from workflows.models import Trigger

MOST_FAILURES = 5
"""Failures in a row after which a trigger is switched off."""


def acting_actor(trigger: Trigger) -> Actor:
    """Raises TriggerOwnerGone: the person left or is disabled, the key ended."""
    if trigger.acts_for_key_id is not None:
        return _as_key(trigger)
    rows = Membership.objects.of(trigger.organization_id)
    row = rows.filter(user_id=trigger.acts_for_user_id, user__is_active=True).first()
    if row is None:
        raise TriggerOwnerGone("Whoever this trigger acts for is not in the organization any more.")
    return Actor(organization_id=row.organization_id, role=row.role, user_id=row.user_id)


def _as_key(trigger: Trigger) -> Actor:
    rows = ApiKey.objects.live(now()).filter(organization_id=trigger.organization_id)
    key = rows.filter(pk=trigger.acts_for_key_id).first()
    if key is None:
        raise TriggerOwnerGone("The key that this trigger acts for does not work any more.")
    return Actor(
        organization_id=key.organization_id,
        api_key_id=key.pk,
        scopes=frozenset(key.scopes),
        project_id=key.project_id,
    )


def owner_of(trigger: Trigger) -> UUID | None:
    """The person behind it: of a key, its maker. None once they are not in the organization."""
    user_id = trigger.acts_for_user_id
    if trigger.acts_for_key_id is not None:
        keys = ApiKey.objects.filter(pk=trigger.acts_for_key_id)
        user_id = keys.values_list("created_by_id", flat=True).first()
    if user_id is None:
        return None
    active = get_user_model().objects.filter(pk=user_id, is_active=True)
    rows = Membership.objects.of(trigger.organization_id).filter(user__in=active)
    return user_id if rows.exists() else None


def note_success(trigger: Trigger) -> None:
    """In the transaction of the firing. The row is not locked for what stands there already."""
    Trigger.objects.filter(pk=trigger.pk).update(last_fired_at=now(), failures=0)
    trigger.failures = 0


def note_failure(trigger: Trigger, code: str) -> None:
    """Count a failure of the trigger itself; after several in a row it is switched off.

    In the transaction of the firing, with the trigger's row locked.
    """
    trigger.failures += 1
    changed: dict[str, Any] = {"failures": trigger.failures}
    if trigger.failures >= MOST_FAILURES and trigger.enabled:
        trigger.enabled, trigger.disabled_reason = False, code
        trigger.next_at = trigger.next_occurrence = None
        changed |= {"enabled": False, "disabled_reason": code, "next_at": None}
        changed |= {"next_occurrence": None}
        _tell(trigger, code)
    Trigger.objects.filter(pk=trigger.pk).update(**changed)


def _tell(trigger: Trigger, code: str) -> None:
    record(
        "workflows.trigger.disabled",
        actor=system_actor(trigger.organization_id),
        target_type="trigger",
        target_id=trigger.pk,
        summary=trigger.name,
        data={"workflow": str(trigger.workflow_id), "kind": trigger.kind, "reason": code},
        project_id=trigger.workflow.project_id,
    )
    tell_of_disabled(trigger, owner_of(trigger), code)
