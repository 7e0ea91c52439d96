"""Steps per second of the durable engine, beside the same runs without a database.

W1   one run of 40 steps in a row (`pure`: no side effects, they ride together; `effect`: each is
     durable before the next starts)
W2   200 runs of 10 steps in a row, all queued at once
W3   one run that fans out to 100 steps and joins

`store` goes the product's whole way: rows in PostgreSQL, claim, worker, group commit, live hints.
`memory` is the same interpreter with a journal that only counts: the ceiling. Every step puts out
the same 190 bytes of JSON. Times run from before the rows are inserted until the last run's end
has been announced.

    make bench-engine            or  .venv/bin/python -m bench.engine W2 --rounds 5
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from bench.database import throwaway

PAYLOAD = {"text": "x" * 120, "count": 42, "done": True, "items": ["a", "b", "c"], "note": "bench"}
WORKLOADS: dict[str, tuple[int, str, int]] = {
    # name -> runs at once, shape, steps a run without start and end
    "W1 pure": (1, "chain:bench-pure", 40),
    "W1 effect": (1, "chain:bench-effect", 40),
    "W2 pure": (200, "chain:bench-pure", 10),
    "W2 effect": (200, "chain:bench-effect", 10),
    "W3 effect": (1, "fan:bench-effect", 100),
}
Row = dict[str, Any]


def register_kinds() -> None:
    """Two kinds that cost nothing but their step: one pure, one with a side effect."""
    from workflows.nodes import KINDS, SHAPES
    from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome

    class Pure(NodeKind[Config]):
        name = "bench-pure"
        config = Config

        async def run(self, context: NodeContext, config: Config) -> Outcome:
            return Outcome(outputs=dict(PAYLOAD))

    class Effect(Pure):
        name = "bench-effect"
        effect = True

    for kind in (Pure(), Effect()):
        KINDS[kind.name] = kind
        SHAPES[kind.name] = kind.shape


def definition_of(shape: str, steps: int) -> dict[str, Any]:
    """`chain:KIND` start -> s1 -> … -> end; `fan:KIND` start -> all of them -> end."""
    form, _, kind = shape.partition(":")
    keys = [f"s{n}" for n in range(1, steps + 1)]
    if form == "chain":
        row = ["start", *keys, "end"]
        pairs = list(zip(row, row[1:], strict=False))
    else:
        pairs = [("start", key) for key in keys] + [(key, "end") for key in keys]
    nodes = [_node("start", "start", variables=[])]
    nodes += [_node(key, kind) for key in keys]
    nodes.append(_node("end", "end", outputs=[]))
    edges = [
        {"id": f"{source}-{target}", "source": source, "target": target, "sourceHandle": "source"}
        for source, target in pairs
    ]
    return {
        "mode": "workflow",
        "compat": True,
        "nodes": nodes,
        "edges": edges,
        "environment": [],
        "conversation": [],
        "features": {},
    }


def _node(key: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"id": key, "type": kind, "title": key, "position": {"x": 0, "y": 0}, "data": data}


class Bench:
    """One organization, one workflow a workload, one worker in this process."""

    def __init__(self) -> None:
        from orgs.models import Organization
        from workflows.actions.flows import checksum_of
        from workflows.models import Workflow, WorkflowVersion
        from workflows.runtime.worker import Worker

        self.organization = Organization.objects.create(name="Bench", slug="bench")
        self.versions = {}
        for name, (_, shape, steps) in WORKLOADS.items():
            definition = definition_of(shape, steps)
            workflow = Workflow.objects.create(
                organization=self.organization, name=name, mode="workflow"
            )
            self.versions[name] = WorkflowVersion.objects.create(
                organization=self.organization,
                workflow=workflow,
                number=1,
                definition=definition,
                checksum=checksum_of(definition),
                report={},
            )
        self.worker = Worker()

    def queue(self, name: str, count: int) -> None:
        """All runs and their first events, in one transaction."""
        from django.db import transaction
        from django.utils.timezone import now

        from core.ids import new_trace_id
        from workflows.models import Event, Run

        version = self.versions[name]
        with transaction.atomic():
            runs = Run.objects.bulk_create(
                Run(
                    organization=self.organization,
                    workflow_id=version.workflow_id,
                    version=version,
                    trigger=Run.Trigger.COMMAND,
                    trace_id=new_trace_id(),
                    seq=1,
                )
                for _ in range(count)
            )
            shared = {"organization_id": self.organization.pk, "seq": 1, "kind": "run.queued"}
            Event.objects.bulk_create(Event(run=run, at=now(), **shared) for run in runs)

    async def through_store(self, name: str) -> None:
        from core.bus import get_bus
        from workflows.runtime.channels import organization_channel

        count = WORKLOADS[name][0]
        async with get_bus().listen(organization_channel(self.organization.pk)) as inbox:
            await asyncio.to_thread(self.queue, name, count)
            self.worker.ring()
            for _ in range(count):
                message = await inbox.next(60)
                if message is None or message["state"] != "succeeded":
                    raise SystemExit(f"{name}: a run did not succeed: {message}")

    async def in_memory(self, name: str) -> None:
        from workflows.localservices import SandboxServices
        from workflows.runner import RunState, RunTask, advance

        count = WORKLOADS[name][0]
        definition, services = self.versions[name].definition, SandboxServices()
        tasks = [
            RunTask(run_id=str(n), organization_id="bench", trace_id="", definition=definition)
            for n in range(count)
        ]
        ends = await asyncio.gather(*(advance(task, Counting(), services) for task in tasks))
        if set(ends) != {RunState.SUCCEEDED}:
            raise SystemExit(f"{name}: a run did not succeed: {set(ends)}")

    def verify(self) -> int:
        """Every run ended with every step exactly once and a history without gaps."""
        from django.db.models import Count, Max

        from workflows.models import Event, Run, Step

        for name, version in self.versions.items():
            runs = Run.objects.filter(version=version)
            wrong = runs.exclude(state="succeeded", step_count=WORKLOADS[name][2] + 2).count()
            steps = Step.objects.filter(run__in=runs).values("run")
            kept = steps.annotate(n=Count("node_id", distinct=True))
            wrong += kept.exclude(n=WORKLOADS[name][2] + 2).count()
            histories = Event.objects.filter(run__in=runs).order_by().values("run")
            counted = histories.annotate(n=Count("pk"), last=Max("seq"))
            wrong += sum(row["n"] != row["last"] for row in counted)
            if wrong:
                raise SystemExit(f"{name}: {wrong} runs are not whole")
        return Run.objects.count()


class Counting:
    """A journal that keeps nothing."""

    control = ""

    def __init__(self) -> None:
        self.steps = 0

    async def commit(self, change: Any) -> bool:
        self.steps += len(change.steps)
        return True

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Nobody listens."""


async def measure(name: str, way: str, work: Callable[[str], Awaitable[None]]) -> Row:
    runs, _, steps = WORKLOADS[name]
    cpu, busy, started = time.process_time(), _machine_busy(), time.perf_counter()
    await work(name)
    wall = time.perf_counter() - started
    own, total = time.process_time() - cpu, runs * (steps + 2)
    return {
        "workload": name,
        "way": way,
        "ms": wall * 1000,
        "steps_s": total / wall,
        "app_us": own / total * 1e6,
        "busy": min((_machine_busy() - busy) / wall / (os.cpu_count() or 1), 1.0),
    }


def _machine_busy() -> float:
    """Seconds of work of all processes of the machine so far; 0 where that cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    return 0.0


async def rounds(bench: Bench, names: list[str], count: int) -> list[Row]:
    """Interleaved, so that a busy moment of the machine does not hit one workload alone."""
    ways = {"store": bench.through_store, "memory": bench.in_memory}
    for name in names:
        await ways["store"](name)  # compiles the definition, prepares the statements
    return [
        await measure(name, way, work)
        for _ in range(count)
        for name in names
        for way, work in ways.items()
    ]


def medians(rows: list[Row]) -> Iterator[Row]:
    for key in dict.fromkeys((row["workload"], row["way"]) for row in rows):
        same = [row for row in rows if (row["workload"], row["way"]) == key]
        middle = {
            name: statistics.median(row[name] for row in same)
            for name in ("ms", "steps_s", "app_us", "busy")
        }
        yield {
            "workload": key[0],
            "way": key[1],
            "ms": round(middle["ms"], 1),
            "ms_best": round(min(row["ms"] for row in same), 1),
            "steps_s": round(middle["steps_s"]),
            "app_us": round(middle["app_us"]),
            "busy": round(middle["busy"], 2),
        }


def report(rows: list[Row], server: dict[str, str], runs: int, count: int) -> None:
    head = ("workload", "way", "ms", "ms_best", "steps_s", "app_us", "busy")
    print("".join(f"{name:>11}" for name in head))
    for row in rows:
        print("".join(f"{row[name]:>11}" for name in head))
    print(f"{runs} runs verified: every step once, no gap in any history")
    summary = {
        "bench": "engine",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "postgresql": server,
        "rounds": count,
        "rows": rows,
    }
    print(json.dumps(summary))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="W1|W2|W3", help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    wanted = tuple(given.names) or ("W",)
    names = [name for name in WORKLOADS if name.startswith(wanted)]
    with throwaway(f"loom_bench_{os.getpid()}") as server:
        register_kinds()
        bench = Bench()
        bench.worker.start()
        try:
            rows = asyncio.run(rounds(bench, names, given.rounds))
        finally:
            bench.worker.stop(1)
        report(list(medians(rows)), server, bench.verify(), given.rounds)


if __name__ == "__main__":
    main()
