"""Which mails a person wants. Rooms register their kinds in `apps.py` and ask `wants` before.

Notices about the account's own safety are not here: they are always sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is stored; `label` and `help_text` stand on the page."""

    name: str
    label: StrOrPromise
    help_text: StrOrPromise = ""


class Mutes(Protocol):
    muted: list[str]


_kinds: dict[str, Kind] = {}


def register_notification(name: str, label: StrOrPromise, help_text: StrOrPromise = "") -> None:
    """Repeating it replaces the earlier words."""
    _kinds[name] = Kind(name, label, help_text)


def notification_kinds() -> list[Kind]:
    return list(_kinds.values())


def known_kinds(names: Iterable[str]) -> bool:
    return set(names) <= set(_kinds)


def wants(user: Mutes, name: str) -> bool:
    """Whether to mail this person about `name`. KeyError: nobody registered such a kind."""
    return _kinds[name].name not in user.muted
