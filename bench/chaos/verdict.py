"""Whether all runs ended as they must. Import it once the settings are chosen."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.utils.timezone import now

from bench.chaos.flows import CHILD_STEPS, Expected
from bench.chaos.people import People
from bench.chaos.receiver import Receiver
from bpm.models import HumanTask
from workflows.models import Event, Run, RunWait, Signal, Step, WorkerProcess

SHOWN = 5
"""Runs whose whole history is printed."""
CHILDREN = 2
ENDS = {"succeeded": "run.succeeded", "partial-succeeded": "run.succeeded", "failed": "run.failed"}


@dataclass
class Verdict:
    """Breaches by kind; `faults` says what is wrong with which run."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[Any, list[str]] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)

    def blame(self, kind: str, run: Run | None, what: str) -> None:
        self.counts[kind] += 1
        if run is None:
            self.general.append(f"{kind}: {what}")
        else:
            self.faults.setdefault(run.public_id, []).append(f"{kind}: {what}")

    @property
    def good(self) -> bool:
        return not self.counts


def judge(people: People, receiver: Receiver) -> Verdict:
    verdict = Verdict()
    runs = {run.public_id: run for run in Run.objects.all()}
    for public_id, (_, _, expected) in people.started.items():
        run = runs.get(public_id)
        if run is None:
            verdict.blame("lost", None, f"run {public_id} is gone")
            continue
        _judge_run(verdict, run, expected)
    _judge_children(verdict, people, runs)
    _judge_effects(verdict, people, runs, receiver)
    _judge_rest(verdict)
    for trouble in people.trouble:
        verdict.blame("trouble", None, trouble)
    return verdict


def _judge_run(verdict: Verdict, run: Run, expected: Expected) -> None:
    _judge_end(verdict, run, expected)
    _judge_steps(verdict, run, expected)
    _judge_history(verdict, run)


def _judge_end(verdict: Verdict, run: Run, expected: Expected) -> None:
    if not run.finished:
        verdict.blame("undecided", run, f"is {run.state}, must be {expected.state}")
    elif run.state != expected.state or run.outputs != expected.outputs:
        verdict.blame("lost", run, f"is {run.state} {run.outputs} {run.error}, must be {expected}")
    elif (run.error or {}).get("code", "") != expected.code:
        verdict.blame("lost", run, f"failed with {run.error}, must be {expected.code}")


def _judge_steps(verdict: Verdict, run: Run, expected: Expected) -> None:
    rows = Counter(Step.objects.filter(run=run).values_list("node_id", "iteration"))
    for place, count in rows.items():
        if count > 1 or place not in expected.steps:
            verdict.blame("doubled", run, f"step {place} is there {count} times")
    if missing := expected.steps - set(rows):
        verdict.blame("lost", run, f"has no steps {sorted(missing)}")
    if run.step_count != rows.total():
        verdict.blame("miscounted", run, f"says {run.step_count} steps, has {rows.total()}")


def _judge_history(verdict: Verdict, run: Run) -> None:
    events = list(Event.objects.filter(run=run).order_by("seq"))
    if [event.seq for event in events] != list(range(1, run.seq + 1)):
        verdict.blame("gaps", run, f"seq {run.seq}, events {[event.seq for event in events]}")
        return
    if run.finished and events[-1].kind != ENDS.get(run.state, f"run.{run.state}"):
        verdict.blame("gaps", run, f"ends with {events[-1].kind}")
    kinds = Counter(event.kind for event in events)
    settled = kinds["node.succeeded"] + kinds["node.failed"]
    if settled != run.step_count or any(kinds[kind] > 1 for kind in set(ENDS.values())):
        verdict.blame("gaps", run, f"{settled} settled nodes for {run.step_count} steps")


def _judge_children(verdict: Verdict, people: People, runs: dict[Any, Run]) -> None:
    """Each child was started once, and ended as its parent was told."""
    parents = Counter(run.parent_id for run in runs.values() if run.parent_id is not None)
    for public_id, run in runs.items():
        if public_id in people.started:
            wanted = CHILDREN if people.started[public_id][0] == "children" else 0
            if parents[run.pk] != wanted:
                kind = "doubled" if parents[run.pk] > wanted else "lost"
                verdict.blame(kind, run, f"has {parents[run.pk]} children, not {wanted}")
            continue
        outputs = {"did": f"did of-{run.parent_node}"}
        expected = Expected("succeeded", CHILD_STEPS, frozenset(), outputs)
        _judge_run(verdict, run, expected)


def _judge_effects(
    verdict: Verdict, people: People, runs: dict[Any, Run], receiver: Receiver
) -> None:
    """From the receiver's view: what must happen happened once, and nothing else did."""
    wanted = {
        f"{public_id}/{name}": runs.get(public_id)
        for public_id, (_, _, expected) in people.started.items()
        for name in expected.effects
    }
    for name in receiver.doubled:
        verdict.blame("doubled", wanted.get(name), f"effect {name}: {receiver.done[name]} times")
    for name, run in wanted.items():
        if not receiver.done[name]:
            verdict.blame("lost", run, f"effect {name} never happened")
    for name in receiver.done:
        if name not in wanted:
            verdict.blame("doubled", None, f"effect {name} must not have happened")
    for name in receiver.without_key:
        verdict.blame("doubled", None, f"effect {name} was asked for without a key")
    for key in receiver.changed:
        verdict.blame("doubled", None, f"{key} asked for something else the second time")


def _judge_rest(verdict: Verdict) -> None:
    """Nothing is held, waited for or asked any more, and no worker believes that it has a run."""
    for run in Run.objects.exclude(state=Run.State.RUNNING).filter(owner__isnull=False):
        verdict.blame("leases_leaked", run, f"is {run.state} and has an owner")
    for run in Run.objects.filter(state=Run.State.RUNNING):
        verdict.blame("leases_leaked", run, f"is still held by {run.owner}")
    for worker in WorkerProcess.objects.filter(alive_until__gt=now()):
        verdict.blame("leases_leaked", None, f"{worker} ended and keeps its lease")
    for rows in (RunWait.objects, Signal.objects):
        for row in rows.exclude(run__state__in=Run.LIVE).select_related("run"):
            verdict.blame("left", row.run, f"{row} is left over")
    for task in HumanTask.objects.filter(closed_at=None).select_related("process"):
        run = Run.objects.filter(trace_id=task.process.trace_id).first()
        if run is None or run.finished:
            verdict.blame("left", run, f"task {task.pk} is still asked")


def show(verdict: Verdict, people: People) -> None:
    """What is wrong, with the whole history of the first runs that are."""
    for line in verdict.general:
        print(line)
    for public_id, faults in list(verdict.faults.items())[:SHOWN]:
        name, inputs, _ = people.started.get(public_id, ("?", {}, None))
        print(f"\nrun {public_id} ({name}, {inputs})")
        for fault in faults:
            print(f"  {fault}")
        for event in Event.objects.filter(run__public_id=public_id).order_by("seq"):
            print(
                f"  {event.seq:>3} {event.at:%H:%M:%S.%f} {event.kind} {event.node_id} {event.data}"
            )
        for rows in (RunWait.objects, Signal.objects):
            for row in rows.filter(run__public_id=public_id).values():
                print(f"  {row}")
    if len(verdict.faults) > SHOWN:
        print(f"\n… and {len(verdict.faults) - SHOWN} runs more")
