"""Our side: definitions and runs in the database, a real Celery worker, a client that waits.

Import it once the settings are chosen.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

import redis
from celery import Celery
from django.conf import settings
from django.db import connections, transaction
from django.db.models import Count, Max
from django.utils.timezone import now

from accounts.models import User
from bench.engine import flows
from bench.engine.servers import end, wait_for
from core.bus import PREFIX
from core.ids import new_trace_id
from orgs.access import Actor, system_actor
from orgs.actions import found_organization
from orgs.models import Project
from workflows.actions import start_run
from workflows.actions.flows import checksum_of
from workflows.models import Event, Run, Step, WorkerProcess, Workflow, WorkflowVersion
from workflows.runtime.channels import organization_channel

LONGEST = 120.0
DEFINITIONS: dict[str, tuple[Callable[[], dict[str, Any]], int]] = {
    # name -> definition, steps a run without start and end
    "W1": (lambda: flows.chain("bench-effect", 40), 40),
    "W2": (lambda: flows.chain("bench-effect", 10), 10),
    "W3": (lambda: flows.fan("bench-effect", 100), 100),
    "W4": (flows.ask_model, 1),
    "short": (lambda: flows.chain("bench-effect", 1), 1),
    "slow": (lambda: flows.chain("bench-slow", 20), 20),
}


class Ours:
    """One organization, one workflow a workload, a worker in a process of its own.

    `using` names the database as Django knows it; each has its own number of Redis, so that a bell
    wakes only its worker.
    """

    def __init__(self, broker: str, number: int, using: str = "default") -> None:
        self.using, self.broker = using, f"{broker}/{number}"
        self._celery = Celery(broker=self.broker, set_as_current=False)
        self._redis = redis.from_url(self.broker)
        self._worker: subprocess.Popen[bytes] | None = None

    def prepare(self) -> Self:
        user = User.objects.create_user(email="bench@example.com", password=None)
        organization = found_organization(user_id=user.pk, name="Bench")
        project = Project.objects.get(organization=organization)
        for name, (make, _) in DEFINITIONS.items():
            definition = make()
            workflow = Workflow.objects.create(
                organization=organization, project=project, name=name, mode="workflow"
            )
            workflow.published = WorkflowVersion.objects.create(
                organization=organization, workflow=workflow, number=1, definition=definition,
                checksum=checksum_of(definition), report={},
            )  # fmt: skip
            workflow.save(update_fields=["published"])
        return self.find()

    def find(self) -> Self:
        """Take up what `prepare` left in this database, or in the one it was copied from."""
        versions = WorkflowVersion.objects.using(self.using).select_related("workflow")
        self.versions = {version.workflow.name: version for version in versions}
        self.organization_id: UUID = self.versions["W1"].organization_id
        self._channel = PREFIX + organization_channel(self.organization_id)
        return self

    @property
    def actor(self) -> Actor:
        return system_actor(self.organization_id)

    # -- the worker, as compose.yaml starts it

    def start_worker(self, **environment: str) -> Self:
        database = connections.databases[self.using]
        place = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
        own = {"DATABASE_URL": f"postgres://postgres@{place}", "REDIS_URL": self.broker}
        self._worker = subprocess.Popen(
            [
                sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "--app=config",
                "worker", "--pool=threads",
                "--concurrency=8", "--queues=default,engine", "--loglevel=ERROR",
                "--without-gossip", "--without-mingle", "--include=bench.engine.flows",
            ],
            env={**os.environ, **own, **environment}, start_new_session=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._awake, "the worker")
        return self

    def _awake(self) -> None:
        if self._worker and self._worker.poll() is not None:
            raise SystemExit("the worker ended at once")
        WorkerProcess.objects.using(self.using).filter(alive_until__gt=now())[:1][0]

    def stop_worker(self) -> None:
        if self._worker:
            end(self._worker)
            self._worker = None
            WorkerProcess.objects.using(self.using).all().delete()

    @property
    def worker_pid(self) -> int:
        return self._worker.pid if self._worker else 0

    # -- runs

    def queue(self, name: str, count: int) -> None:
        """All runs and their first events, in one transaction."""
        version = self.versions[name]
        shared = {"organization_id": self.organization_id, "seq": 1}
        with transaction.atomic(using=self.using):
            runs = Run.objects.using(self.using).bulk_create(
                Run(
                    workflow_id=version.workflow_id, version_id=version.pk,
                    trigger=Run.Trigger.COMMAND, trace_id=new_trace_id(), **shared,
                )
                for _ in range(count)
            )  # fmt: skip
            Event.objects.using(self.using).bulk_create(
                Event(run_id=run.pk, kind="run.queued", at=now(), **shared) for run in runs
            )

    def ring(self) -> None:
        self._celery.send_task(
            "workflows.tasks.pump", kwargs={}, queue="engine", ignore_result=True
        )

    def go(self, name: str, count: int, queued: Callable[[], None] | None = None) -> None:
        """Queue `count` runs in one go, ring, and return when the last end has been announced."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
            self._subscribe(heard)
            self.queue(name, count)
            if queued:
                queued()
            self.ring()
            self._wait(heard, count)

    def start(self, name: str, count: int) -> None:
        """The same, but each run is started by the product's own action, one after the other."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
            self._subscribe(heard)
            for _ in range(count):
                self.start_one(name)
            self._wait(heard, count)

    def start_one(self, name: str) -> Run:
        return start_run(actor=self.actor, workflow_id=self.versions[name].workflow_id, inputs={})

    def _subscribe(self, heard: Any) -> None:
        heard.subscribe(self._channel)
        heard.get_message(timeout=5)  # Redis confirms it

    def _wait(self, heard: Any, count: int) -> None:
        """Until all have been announced. An announcement may be lost: silence asks the database."""
        until = time.monotonic() + LONGEST
        while count:
            message = heard.get_message(timeout=1)
            if message is not None:
                told = json.loads(message["data"])
                if told["state"] != "succeeded":
                    raise SystemExit(f"a run did not succeed: {told}")
                count -= 1
            elif not Run.objects.using(self.using).unfinished().exists():
                return
            elif time.monotonic() > until:
                raise SystemExit(f"{count} runs did not end within {LONGEST:.0f} s")

    # -- afterwards

    def verify(self) -> int:
        """Every run ended with every step exactly once and a history without gaps."""
        total = 0
        for name, version in self.versions.items():
            wanted = DEFINITIONS[name][1] + 2
            runs = Run.objects.using(self.using).filter(version=version)
            total += runs.count()
            wrong = runs.exclude(state="succeeded", step_count=wanted).count()
            steps = Step.objects.using(self.using).filter(run__in=runs).order_by().values("run")
            wrong += steps.annotate(n=Count("node_id")).exclude(n=wanted).count()
            events = Event.objects.using(self.using).filter(run__in=runs).order_by().values("run")
            counted = events.annotate(n=Count("pk"), last=Max("seq"))
            wrong += sum(row["n"] != row["last"] for row in counted)
            if wrong:
                raise SystemExit(f"{name}: {wrong} runs are not whole")
        return total


def forget_connections() -> None:
    """The server goes away or comes back: nothing may hold on to the old one."""
    connections.close_all()
    for alias in connections.databases:
        connections[alias].close_pool()


def another_database(alias: str, name: str) -> None:
    """Let Django know a further database of the same server."""
    settings.DATABASES[alias] = {**connections.databases["default"], "NAME": name}
    connections.databases[alias] = settings.DATABASES[alias]
