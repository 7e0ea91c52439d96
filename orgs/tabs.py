"""The tabs of an organization's pages. Rooms and branches register theirs in `apps.ready`."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Tab:
    label: StrOrPromise
    url_name: str
    order: int
    verb: str


_tabs: dict[str, Tab] = {}


def register_tab(label: StrOrPromise, url_name: str, order: int, verb: str = "org.view") -> None:
    """Shown to who holds `verb`. A page below the tab's address keeps it marked."""
    _tabs[url_name] = Tab(label, url_name, order, verb)


def tabs() -> list[Tab]:
    return sorted(_tabs.values(), key=lambda tab: tab.order)


def contribute() -> None:
    register_tab(_("General"), "organization_settings", 10)
    register_tab(_("Members"), "organization_members", 20)
    register_tab(_("Invitations"), "organization_invitations", 30, verb="member.manage")
    register_tab(_("Teams"), "organization_teams", 40, verb="member.view")
    register_tab(_("Projects"), "organization_projects", 50)
    register_tab(_("Sign-on"), "sso_connections", 60, verb="org.manage")
    register_tab(_("Support access"), "support_stays", 70, verb="support.view")
    register_tab(_("Danger zone"), "organization_danger", 900)
