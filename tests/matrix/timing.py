"""Whether the time of an answer tells a foreign row from one that never was.

The statements are compared elsewhere, exactly; this is what remains, so it is asked by statistics:
interleaved knocks, medians, and a second and a third series before anything is called a finding.
"""

from __future__ import annotations

import statistics
import time

from django.test import Client

from core.ids import uuid7
from orgs.models import Role
from tests.doors import Door
from tests.matrix.knocking import ask, id_of, signed_in, undone
from tests.matrix.probes import targeted
from tests.matrix.walking import Findings, Worlds

SERIES = (12, 40, 160)
"""Knocks of each kind: most doors are done after the first series."""
NOBODYS = 10**15
"""Numbers from here on name no row; what is no number at all is refused before any look-up."""


def walk(worlds: Worlds, findings: Findings) -> None:
    owner = signed_in(worlds.ours.people[Role.OWNER])
    for name, door in targeted().items():
        if not name.startswith("GET ") or door.target == "trace":
            continue
        findings.pairs += 1
        if all(_differs(owner, worlds, name, door, count) for count in SERIES):
            findings.note(f"time at {name}", "a foreign id takes another time than none")


def _differs(owner: Client, worlds: Worlds, name: str, door: Door, count: int) -> bool:
    """Medians apart by more than a tenth and by more than the samples scatter."""
    foreign, none, theirs = [], [], id_of(worlds.theirs, door.target)
    for number in range(count):
        missing = str(NOBODYS + number) if theirs.isdecimal() else str(uuid7())
        foreign.append(_time(owner, worlds, name, door, theirs))
        none.append(_time(owner, worlds, name, door, missing))
    apart = abs(statistics.median(foreign) - statistics.median(none))
    scatter = max(_scatter(foreign), _scatter(none))
    return apart > 0.1 * statistics.median(none) and apart > 3 * scatter / count**0.5


def _scatter(times: list[float]) -> float:
    middle = statistics.median(times)
    return 1.4826 * statistics.median(abs(each - middle) for each in times)


def _time(owner: Client, worlds: Worlds, name: str, door: Door, pk: str) -> float:
    with undone():
        start = time.perf_counter()
        ask(owner, name, door, worlds.theirs, pk=pk)
        return time.perf_counter() - start
