"""What an import found, gathered in one pass and handed out as plain JSON."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from workflows.dify.texts import FAULTS, REPAIRS, WARNINGS

MOST_LISTED = 1000
LONGEST_SHOWN = 200
MOST_NAMED = 200


class Place(NamedTuple):
    """Where in the file: the node, the line (from 1; 0 is the file itself) and the field's path."""

    node_id: str = ""
    line: int = 0
    path: str = ""


WHOLE_FILE = Place()


class Finding(TypedDict):
    """A fault or a warning."""

    code: str
    message: str
    params: dict[str, str]
    node_id: str
    line: int
    path: str


class Repair(TypedDict):
    """A change made to the flow so that it runs; `before` and `after` are JSON values."""

    code: str
    message: str
    params: dict[str, str]
    node_id: str
    line: int
    before: Any
    after: Any


class Unbound(TypedDict):
    """A connector that must be bound before the flow can be published."""

    node_id: str
    title: str
    provider: str
    tool: str
    parameters: dict[str, Any]


class Summary(TypedDict):
    nodes: int
    edges: int
    kinds: dict[str, int]


class Report(TypedDict):
    ok: bool
    faults: list[Finding]
    warnings: list[Finding]
    repairs: list[Repair]
    unbound: list[Unbound]
    models: list[str]
    summary: Summary


def shown(value: object) -> str:
    """A value from the file as it may stand in a sentence: short and on one line."""
    if isinstance(value, list):
        more = ["…"] if len(value) > MOST_NAMED else []
        return ", ".join([*map(shown, value[:MOST_NAMED]), *more])
    text = " ".join(str(value)[: LONGEST_SHOWN + 1].split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _params(values: dict[str, object]) -> dict[str, str]:
    return {name: shown(value) for name, value in values.items()}


@dataclass(slots=True)
class Notes:
    """The report while it is being written; each list is bounded."""

    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    unbound: list[Unbound] = field(default_factory=list)
    models: set[str] = field(default_factory=set)

    def fault(self, code: str, at: Place = WHOLE_FILE, **params: object) -> None:
        self._add(self.faults, FAULTS, "more_faults", (code, at, _params(params)))

    def warn(self, code: str, at: Place = WHOLE_FILE, **params: object) -> None:
        self._add(self.warnings, WARNINGS, "more_warnings", (code, at, _params(params)))

    def repair(self, code: str, at: Place = WHOLE_FILE, *, before: Any = None, after: Any) -> None:
        """Note a change; both values are given as they stand in the file and in the definition."""
        if len(self.repairs) > MOST_LISTED:
            return
        if len(self.repairs) == MOST_LISTED:
            code, at, before, after = "more_repairs", WHOLE_FILE, None, None
        params = {"limit": str(MOST_LISTED)} if code == "more_repairs" else {}
        self.repairs.append(
            {
                "code": code,
                "message": REPAIRS[code].format(**params),
                "params": params,
                "node_id": at.node_id,
                "line": at.line,
                "before": before,
                "after": after,
            }
        )

    def name_nodes(self, nodes: Iterable[tuple[int, int, str]]) -> None:
        """Give faults that only know their line the node that stands there (first, last, id)."""
        ranges = sorted(nodes)
        firsts = [first for first, _, _ in ranges]
        for finding in self.faults:
            at = bisect_right(firsts, finding["line"]) - 1
            if not finding["node_id"] and at >= 0 and finding["line"] <= ranges[at][1]:
                finding["node_id"] = ranges[at][2]

    def finish(self, kinds: Counter[str], edges: int) -> Report:
        return {
            "ok": not self.faults,
            "faults": sorted(self.faults, key=lambda finding: finding["line"]),
            "warnings": sorted(self.warnings, key=lambda finding: finding["line"]),
            "repairs": self.repairs,
            "unbound": self.unbound,
            "models": sorted(self.models),
            "summary": {"nodes": kinds.total(), "edges": edges, "kinds": dict(kinds)},
        }

    def _add(
        self,
        found: list[Finding],
        texts: dict[str, str],
        more: str,
        finding: tuple[str, Place, dict[str, str]],
    ) -> None:
        if len(found) > MOST_LISTED:
            return
        if len(found) == MOST_LISTED:
            finding = (more, WHOLE_FILE, {"limit": str(MOST_LISTED)})
        code, at, params = finding
        found.append(
            {
                "code": code,
                "message": texts[code].format(**params),
                "params": params,
                "node_id": at.node_id,
                "line": at.line,
                "path": at.path,
            }
        )
