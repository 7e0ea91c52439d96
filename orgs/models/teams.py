"""Teams: people who get at things together."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel
from orgs.models.members import Membership
from orgs.visibility import Place, VisibleQuerySet


class TeamQuerySet(VisibleQuerySet):
    """Of teams, and of who is in them."""

    place = Place("member.view")


class Team(TenantModel):
    """Named once per organization. `group` is what guardian grants objects to, and nothing else."""

    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=300, blank=True)
    group = models.OneToOneField(Group, models.PROTECT, related_name="team", editable=False)

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="team_name_once"),
        )

    def __str__(self) -> str:
        return self.name


class TeamMembership(TenantModel):
    """A member of the organization in one of its teams; goes with either."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="members", verbose_name=_("team"))
    member = models.ForeignKey(
        Membership, models.CASCADE, related_name="teams", verbose_name=_("member")
    )
    lead = models.BooleanField(_("lead"), default=False)

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team membership")
        verbose_name_plural = _("team memberships")
        constraints = (models.UniqueConstraint(name="team_member_once", fields=("team", "member")),)

    def __str__(self) -> str:
        return f"{self.team} · {self.member.user}"
