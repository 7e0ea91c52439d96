"""The engine driven by hand: real store, real worker code, and a say in everything that happens.

A worker here is the product's own, without its thread: whoever drives it says at which call or
commit it dies, stands still, or somebody commands something meanwhile.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import close_old_connections
from django.utils.timezone import now

from workflows.models import WorkerProcess
from workflows.runner import NodeHttpResponse
from workflows.runtime.store import open_store
from workflows.runtime.worker import Worker

LEASE = timedelta(hours=1)


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass(slots=True)
class Plan:
    """What happens at the `at`-th call or commit of one pass of a worker.

    `what`: "" nothing, "die", "stall", or "command": then `command` is called on a thread, and the
    worker hears of it at once if `heard`.
    """

    what: str = ""
    at: int = 0
    command: Any = None
    heard: bool = False


class Receiver:
    """The world outside: honours keys, is busy as often as it is told to, forgets nothing."""

    def __init__(self, busy):
        self.busy = Counter(busy)
        self.keys = {}
        self.done = Counter()
        self.asked = []

    async def send_http(self, request, point):
        name = request.url.rpartition("/")[2]
        await point()
        if request.idempotency_key not in self.keys:
            if self.busy[name]:
                self.busy[name] -= 1
                return NodeHttpResponse(503, {}, b"busy")
            self.keys[request.idempotency_key] = name
            self.done[name] += 1
        await point()
        return NodeHttpResponse(200, {"Content-Type": "text/plain"}, f"did {name}".encode())


class Services:
    def __init__(self, receiver, point):
        self._receiver, self._point = receiver, point

    async def send_http(self, request):
        return await self._receiver.send_http(request, self._point)

    async def open_human_task(self, request):
        await self._point()
        self._receiver.asked.append(request.key)
        return request.key

    async def close_human_task(self, key):
        return True

    async def admit(self, run, kind, connector):
        return 0


class Direct:
    """In place of the group committer: each change is written at once, or the process dies."""

    def __init__(self, store, point):
        self._store, self._point = store, point

    async def put(self, commit):
        await self._point()
        (done,) = await self._store.commit([commit])
        await self._point()
        return done


@dataclass(eq=False)
class Pass:
    """One worker on its way through one claimed run."""

    driver: "Driver"
    claimed: Any
    worker: Worker
    plan: Plan
    points: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    task: Any = None

    async def point(self):
        """A moment at which something may happen to it."""
        turn, self.points = self.points, self.points + 1
        if turn != self.plan.at:
            return
        match self.plan.what:
            case "die":
                raise Died
            case "stall":
                self.stalled.set()
                await self.gate.wait()
            case "command":
                row = await asyncio.to_thread(_in_thread, self.plan.command)
                if self.plan.heard and row:
                    self.worker._tell(row.pk, row.epoch, row.control, row.wakes)


def _in_thread(work):
    try:
        return work()
    finally:
        close_old_connections()


class Driver:
    """One event loop and store, any number of workers one after the other."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.store = self._do(self._open())
        self.stalled = []
        """Passes that stand still in the middle of something."""

    async def _open(self):
        store = open_store()
        await store.open()
        return store

    def _do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def close(self):
        self._do(self.store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    # -- a worker

    def pass_(self, receiver, plan):
        """Claim what is queued and go on until it rests, ends or the plan stops it.

        The run as it was claimed, or None when nothing was there.
        """
        worker = Worker(slots=4, lease=LEASE.total_seconds())
        WorkerProcess.objects.create(pk=worker.owner, host="x", pid=1, alive_until=now() + LEASE)
        return self._do(self._go(worker, receiver, plan))

    async def _go(self, worker, receiver, plan):
        claimed = await self.store.claim(worker.owner, 1)
        if not claimed:
            return None
        going = Pass(self, claimed[0], worker, plan)
        worker._store, worker._bell = self.store, asyncio.Event()
        worker._committer = Direct(self.store, going.point)
        worker._services = Services(receiver, going.point)
        going.task = asyncio.create_task(worker._advance(claimed[0]))
        worker._running[going.task] = claimed[0]
        await self._until_it_stops(going)
        return claimed[0]

    async def _until_it_stops(self, going):
        stall = asyncio.create_task(going.stalled.wait())
        await asyncio.wait({going.task, stall}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        stall.cancel()
        if not going.task.done():
            assert going.stalled.is_set(), "the engine hangs"
            self.stalled.append(going)
            return
        with suppress(Died, asyncio.CancelledError):
            going.task.result()

    def wake(self, going):
        """What stood still goes on, as if no time had passed."""
        self.stalled.remove(going)
        going.gate.set()
        going.stalled.clear()
        self._do(self._until_it_stops(going))

    def lapse(self, *, stalled):
        """The leases of all workers are over, but of those that stand still only if asked."""
        alive = [] if stalled else [going.worker.owner for going in self.stalled]
        WorkerProcess.objects.exclude(pk__in=alive).delete()

    def write_as_zombie(self, commit):
        (done,) = self._do(self.store.commit([commit]))
        return done
