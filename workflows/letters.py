"""What workflows write to people about."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.letters import write_letter
from accounts.models import Letter
from accounts.notifications import register_notification
from orgs.models import Membership
from workflows.models import Trigger

DISABLED = "trigger_disabled"


def contribute() -> None:
    register_notification(
        DISABLED,
        _("Triggers that were switched off"),
        _("When a schedule or webhook of yours failed several times in a row."),
        stands=_still_off,
    )


def _still_off(letter: Letter) -> bool:
    return Trigger.objects.filter(pk=letter.context["trigger_id"], enabled=False).exists()


def tell_of_disabled(trigger: Trigger, user_id: UUID | None, code: str) -> None:
    """To whom it acted for; to the organization's owners once they are gone."""
    people = [user_id] if user_id else _owners(trigger.organization_id)
    for person in people:
        write_letter(
            DISABLED,
            user_id=person,
            template="workflows/mail/trigger_disabled",
            path=reverse("trigger", args=[trigger.pk]),
            organization_id=trigger.organization_id,
            context={
                "trigger_id": str(trigger.pk),
                "trigger": trigger.name,
                "workflow": trigger.workflow.name,
                "organization": trigger.organization.name,
                "reason": code,
            },
        )


def _owners(organization_id: UUID) -> list[UUID]:
    rows = Membership.objects.owners_of(organization_id).filter(user__is_active=True)
    return list(rows.order_by("pk").values_list("user_id", flat=True))
