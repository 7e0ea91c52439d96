"""The runs that `bench.engine.inside` measures. Import it once the settings are chosen."""

import asyncio
from typing import Any

from django.db import transaction
from django.db.models import Count, Max
from django.utils.timezone import now

from bench.engine import flows
from core.bus import get_bus
from core.ids import new_trace_id
from orgs.models import Organization, Project
from workflows.actions.flows import checksum_of
from workflows.localservices import SandboxServices
from workflows.models import Event, Run, Step, Workflow, WorkflowVersion
from workflows.runner import RunState, RunTask, advance
from workflows.runtime.channels import organization_channel
from workflows.runtime.worker import Worker

WORKLOADS: dict[str, tuple[int, Any, int]] = {
    # name -> runs at once, definition, steps a run without start and end
    "W1 pure": (1, flows.chain("bench-pure", 40), 40),
    "W1 effect": (1, flows.chain("bench-effect", 40), 40),
    "W2 pure": (200, flows.chain("bench-pure", 10), 10),
    "W2 effect": (200, flows.chain("bench-effect", 10), 10),
    "W3 effect": (1, flows.fan("bench-effect", 100), 100),
}


class Bench:
    """One organization, one workflow a workload, one worker in this process."""

    workloads = WORKLOADS

    def __init__(self) -> None:
        self.organization = Organization.objects.create(name="Bench", slug="bench")
        project = Project.objects.create(organization=self.organization, name="Bench")
        self.versions = {}
        for name, (_, definition, _) in WORKLOADS.items():
            workflow = Workflow.objects.create(
                organization=self.organization, project=project, name=name, mode="workflow"
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

        count = WORKLOADS[name][0]
        async with get_bus().listen(organization_channel(self.organization.pk)) as inbox:
            await asyncio.to_thread(self.queue, name, count)
            self.worker.ring()
            for _ in range(count):
                message = await inbox.next(60)
                if message is None or message["state"] != "succeeded":
                    raise SystemExit(f"{name}: a run did not succeed: {message}")

    async def in_memory(self, name: str) -> None:

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
