"""What rooms above add to an organization's pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.ui import Board, Panel
from orgs.access import Actor

_danger = Board()


def register_danger_panel(
    name: str, template: str, read: Callable[[Actor], Mapping[str, Any]], order: int
) -> None:
    """A card on the page where owners end or hand over the organization; owners alone see it."""
    _danger.panels[name] = Panel(name, template, read, order)


def danger_panels(actor: Actor) -> list[tuple[Panel, Mapping[str, Any]]]:
    return _danger.filled(actor, lambda _verb: True)
