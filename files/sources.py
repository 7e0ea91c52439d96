"""What can be exported. Rooms register their sources in `AppConfig.ready`.

A source's rows depend on the organization and the filters alone: whoever holds its verb may see
every export of it, not only their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_stubs_ext import StrOrPromise

from core.errors import NotFound, PermissionRefused
from orgs.actor import holds

if TYPE_CHECKING:
    from orgs.access import Actor

Filters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """`verb`: what one needs, asked at the start and again when the worker begins.

    `check(filters)` returns them as they are stored, or raises InvalidInput. `count(actor,
    filters)` says how many rows there will be (None: unknown). `rows(actor, filters)` yields each
    row's values in the order of `columns`, JSON-safe, reading in portions of its own.
    """

    name: str
    verb: str
    label: StrOrPromise
    columns: Sequence[str]
    check: Callable[[Filters], dict[str, Any]]
    count: Callable[[Actor, Filters], int | None]
    rows: Callable[[Actor, Filters], Iterator[Sequence[Any]]]
    sees_all: Callable[[Actor], bool] = lambda actor: True
    """Whether the actor, who holds the verb, may see every row there is."""

    def allows(self, actor: Actor) -> bool:
        return holds(actor, self.verb) and self.sees_all(actor)


_sources: dict[str, Source] = {}


def register_source(source: Source) -> None:
    _sources[source.name] = source


def source_of(name: str) -> Source:
    """Raises NotFound."""
    if name not in _sources:
        raise NotFound("There is no such source to export.", known=sorted(_sources))
    return _sources[name]


def require_source(actor: Actor, source: Source) -> None:
    """Raises PermissionRefused."""
    if not source.allows(actor):
        raise PermissionRefused("Your role does not allow this.", verb=source.verb)


def all_sources() -> list[Source]:
    return list(_sources.values())


def label_of(name: str) -> StrOrPromise:
    """The source's label; its name where no room brings it any more."""
    return _sources[name].label if name in _sources else name
