"""The tabs of an organization's pages. Rooms and branches register theirs in `apps.ready`."""

from __future__ import annotations

from dataclasses import dataclass

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
