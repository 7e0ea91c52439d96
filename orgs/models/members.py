"""People of an organization and the one role each has there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.actor import holds
from orgs.visibility import Place, VisibleQuerySet

if TYPE_CHECKING:
    from orgs.actor import Actor


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Administrator")
    BUILDER = "builder", _("Builder")
    APPROVER = "approver", _("Approver")
    FINANCE = "finance", _("Finance")
    MEMBER = "member", _("Member")
    GUEST = "guest", _("Guest")


class MembershipQuerySet(VisibleQuerySet):
    place = Place("member.view")

    def visible_to(self, actor: Actor, verb: str = "") -> Self:
        """Guests do not see who else is there, but themselves."""
        verb = verb or self.place.verb
        if verb != self.place.verb or actor.user_id is None or holds(actor, verb):
            return super().visible_to(actor, verb)
        return self.of(actor.organization_id).filter(user_id=actor.user_id)

    def owners_of(self, organization_id: UUID) -> Self:
        return self.filter(organization_id=organization_id, role=Role.OWNER)


class Membership(TenantModel):
    """A person's one role in one organization."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = (
            models.UniqueConstraint(name="membership_once", fields=("organization", "user")),
        )
        indexes = (models.Index(fields=("organization", "-id"), name="membership_org_newest"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"
