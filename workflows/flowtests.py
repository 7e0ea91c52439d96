"""Trying a flow from its file: one run to its end in this process, and test cases of such runs.

The form of a case is that of the expectations that come with flows: `expected` states what must
hold (`match`: exact, subset, or recorded, which compares with `reference`).
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.ids import uuid7
from core.trace import current_trace_id
from workflows.dify import Imported, load_flow
from workflows.engine.records import GOOD, Change, RunState, Step
from workflows.mocks import SYSTEM, Mocks, made_up_inputs, shown_files
from workflows.nodes import KINDS
from workflows.nodes.services import Services
from workflows.runner import Limits, RunTask, advance

MOCK_RUN = "00000000-0000-7000-8000-000000000000"
INVALID = "build-failed"
PATIENT = Limits(rest=120)
"""Nobody takes the run up again: pauses between attempts are spent awake."""
Note = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class MemoryJournal:
    """A journal of one run that ends with this process."""

    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    note: Note | None = None

    async def commit(self, change: Change) -> bool:
        self.changes.append(change)
        self.steps.extend(change.steps)
        if self.note:
            for event in change.events:
                self.note(event.kind, {"node_id": event.node_id, **event.data})
        return True

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        self.pieces.append(str(data.get("text", "")))
        if self.note:
            self.note(kind, data)


@dataclass(frozen=True, slots=True)
class FlowResult:
    status: str
    outputs: dict[str, Any] | None
    stream_text: str | None
    error: str | None
    nodes: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.status in GOOD

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "outputs": self.outputs,
            "stream_text": self.stream_text,
            "error": self.error,
            "nodes": self.nodes,
        }


def read_file(path: Path) -> Imported:
    """Import for a trial: references to nothing are let pass, as a run may never come there."""
    return load_flow(path.read_bytes(), lenient=True)


def unrunnable_kinds(definition: Mapping[str, Any]) -> list[str]:
    return sorted({node["type"] for node in definition["nodes"]} - set(KINDS))


def refused(imported: Imported) -> FlowResult:
    """The result of a flow that cannot be run at all."""
    faults = imported.report["faults"]
    told = "; ".join(f"line {fault['line']}: {fault['message']}" for fault in faults)
    return FlowResult(INVALID, None, None, told)


async def run_flow(
    definition: Mapping[str, Any],
    *,
    services: Services,
    inputs: Mapping[str, Any] | None = None,
    query: str = "",
    mocks: Mocks | None = None,
    note: Note | None = None,
    organization: str = MOCK_RUN,
) -> FlowResult:
    """Run to the end. A flow that asks a person rests there: its status is `waiting`."""
    if mocks and mocks.auto_inputs:
        inputs = made_up_inputs(definition) | dict(inputs or {})
    system = {**SYSTEM, "query": query}
    run_id = MOCK_RUN
    if mocks is None:  # effects are real, and their keys must be of this run alone
        run_id = str(uuid7())
        system |= {"workflow_run_id": run_id, "timestamp": int(time.time())}
    journal = MemoryJournal(note=note)
    task = RunTask(
        run_id=run_id,
        organization_id=organization,
        trace_id=current_trace_id(),
        definition=definition,
        inputs=dict(inputs or {}),
        system=system,
    )
    started = time.monotonic()
    state = await advance(task, journal, services, mocks=mocks, limits=PATIENT)
    return _result(journal, state, time.monotonic() - started)


def _result(journal: MemoryJournal, state: RunState, seconds: float) -> FlowResult:
    last = journal.changes[-1]
    return FlowResult(
        status=str(state),
        outputs=shown_files(last.outputs),
        stream_text="".join(journal.pieces),
        error=last.error["message"] if last.error else None,
        nodes=[_node(step) for step in journal.steps],
        pieces=journal.pieces,
        seconds=seconds,
    )


def _node(step: Step) -> dict[str, Any]:
    return {
        "id": step.node_id,
        "kind": step.kind,
        "status": str(step.status),
        "attempts": step.attempts,
        "inputs": shown_files(step.inputs),
        "outputs": shown_files(step.outputs),
        "error": step.error or None,
    }


async def run_case(case: Mapping[str, Any], path: Path, services: Services) -> list[str]:
    """What is wrong with the run of a case; nothing when it passes."""
    try:
        imported = read_file(path)
    except OSError as error:
        return [f"{path.name} cannot be read: {error.strerror}"]
    if imported.definition is None:
        result = refused(imported)
        if _expected(case).get("status") != INVALID:
            return [f"the flow is refused: {result.error}"]
    elif kinds := unrunnable_kinds(imported.definition):
        return [f"node kinds that do not run yet: {', '.join(kinds)}"]
    else:
        result = await run_flow(
            imported.definition,
            services=services,
            inputs=case.get("inputs"),
            query=str(case.get("query") or ""),
            mocks=Mocks.parse(case.get("mocks") or {}),
        )
    return differences(case, result)


def differences(case: Mapping[str, Any], result: FlowResult) -> list[str]:
    expected = _expected(case)
    found = _compare_outcome(expected, result, exact=expected.get("match") == "exact")
    return [*found, *_compare_course(expected, result)]


def _expected(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """What must hold: what the case states, or else exactly what was recorded."""
    stated = case.get("expected") or {}
    if stated.get("match", "recorded") != "recorded":
        return stated
    return {**(case.get("reference") or {}), "match": "exact"}


def _compare_outcome(expected: Mapping[str, Any], result: FlowResult, *, exact: bool) -> list[str]:
    found = []
    if (status := expected.get("status")) and status != result.status:
        cause = f" ({result.error})" if result.error else ""
        found.append(f"status {result.status}{cause}, expected {status}")
    wanted = expected.get("outputs")
    if wanted is not None and not _matches(wanted, result.outputs, exact=exact):
        found.append(f"outputs {_short(result.outputs)}, expected {_short(wanted)}")
    text = expected.get("stream_text")
    if text is not None and text != result.stream_text:
        found.append(f"stream_text {result.stream_text!r}, expected {text!r}")
    return found


def _matches(wanted: Any, found: Any, *, exact: bool) -> bool:
    if exact or not isinstance(wanted, Mapping):
        return bool(wanted == found)
    return isinstance(found, Mapping) and all(
        name in found and found[name] == value for name, value in wanted.items()
    )


def _compare_course(expected: Mapping[str, Any], result: FlowResult) -> list[str]:
    """How the run went: which nodes ran, in what pieces it spoke, how long it took."""
    found = []
    ran = {node["id"] for node in result.nodes}
    if missing := [key for key in expected.get("must_run") or () if key not in ran]:
        found.append(f"did not run: {', '.join(missing)}")
    if (count := expected.get("chunks")) is not None and count != len(result.pieces):
        found.append(f"{len(result.pieces)} pieces of text, expected {count}")
    first = expected.get("chunk_prefix") or []
    if first != result.pieces[: len(first)]:
        found.append(f"text began with {result.pieces[: len(first)]}, expected {first}")
    if result.seconds < (expected.get("min_seconds") or 0):
        found.append(f"took {result.seconds:.3f} s, expected {expected['min_seconds']} at least")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 300 else f"{text[:300]}…"
