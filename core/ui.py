"""The shell of the member pages: who may see which entry, and which rooms bring which panels.

Rooms above register navigation, home panels and dashboard figures in `AppConfig.ready`, so that
nothing here imports them. `orgs` connects the permission table (`connect_access`). An actor is
whatever `orgs` says it is; here it is passed through untouched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject, cached_property
from django_stubs_ext import StrOrPromise

from core.palette import BRAND, BRAND_ICON

Actor = Any


@dataclass(frozen=True, slots=True)
class OrganizationChoice:
    """One line of the organization switcher."""

    id: str
    name: str
    role: StrOrPromise
    current: bool
    closing_at: datetime | None = None
    """When it is deleted, where that was announced: every page says so."""


@dataclass(frozen=True, slots=True)
class SupportNotice:
    """What every page says while an operator is inside an organization as support."""

    organization: str
    level: StrOrPromise
    reason: str
    until: datetime


class Access(Protocol):
    """What the shell asks `orgs`."""

    def actor_of(self, request: HttpRequest) -> Actor | None:
        """The actor of a signed-in member; None when there is no organization to act in."""

    def can(self, actor: Actor, verb: str) -> bool: ...

    def organizations(self, request: HttpRequest) -> Sequence[OrganizationChoice]: ...

    def support(self, request: HttpRequest) -> SupportNotice | None:
        """Only while the request's person is inside as support."""


@dataclass(frozen=True, slots=True)
class NavEntry:
    section: StrOrPromise
    label: StrOrPromise
    icon: str
    url_name: str
    order: int
    verb: str | None = None
    badge: Callable[[Actor], int] | None = None


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure. `tone` is "", ok, warn or bad and colours the note."""

    label: StrOrPromise
    icon: str
    value: str
    note: StrOrPromise = ""
    tone: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`template` is rendered with what `read(actor)` returns, under its names and as `panel`.

    `span` is "full" (whole width), "main" (two thirds), "half" or "side" (one third).
    """

    name: str
    template: str
    read: Callable[[Actor], Mapping[str, Any]]
    order: int
    verb: str | None = None
    span: str = "full"


@dataclass(slots=True)
class Board:
    """The figures and panels of one page, contributed by many rooms."""

    kpis: dict[str, tuple[int, str | None, Callable[[Actor], Kpi]]] = field(default_factory=dict)
    panels: dict[str, Panel] = field(default_factory=dict)

    def figures(self, actor: Actor, may: Callable[[str | None], bool]) -> list[Kpi]:
        rows = sorted(self.kpis.values(), key=lambda row: row[0])
        return [read(actor) for _, verb, read in rows if may(verb)]

    def filled(
        self, actor: Actor, may: Callable[[str | None], bool]
    ) -> list[tuple[Panel, Mapping[str, Any]]]:
        panels = sorted(self.panels.values(), key=lambda panel: panel.order)
        return [(panel, panel.read(actor)) for panel in panels if may(panel.verb)]


_access: Access | None = None
_nav: dict[str, NavEntry] = {}
home_board = Board()
dashboard_board = Board()


def connect_access(access: Access) -> None:
    """Called once by `orgs` when it is ready."""
    global _access  # noqa: PLW0603 - the one seam through which a lower room learns of a higher
    _access = access


def register_nav(  # noqa: PLR0917 - a table row, each column named
    section: StrOrPromise,
    label: StrOrPromise,
    icon: str,
    url_name: str,
    order: int,
    verb: str | None = None,
    badge: Callable[[Actor], int] | None = None,
) -> None:
    """Add a navigation entry; `badge(actor)` is counted on every page, so keep it one query.

    Orders: build 100-199, work 200-299, money 300-399, organization 900-999.
    """
    _nav[url_name] = NavEntry(section, label, icon, url_name, order, verb, badge)


def register_home_panel(
    name: str,
    template: str,
    read: Callable[[Actor], Mapping[str, Any]],
    order: int,
    verb: str | None = None,
    span: str = "full",
) -> None:
    home_board.panels[name] = Panel(name, template, read, order, verb, span)


def register_home_kpi(
    name: str, read: Callable[[Actor], Kpi], order: int, verb: str | None = None
) -> None:
    home_board.kpis[name] = (order, verb, read)


def register_dashboard_panel(
    name: str,
    template: str,
    read: Callable[[Actor], Mapping[str, Any]],
    order: int,
    span: str = "full",
    permission: str = "",
) -> None:
    """A panel of the operators' console; `read(None)`: operators see every organization.

    `permission` is Django's own ("workflows.view_run"); without one, superusers alone see it.
    """
    dashboard_board.panels[name] = Panel(name, template, read, order, permission, span)


def register_dashboard_kpi(
    name: str, read: Callable[[Actor], Kpi], order: int, permission: str = ""
) -> None:
    dashboard_board.kpis[name] = (order, permission, read)


class Shell:
    """What `ui/base.html` shows around a page; every part is read only when a template asks."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def actor(self) -> Actor | None:
        user = getattr(self.request, "user", None)
        if _access is None or user is None or not user.is_authenticated:
            return None
        return _access.actor_of(self.request)

    @cached_property
    def organizations(self) -> Sequence[OrganizationChoice]:
        """Also where the current one is closed to the person, so that they can switch."""
        user = getattr(self.request, "user", None)
        return _access.organizations(self.request) if _access and _signed_in(user) else ()

    @cached_property
    def support(self) -> SupportNotice | None:
        return _access.support(self.request) if _access and self.actor else None

    @cached_property
    def organization(self) -> OrganizationChoice | None:
        return next((choice for choice in self.organizations if choice.current), None)

    def may(self, verb: str | None) -> bool:
        if verb is None:
            return True
        return _access is not None and self.actor is not None and _access.can(self.actor, verb)

    @cached_property
    def sections(self) -> list[tuple[str, list[dict[str, Any]]]]:
        if self.actor is None:
            return []
        entries = [entry for entry in sorted(_nav.values(), key=_by_order) if self.may(entry.verb)]
        rows = [(entry, url) for entry in entries if (url := _url(entry.url_name))]
        active = _active_url(self.path, [url for _, url in rows])
        return _grouped((str(e.section), self._row(e, url, url == active)) for e, url in rows)

    @property
    def path(self) -> str:
        """The page in view: a fragment request names it in its header."""
        htmx = getattr(self.request, "htmx", None)
        return (htmx.current_url_abs_path if htmx else None) or self.request.path

    def _row(self, entry: NavEntry, url: str, active: bool) -> dict[str, Any]:
        return {
            "label": entry.label,
            "icon": entry.icon,
            "url": url,
            "active": active,
            "badge": entry.badge(self.actor) if entry.badge else 0,
        }


def _signed_in(user: Any) -> bool:
    return user is not None and bool(user.is_authenticated)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Lazy: the admin, e-mails and error pages never pay for the navigation."""
    return {
        "brand": BRAND,
        "brand_icon": BRAND_ICON,
        "shell": SimpleLazyObject(lambda: Shell(request)),
    }


def home_context(request: HttpRequest) -> dict[str, Any]:
    around = Shell(request)
    return {
        "kpis": home_board.figures(around.actor, around.may),
        "panels": home_board.filled(around.actor, around.may),
    }


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook for the first page of the console: what this operator's groups let them see."""

    def may(permission: str | None) -> bool:
        user: Any = request.user
        return bool(user.is_superuser or (permission and user.has_perm(permission)))

    context["kpis"] = dashboard_board.figures(None, may)
    context["panels"] = dashboard_board.filled(None, may)
    return context


def _by_order(entry: NavEntry) -> int:
    return entry.order


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _active_url(path: str, urls: list[str]) -> str:
    """The longest entry that is the page or one of its parents; "/" is only itself."""
    above = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(above, key=len, default="")


def _grouped(
    rows: Iterable[tuple[str, dict[str, Any]]],
) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for section, row in rows:
        groups.setdefault(section, []).append(row)
    return list(groups.items())
