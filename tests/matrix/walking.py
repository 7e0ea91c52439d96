"""The walk: every caller at every door, and what was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from llm.offline import ensure_offline_model
from orgs.models import Role
from tests.doors import DOORS, EMPTY, Door
from tests.matrix import routes
from tests.matrix.callers import Caller
from tests.matrix.elsewhere import ELSEWHERE, GATEWAY
from tests.matrix.knocking import Statements, ask, is_api, text_of, undone
from tests.worlds import KEPT, World, snapshot_of

TENANT_TABLES = {model._meta.db_table for model in KEPT}
REFUSALS = range(400, 500)


@dataclass
class Findings:
    """`leaks` in words, one each; `pairs`: how often somebody knocked somewhere."""

    pairs: int = 0
    leaks: list[str] = field(default_factory=list)

    def note(self, where: str, what: str) -> None:
        self.leaks.append(f"{where}: {what}")


@dataclass
class Worlds:
    """Two organizations and how their rows stood before anybody knocked."""

    ours: World
    theirs: World
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    thorough: bool = True
    """The suite asks less often than `make matrix`, but of everything."""

    def settle(self) -> None:
        """Call this when all who will knock are there: some of them are rows themselves."""
        for world in self:
            ensure_offline_model(world.organization.pk)  # else the first look would add it
            self.before[world.mark] = snapshot_of(world)

    def __iter__(self) -> Any:
        return iter((self.ours, self.theirs))

    def changed(self) -> list[str]:
        """The marks of those whose rows are not what they were."""
        return [each.mark for each in self if self.is_changed(each)]

    def is_changed(self, world: World) -> bool:
        return snapshot_of(world) != self.before[world.mark]


def declared() -> dict[str, Door]:
    """Every door outside the console: ours, and those of the packages behind ours."""
    return DOORS | ELSEWHERE


def undeclared() -> list[str]:
    """What is served and stands nowhere, and what stands somewhere and is not served."""
    served = set(routes.served())
    lost = {f"{name} (in the schema alone)" for name in set(routes.operations()) - served}
    return sorted((served ^ set(declared())) | lost | (routes.gateway() ^ set(GATEWAY)))


def count_of_routes() -> int:
    """Routes outside the console by method, the gateway's with them."""
    return len(declared()) + len(GATEWAY)


def walk(caller: Caller, worlds: Worlds, findings: Findings, doors: Iterable[str] = ()) -> None:
    """One caller at every door of `declared()`, or at `doors`."""
    known = declared()
    for name in doors or known:
        door = known[name]
        if caller.api_only and (not is_api(name) or door.open is not None):
            continue
        where = f"{caller.name} at {name}"
        with undone() as seen:
            response = ask(caller.client, name, door, caller.about, body=caller.home)
            judge(where, response, caller.expected(name, door), findings)
            look_for_marks(where, response, worlds, caller.home, findings)
            untouched(where, response, seen, worlds, findings, caller.home)
            if caller.name == Role.GUEST and door.guest == EMPTY and not door.target:
                shows_no_rows(where, response, caller.about, findings)


def judge(where: str, response: Any, expected: Iterable[int], findings: Findings) -> None:
    findings.pairs += 1
    if response.status_code not in expected:
        findings.note(where, f"{response.status_code}, not {sorted(expected)}")


def look_for_marks(
    where: str, response: Any, worlds: Worlds, home: World | None, findings: Findings
) -> None:
    """An answer carries the marks of the caller's own organization and of no other."""
    text = text_of(response).lower()
    for world in worlds:
        if world is not home and world.mark.lower() in text:
            findings.note(where, f"shows the mark of {world.mark}")


def shows_no_rows(where: str, response: Any, world: World, findings: Findings) -> None:
    """A list of what was shared with somebody with whom nothing was."""
    text = text_of(response)
    for kind in ("workflow", "project", "team", "task", "key"):
        if f"{world.mark} {kind}" in text:
            findings.note(where, f"shows a {kind}")


def untouched(
    where: str,
    response: Any,
    seen: Statements,
    worlds: Worlds,
    findings: Findings,
    home: World | None,
) -> None:
    """A refusal wrote nothing, and nobody wrote into another's rows."""
    if not seen.written & TENANT_TABLES:
        return
    refused = response.status_code in REFUSALS
    for mark in worlds.changed():
        if refused or home is None or mark != home.mark:
            findings.note(where, f"changed rows of {mark} with {response.status_code}")
