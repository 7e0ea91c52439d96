"""What the page shell needs to know of people and permissions."""

from collections.abc import Sequence

from django.http import HttpRequest

from core.ui import OrganizationChoice
from orgs.access import Actor, actor_of, can, memberships_of
from orgs.errors import NoOrganization


class ShellAccess:
    """`core.ui.Access`, answered by the permission table."""

    def actor_of(self, request: HttpRequest) -> Actor | None:
        try:
            return actor_of(request)
        except NoOrganization:
            return None

    def can(self, actor: Actor, verb: str) -> bool:
        return can(actor, verb)

    def organizations(self, request: HttpRequest) -> Sequence[OrganizationChoice]:
        current = actor_of(request).organization_id
        return [
            OrganizationChoice(
                id=str(row.organization_id),
                name=row.organization.name,
                role=row.get_role_display(),
                current=row.organization_id == current,
            )
            for row in memberships_of(request.user.pk)
        ]
