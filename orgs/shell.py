"""What the page shell needs to know of people and permissions."""

from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.errors import SecondFactorRequired
from accounts.models import User
from core.ui import Kpi, OrganizationChoice, SupportNotice, register_dashboard_kpi, register_nav
from orgs.access import Actor, actor_of, can, memberships_of
from orgs.errors import NoOrganization
from orgs.models import Organization
from orgs.support import stay_of
from orgs.tabs import register_tab


def count_people(actor: None) -> Kpi:
    """Everybody who can sign in, for the operators' first page."""
    people = User.objects.filter(is_active=True).count()
    tenants = Organization.objects.count()
    note = ngettext("in %(n)s organization", "in %(n)s organizations", tenants) % {"n": tenants}
    url = reverse("admin:accounts_user_changelist")
    return Kpi(gettext("People"), "group", str(people), note, url=url)


class ShellAccess:
    """`core.ui.Access`, answered by the permission table."""

    def actor_of(self, request: HttpRequest) -> Actor | None:
        try:
            return actor_of(request)
        except (NoOrganization, SecondFactorRequired):
            return None

    def can(self, actor: Actor, verb: str) -> bool:
        return can(actor, verb)

    def organizations(self, request: HttpRequest) -> Sequence[OrganizationChoice]:
        current = _current(request)
        own = [
            OrganizationChoice(
                id=str(row.organization_id),
                name=row.organization.name,
                role=row.get_role_display(),
                current=str(row.organization_id) == current,
                closing_at=row.organization.closing_at,
            )
            for row in memberships_of(request.user.pk)
        ]
        stay = stay_of(request)
        if stay is None or str(stay.organization_id) != current:
            return own
        name = stay.organization.name
        visited = OrganizationChoice(current, name, gettext("Support"), current=True)
        return [visited, *(replace(choice, current=False) for choice in own)]

    def support(self, request: HttpRequest) -> SupportNotice | None:
        stay = stay_of(request)
        if stay is None or str(stay.organization_id) != _current(request):
            return None
        level = stay.get_level_display()
        return SupportNotice(stay.organization.name, level, stay.reason, stay.expires_at)


def _current(request: HttpRequest) -> str:
    """Also where it is closed to the person for want of a second factor: others stay in reach."""
    try:
        return str(actor_of(request).organization_id)
    except SecondFactorRequired as refused:
        return str(refused.detail["organization"])
    except NoOrganization:
        return ""


def contribute() -> None:
    """The places of this room: beside the pages, over those of the organization, in the console."""
    register_nav(_("Build"), _("Home"), "home", "home", 100)
    section = _("Organization")
    register_nav(_("Work"), _("Trace"), "timeline", "trace_search", 220)
    register_nav(section, _("API keys"), "key", "api_keys", 910, verb="key.create")
    register_nav(section, _("Members"), "group", "organization_members", 920)
    register_nav(section, _("Audit trail"), "history", "audit", 930, verb="audit.view")
    register_nav(section, _("Organization"), "domain", "organization_settings", 940)
    register_tab(_("General"), "organization_settings", 10)
    register_tab(_("Members"), "organization_members", 20)
    register_tab(_("Invitations"), "organization_invitations", 30, verb="member.manage")
    register_tab(_("Teams"), "organization_teams", 40, verb="member.view")
    register_tab(_("Projects"), "organization_projects", 50)
    register_tab(_("Sign-on"), "sso_connections", 60, verb="org.manage")
    register_tab(_("Support access"), "support_stays", 70, verb="support.view")
    register_tab(_("Danger zone"), "organization_danger", 900)
    register_dashboard_kpi("people", count_people, 30, "accounts.view_user")
