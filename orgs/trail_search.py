"""What somebody typed into the trace search, resolved to traces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from core.jsonsafe import is_storable
from core.trace import trace_id_of
from orgs.access import Actor
from orgs.models import ApiKey
from orgs.tokens import looks_like_key
from orgs.trails import TRACES, Clue, Wanted, readable, scope_of

LONGEST = 255
_PREFIX = re.compile(r"(?:lw_)?([a-z0-9]{8})(?:[_…].*)?", re.DOTALL)
_NUMBER = re.compile(r"(?:([a-z]+)[: #/])?([0-9]{1,18})", re.ASCII)
_RUN = re.compile(r"(?:run:)?([0-9a-fA-F-]{32,36})[:/].+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """`traces`: what to show. With several `clues` under different traces, one is to be chosen."""

    wanted: str
    traces: tuple[str, ...] = ()
    clues: tuple[Clue, ...] = ()
    more: bool = False
    """Whether there are further traces than the clues name."""

    @property
    def undecided(self) -> bool:
        return len(self.traces) > 1


def resolve(actor: Actor | None, text: str) -> Found:
    """The traces that an id leads to: a trace id, a request id, or the id of anything under one.

    Everything is looked up as the reader: what they may not see leads nowhere.
    """
    wanted = _read(text)
    if wanted is None:
        return Found("")
    clues = _clues(actor, wanted)
    traces = list(dict.fromkeys(clue.trace_id for clue in clues))
    itself = trace_id_of(wanted.text)
    if itself not in traces and (not traces or (wanted.uuid and _exists(actor, itself))):
        traces.insert(0, itself)
    shown = traces[:TRACES]
    kept = tuple(clue for clue in clues if clue.trace_id in shown)
    return Found(wanted.text, tuple(shown), kept, len(traces) > TRACES)


def _read(text: str) -> Wanted | None:
    text = text.strip()
    if not text or len(text) > LONGEST or not is_storable(text):
        return None
    prefix, number, run = _PREFIX.fullmatch(text), _NUMBER.fullmatch(text), _RUN.fullmatch(text)
    if looks_like_key(text) and prefix:
        text = f"lw_{prefix[1]}"  # a whole token is not repeated to anybody
    return Wanted(
        text,
        uuid=_uuid(text),
        number=int(number[2]) if number else None,
        kind=(number[1] or "") if number else "",
        prefix=prefix[1] if prefix else None,
        run=_uuid(run[1]) if run else None,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in {32, 36} else None
    except ValueError:
        return None


def _clues(actor: Actor | None, wanted: Wanted) -> list[Clue]:
    found: list[Clue] = []
    asked = [one for one in readable(actor) if wanted.kind in {"", one.kind}]
    for source in asked:
        if source.find is not None:
            found += source.find(actor, wanted)
    for key in _keys(actor, wanted):
        for source in readable(actor):
            if source.by_key is not None:
                found += source.by_key(actor, key)
    found = [clue for clue in found if clue.trace_id]
    hidden = scope_of(actor, [clue.trace_id for clue in found]).hidden if found else ()
    return newest(clue for clue in found if clue.run not in hidden)


def _keys(actor: Actor | None, wanted: Wanted) -> list[ApiKey]:
    if not wanted.prefix and not wanted.uuid:
        return []
    rows = ApiKey.objects.all() if actor is None else ApiKey.objects.visible_to(actor)
    named = Q(pk=wanted.uuid) if wanted.uuid else Q(prefix=wanted.prefix)
    return list(rows.filter(named)[:2])


def _exists(actor: Actor | None, trace_id: str) -> bool:
    scope = scope_of(actor, [trace_id])
    return any(source.rows(scope).exists() for source in readable(actor))


def newest(clues: Iterable[Clue], most: int = TRACES + 1) -> list[Clue]:
    """The latest clue of each trace, newest first."""
    by_trace: dict[str, Clue] = {}
    for clue in sorted(clues, key=lambda clue: clue.at, reverse=True):
        by_trace.setdefault(clue.trace_id, clue)
    return list(by_trace.values())[:most]
