"""What people are written to about. Rooms register their kinds in `apps.py`.

A person may turn a kind off, unless it `always` goes: what concerns the safety of an account or of
an organization. `accounts.letters` asks here right before a letter leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django_stubs_ext import StrOrPromise

if TYPE_CHECKING:
    from accounts.models import Letter

SAFETY = "account_safety"
"""The kind of notices about an account's own safety."""


def _stands(letter: Letter) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is stored; `label` and `help_text` stand on the page and at the foot of letters.

    `stands` says whether what a letter tells is still so: one that waited for a mail server may
    have been overtaken.
    """

    name: str
    label: StrOrPromise
    help_text: StrOrPromise = ""
    always: bool = False
    stands: Callable[[Letter], bool] = _stands


class Mutes(Protocol):
    muted: list[str]


_kinds: dict[str, Kind] = {}


def register_notification(
    name: str,
    label: StrOrPromise,
    help_text: StrOrPromise = "",
    *,
    always: bool = False,
    stands: Callable[[Letter], bool] = _stands,
) -> None:
    """Repeating it replaces the earlier words."""
    _kinds[name] = Kind(name, label, help_text, always, stands)


def notification_kinds() -> list[Kind]:
    """Those a person may turn off."""
    return [kind for kind in _kinds.values() if not kind.always]


def constant_kinds() -> list[Kind]:
    """Those that always go."""
    return [kind for kind in _kinds.values() if kind.always]


def kind_of(name: str) -> Kind:
    """KeyError: nobody registered such a kind."""
    return _kinds[name]


def known_kinds(names: Iterable[str]) -> bool:
    """Whether all of them may be turned off."""
    return set(names) <= {kind.name for kind in notification_kinds()}


def wants(user: Mutes, name: str) -> bool:
    """Whether to mail this person about `name`. KeyError: nobody registered such a kind."""
    kind = kind_of(name)
    return kind.always or kind.name not in user.muted
