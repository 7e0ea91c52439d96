"""Whoever starts runs, decides tasks and sends signals, by the product's own actions.

Their connections to the database are cut like everybody's: they try again, as people do, and a
second try must do nothing twice. Import it once the settings are chosen.
"""

import heapq
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import psycopg
from django import db
from django.db import IntegrityError, close_old_connections, transaction

from bench.chaos.flows import GRAPHS, Expected, Inputs
from bpm.actions import decide_task
from bpm.errors import TaskCancelled, TaskDecided
from bpm.models import HumanTask
from core.queue import enqueue
from orgs.access import Actor
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import start_run
from workflows.models import Run, Signal, Workflow
from workflows.runtime.ending import tell_worker
from workflows.tests.factories import published

T = TypeVar("T")
LOST = (db.OperationalError, db.InterfaceError, psycopg.Error)
TRIES = 60


def persistently(work: Callable[[], T]) -> T:
    """Try again for as long as the database is away."""
    for left in reversed(range(TRIES)):
        try:
            return work()
        except LOST:
            if not left:
                raise
            close_old_connections()
            time.sleep(0.1)
    raise AssertionError


class People:
    """One organization, a workflow for each graph, and an owner who does everything."""

    def __init__(self, url: str, rng: Random) -> None:
        self._rng = rng
        self.organization = OrganizationFactory()
        self._actor: Actor = actor_in(self.organization)
        self._workflows: dict[str, Workflow] = {
            name: published(graph.definition(url), self.organization)
            for name, graph in GRAPHS.items()
        }
        self.started: dict[Any, tuple[str, Inputs, Expected]] = {}
        """Public id of the run -> its graph, its inputs and what must come of it."""
        self._due: list[tuple[float, int, Any, str]] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self.trouble: list[str] = []
        self._thread = threading.Thread(target=self._attend, daemon=True)
        self._thread.start()

    def start(self, number: int) -> None:
        """Run `number`; its graph follows from the number, its inputs from the seed."""
        name = list(GRAPHS)[number % len(GRAPHS)]
        graph = GRAPHS[name]
        inputs = graph.inputs(self._rng)
        run = persistently(
            lambda: start_run(
                actor=self._actor,
                workflow_id=self._workflows[name].pk,
                inputs=inputs,
                idempotency_key=f"chaos-{number}",
            )
        )
        self.started[run.public_id] = name, inputs, graph.expected(inputs)
        with self._lock:
            for signal in graph.signals:
                due = time.monotonic() + self._rng.uniform(0, 3)
                heapq.heappush(self._due, (due, run.pk, run.public_id, signal))

    # -- meanwhile

    def _attend(self) -> None:
        while not self._over.wait(0.1):
            try:
                self._decide_all()
                self._send_due()
            except LOST:
                close_old_connections()
            except Exception as error:  # noqa: BLE001 - reported, and the run that lacks it is lost
                self.trouble.append(f"{type(error).__name__}: {error}")

    def _decide_all(self) -> None:
        open_ = HumanTask.objects.filter(status=HumanTask.Status.OPEN).select_related("process")
        for task in open_[:50]:
            action = str(task.form["content"]).strip()
            try:
                decide_task(
                    actor=self._actor,
                    task_id=task.pk,
                    action_id=action,
                    data={"note": f"{action} it"},
                )
            except (TaskDecided, TaskCancelled):
                continue  # the answer to an earlier try was lost

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, pk, public_id, name = self._due[0]
            try:
                _send_signal(pk, name, f"chaos:{public_id}:{name}")
            except IntegrityError:
                pass  # as above: it was delivered
            with self._lock:
                heapq.heappop(self._due)

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)


@transaction.atomic
def _send_signal(pk: int, name: str, delivery_id: str) -> None:
    run = Run.objects.select_for_update().get(pk=pk)
    Signal.objects.create(
        organization_id=run.organization_id,
        run=run,
        name=name,
        payload={"n": 7},
        delivery_id=delivery_id,
    )
    run.wakes += 1
    if run.state == Run.State.WAITING:
        run.state = Run.State.QUEUED
    run.save(update_fields=["wakes", "state"])
    tell_worker(run)
    enqueue("workflows.tasks.pump")
