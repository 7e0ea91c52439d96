"""Whoever starts runs, decides tasks and sends signals, by the product's own actions.

Their connections to the database are cut like everybody's: they try again, as people do, and a
second try must do nothing twice. Import it once the settings are chosen.
"""

import heapq
import json
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import psycopg
from django import db
from django.db import close_old_connections

from bench.chaos.flows import CHILD, GRAPHS, Expected, Graph, Inputs, child_of
from bpm.actions import decide_task
from bpm.errors import TaskCancelled, TaskDecided
from bpm.models import HumanTask
from orgs.access import Actor
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import signal_run, start_run
from workflows.errors import RunStateConflict
from workflows.models import Workflow
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
        child = published(child_of(url), self.organization)
        self._workflows: dict[str, Workflow] = {
            name: published(self._definition(graph, url, child), self.organization)
            for name, graph in GRAPHS.items()
        }
        self.started: dict[Any, tuple[str, Inputs, Expected]] = {}
        """Public id of the run -> its graph, its inputs and what must come of it."""
        self._due: list[tuple[float, int, Any, str]] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self.trouble: list[str] = []
        self._thread = threading.Thread(target=self._attend, daemon=True)
        self._thread.start()

    @staticmethod
    def _definition(graph: Graph, url: str, child: Workflow) -> dict[str, Any]:
        text = json.dumps(graph.definition(url))
        found: dict[str, Any] = json.loads(text.replace(CHILD, str(child.pk)))
        return found

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
                heapq.heappush(self._due, (due, number, run.public_id, signal))

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
            with self._lock:
                sending = heapq.heappop(self._due)
            _, number, run_id, name = sending
            delivery = f"chaos-{number}-{name}"
            try:
                signal_run(
                    actor=self._actor,
                    run_id=run_id,
                    name=name,
                    data={"n": 7},
                    delivery_id=delivery,
                )
            except RunStateConflict:
                continue  # an earlier try arrived, and the run went on to its end
            except LOST:
                with self._lock:
                    heapq.heappush(self._due, sending)
                raise

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)
