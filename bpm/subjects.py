"""How a decision gets back to whatever asked for it, without bpm knowing its clients.

A client registers its kind of subject in `AppConfig.ready`; the handler runs in the transaction of
the decision, so either both happened or neither did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from core.errors import InvalidInput

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from bpm.models import Decision, HumanTask


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of thing people are asked about.

    `decided` and `cancelled` run inside the transaction and roll it back by raising. `url` leads
    from a task to the thing itself.
    """

    decided: Callable[[HumanTask, Decision], None]
    cancelled: Callable[[HumanTask], None] | None = None
    label: StrOrPromise = ""
    url: Callable[[HumanTask], str] | None = None


_subjects: dict[str, Subject] = {}


def register(
    kind: str,
    handler: Callable[[HumanTask, Decision], None],
    cancelled: Callable[[HumanTask], None] | None = None,
    *,
    label: StrOrPromise = "",
    url: Callable[[HumanTask], str] | None = None,
) -> None:
    """Say what happens when a task of `kind` ("app.noun") is decided or cancelled."""
    _subjects[kind] = Subject(handler, cancelled, label, url)


def find_subject(kind: str) -> Subject | None:
    return _subjects.get(kind)


def subject_of(kind: str) -> Subject:
    """The registered subject; InvalidInput for a kind whose decisions would reach nobody."""
    if subject := _subjects.get(kind):
        return subject
    raise InvalidInput(_("Nothing handles decisions of this kind."), kind=kind)


def forget(kind: str) -> None:
    """Take a registration back (a plug-in that is switched off, a test that ends)."""
    _subjects.pop(kind, None)
