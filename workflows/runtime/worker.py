"""One event loop per process advances many runs at once: a slow model call holds no thread.

Claims are bounded by free slots (back-pressure). One heartbeat row speaks for all runs of the
process; when it lapses the sweeper hands them to others, and their epoch fences this one out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django import db
from django.conf import settings
from django.db import close_old_connections
from django.db.models import F

from core.bus import get_bus
from core.database import database_now
from core.groupcommit import GroupCommitter
from core.ids import uuid7
from core.trace import tracing
from files.errors import StorageUnavailable
from workflows.models import Run, WorkerProcess
from workflows.runner import (
    ENDED,
    Change,
    Event,
    Limits,
    Outside,
    RunState,
    RunTask,
    advance,
    graph_of,
)
from workflows.runtime.afterwards import after_end
from workflows.runtime.channels import CONTROL_CHANNEL
from workflows.runtime.journal import StoreJournal
from workflows.runtime.services import RunServices
from workflows.runtime.store import RunStore, open_store
from workflows.runtime.store.base import Claimed, Commit, Committed
from workflows.runtime.sweep import close_ended, sweep
from workflows.runtime.values import made_whole

logger = logging.getLogger(__name__)
T = TypeVar("T")
Places = set[tuple[int, int]]
Words = list[tuple[int, int, str, int]]
MAX_CRASHES = 5
"""A run whose worker died this often without one step in between is parked, not tried for ever."""
DEFINITIONS_KEPT = 256
POLL = 5.0
"""Seconds after which a run looks up by itself; what is asked of it is told to it at once."""
REST = 2.0
"""A wait shorter than this many seconds is not worth giving the run back for."""
TIDY_EVERY = 10
STOP_SECONDS = 15.0
"""What ending the work that is still under way may take, after the grace given."""
UNSURE = (
    psycopg.OperationalError, psycopg.InterfaceError, psycopg.IntegrityError,
    db.OperationalError, db.InterfaceError, db.IntegrityError, StorageUnavailable,
)  # fmt: skip
"""The database is away, or took a change without our learning of it: what it holds will tell.

So is the file store when it does not give back what a run goes on from.
"""


class Worker:
    """Advances the runs of this process in a loop of its own. Thread-safe: start, ring, stop."""

    def __init__(self, slots: int | None = None, lease: float | None = None) -> None:
        self.owner = uuid7()
        self._slots = slots or settings.ENGINE_SLOTS
        self._lease = lease or float(settings.ENGINE_LEASE_SECONDS)
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._outsides: dict[int, tuple[int, Outside]] = {}
        self._strays: set[tuple[int, int]] = set()
        # Threads of their own: whatever blocks the shared ones, the lease must be kept.
        self._heart = ThreadPoolExecutor(1, thread_name_prefix="engine-heart")
        self._lookout = ThreadPoolExecutor(1, thread_name_prefix="engine-lookout")
        self._definitions: OrderedDict[UUID, Any] = OrderedDict()
        self._stopping = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, daemon=True, name="engine")

    # -- from any thread

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("The engine did not start within 30 s.")

    def ring(self) -> None:
        """Runs may be ready. Ringing too often is harmless."""
        with suppress(RuntimeError):  # the loop is closed: this process is going down
            self._loop.call_soon_threadsafe(self._bell.set)

    def stop(self, timeout: float = 10.0) -> None:
        """Claim nothing more, let runs finish for `timeout` seconds, hand the others back."""
        if self._thread.is_alive():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ask_to_stop, timeout)
            self._thread.join(timeout + STOP_SECONDS)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    # -- inside the loop

    def _run_loop(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._main())

    def _ask_to_stop(self, timeout: float) -> None:
        self._stopping = True
        self._grace = timeout
        self._bell.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        self._bell.set()  # whatever an earlier process left behind
        self._grace = 0.0
        self._store: RunStore = open_store()
        await self._store.open()
        self._committer: GroupCommitter[Commit, Committed] = GroupCommitter(self._store.commit)
        self._services = RunServices()
        await self._in(self._heart, self._beat_once)
        beat, look = asyncio.create_task(self._beat()), asyncio.create_task(self._look())
        ears = asyncio.create_task(self._hear())
        self._ready.set()
        try:
            await self._serve()
        finally:
            look.cancel()
            await self._wind_down()
            ears.cancel()
            beat.cancel()  # not before: the lease is kept while runs come to their end
            await self._in(self._heart, self._hand_back)
            await self._store.close()
            self._heart.shutdown(wait=False)
            self._lookout.shutdown(wait=False)

    async def _serve(self) -> None:
        while not self._stopping:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self._claim_all()
            except Exception:
                logger.exception("Runs could not be claimed; trying again.")
                await asyncio.sleep(1)
                self._bell.set()

    async def _claim_all(self) -> None:
        while not self._stopping and (free := self._slots - len(self._running)) > 0:
            size = min(free, 64)
            claimed = await self._store.claim(self.owner, size)
            for run in claimed:
                task = asyncio.create_task(self._advance(run), name=f"run {run.public_id}")
                self._running[task] = run
                task.add_done_callback(self._finished)
            if len(claimed) < size:
                return

    def _finished(self, task: asyncio.Task[None]) -> None:
        full = len(self._running) >= self._slots or settings.ENGINE_ORGANIZATION_SLOTS > 0
        run = self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            logger.error("Run %s was left as it is", run and run.public_id, exc_info=error)
        if full:
            self._bell.set()

    async def _advance(self, run: Claimed) -> None:
        outside = Outside(run.control, run.wakes, run.wakes)
        outside.fetch = partial(self._store.signals, run.pk)
        self._outsides[run.pk] = run.epoch, outside
        journal = StoreJournal(run, self._committer, get_bus(), outside)
        with tracing(run.trace_id):
            try:
                await self._attempt(run, journal)
            except UNSURE:
                # Not failed: the heartbeat hands it back, and it goes on from what is durable.
                logger.exception("Run %s lost touch with its store", run.public_id)
                return
            except Exception as error:
                logger.exception("Run %s broke", run.public_id)
                await self._fail(journal, "engine_error", f"{type(error).__name__}: {error}")
            finally:
                if self._outsides.get(run.pk) == (run.epoch, outside):
                    del self._outsides[run.pk]
            if journal.state in ENDED:
                await after_end(run, journal)
                if run.concurrency_key:  # it passed to the next
                    self._bell.set()
            if journal.state == RunState.QUEUED:  # an answer came while it lay down
                self._bell.set()

    async def _attempt(self, run: Claimed, journal: StoreJournal) -> None:
        if run.crashes >= MAX_CRASHES:
            await self._park(journal, run)
            return
        run = await made_whole(run)
        task = RunTask(
            run_id=str(run.public_id),
            organization_id=str(run.organization_id),
            trace_id=run.trace_id,
            definition=await self._definition(run.version_id),
            inputs=run.inputs,
            system=run.system,
            actor=run,
            steps=run.steps,
            waits=run.waits,
            signals=run.signals,
            generation=run.generation,
            deadline=run.deadline_at,
        )
        limits = Limits(value=settings.ENGINE_VALUE_MAX, poll=POLL, rest=REST)
        await advance(task, journal, self._services, outside=journal.outside, limits=limits)

    async def _park(self, journal: StoreJournal, run: Claimed) -> None:
        """Leave it to a person: resuming tries again, with all that is done still done."""
        message = f"The worker died {run.crashes} times in a row while it ran this run."
        error = {"code": "run_crashed", "message": message, "node_id": ""}
        event = Event(kind="run.parked", data={"error": error})
        await journal.commit(Change(events=(event,), state=RunState.PARKED, error=error))

    async def _fail(self, journal: StoreJournal, code: str, message: str) -> None:
        error = {"code": code, "message": message[:2000], "node_id": ""}
        event = Event(kind="run.failed", data={"error": error})
        await journal.commit(Change(events=(event,), state=RunState.FAILED, error=error))

    async def _definition(self, version_id: UUID) -> Any:
        """Parsed once per process: versions never change."""
        known = self._definitions.get(version_id)
        if known is None:
            known = graph_of(await self._store.definition(version_id))
            self._definitions[version_id] = known
            if len(self._definitions) > DEFINITIONS_KEPT:
                self._definitions.popitem(last=False)
        return known

    # -- upkeep

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 4)
            try:
                lost = await self._in(self._heart, self._beat_once)
            except Exception:
                logger.exception("The heartbeat failed; trying again.")
                continue
            self._take_word(*lost)

    def _take_word(self, lost: Places, words: Words) -> None:
        for task, run in list(self._running.items()):
            if (run.pk, run.epoch) in lost:
                task.cancel()
        for pk, epoch, control, wakes in words:
            self._tell(pk, epoch, control, wakes)

    def _tell(self, pk: int, epoch: int, control: str, wakes: int | None) -> None:
        """What is asked of a run of ours; one whose epoch has moved on is ours no longer."""
        known = self._outsides.get(pk)
        if known is None:
            return
        mine, outside = known
        if epoch == mine:
            outside.tell(control, outside.wakes if wakes is None else wakes)
        elif epoch > mine:
            for task, run in list(self._running.items()):
                if (run.pk, run.epoch) == (pk, mine):
                    task.cancel()

    async def _hear(self) -> None:
        """Word from actions and other processes; the heartbeat brings what is lost here."""
        while True:
            try:
                async with get_bus().listen(CONTROL_CHANNEL) as inbox:
                    while True:
                        word = await inbox.next(60)
                        if word is not None:
                            self._tell(
                                word["run"], word["epoch"], word["control"], word.get("wakes")
                            )
            except Exception:
                logger.exception("The control channel broke; listening again.")
                await asyncio.sleep(1)

    def _beat_once(self) -> tuple[Places, Words]:
        """Prolong the lease; returns runs that are ours no longer, and word for the others."""
        try:
            WorkerProcess.objects.update_or_create(
                pk=self.owner,
                defaults={
                    "host": socket.gethostname()[:120],
                    "pid": os.getpid(),
                    "alive_until": database_now() + timedelta(seconds=self._lease),
                },
            )
            before = self._places()
            mine = Run.objects.filter(owner=self.owner, state=Run.State.RUNNING)
            words = list(mine.values_list("pk", "epoch", "control", "wakes"))
            owned = {(pk, epoch) for pk, epoch, _, _ in words}
            self._give_back(owned - self._places())
            return before - owned, words
        finally:
            close_old_connections()

    def _places(self) -> set[tuple[int, int]]:
        return {(run.pk, run.epoch) for run in list(self._running.values())}

    def _give_back(self, strays: set[tuple[int, int]]) -> None:
        """Queue what is ours and yet nobody works on: the answer to a claim or commit was lost.

        Only at the second beat in a row: what is just being claimed or committed looks the same.
        """
        for pk, epoch in strays & self._strays:
            Run.objects.filter(
                pk=pk, epoch=epoch, owner=self.owner, state=Run.State.RUNNING
            ).update(state=Run.State.QUEUED, owner=None, crashes=F("crashes") + 1)
        self._strays = strays

    async def _look(self) -> None:
        """Every second: wake what is due, adopt what dead workers left, ring if any waits."""
        for turn in count():
            try:
                if await self._in(self._lookout, sweep):
                    self._bell.set()
                if turn % TIDY_EVERY == 0:
                    await self._in(self._lookout, close_ended)
            except Exception:
                logger.exception("The sweep failed; trying again.")
            await asyncio.sleep(1)

    async def _wind_down(self) -> None:
        tasks = list(self._running)
        if tasks and self._grace:
            await asyncio.wait(tasks, timeout=self._grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._committer.close()
        await self._services.close()

    def _hand_back(self) -> None:
        try:
            Run.objects.filter(owner=self.owner, state=Run.State.RUNNING).update(
                state=Run.State.QUEUED, owner=None
            )
            WorkerProcess.objects.filter(pk=self.owner).delete()
        finally:
            close_old_connections()


_lock = threading.Lock()
_current: list[Worker] = []


def get_worker() -> Worker:
    """This process's worker, started on first use (and again after a fork or a stop)."""
    with _lock:
        if not _current or not _current[0].alive:
            worker = Worker()
            worker.start()
            _current[:] = [worker]
        return _current[0]


def stop_worker(timeout: float = 10.0) -> None:
    with _lock:
        for worker in _current:
            worker.stop(timeout)
        _current.clear()
