"""Rights on one object for one person or one team, in guardian's direct-foreign-key form.

A shareable model in any room declares a `UserGrant` and a `TeamGrant` with `content_object =
ForeignKey(X)`, and permissions named `<right>_<model>` in its Meta. Rows cascade with the object,
the person and the team: no orphans.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from orgs.models.projects import Project


class UserGrant(UserObjectPermissionBase):
    """Guardian's unique key starts with the person, which is how grants are read."""

    base_kind: ClassVar = "user"

    class Meta(UserObjectPermissionBase.Meta):
        abstract = True


class TeamGrant(GroupObjectPermissionBase):
    """To a team, by its group. The group holds nothing else, and its rows say who is in it not."""

    base_kind: ClassVar = "team"

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = True


class ProjectGrant(UserGrant):
    """One right on one project, and on everything in it, for one person."""

    content_object = models.ForeignKey(Project, models.CASCADE, related_name="grants")

    class Meta(UserGrant.Meta):
        verbose_name = _("project grant")
        verbose_name_plural = _("project grants")


class ProjectTeamGrant(TeamGrant):
    """One right on one project, and on everything in it, for one team."""

    content_object = models.ForeignKey(Project, models.CASCADE, related_name="team_grants")

    class Meta(TeamGrant.Meta):
        verbose_name = _("project grant to a team")
        verbose_name_plural = _("project grants to teams")
