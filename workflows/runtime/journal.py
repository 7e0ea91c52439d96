"""How one claimed run makes its progress durable and tells whoever watches."""

from __future__ import annotations

from typing import Any

from django.utils.timezone import now

from core.bus import Bus
from core.groupcommit import GroupCommitter
from workflows.runner import Change, Outside
from workflows.runtime import spans
from workflows.runtime.channels import channel_of, organization_channel
from workflows.runtime.store.base import Claimed, Commit, Committed
from workflows.runtime.values import LargeValues


class StoreJournal:
    """`outside` learns from every commit what was asked of the run and sent to it meanwhile."""

    def __init__(
        self,
        run: Claimed,
        committer: GroupCommitter[Commit, Committed],
        bus: Bus,
        outside: Outside,
    ) -> None:
        self._run = run
        self._committer = committer
        self._bus = bus
        self._values = LargeValues(run)
        self._channel = channel_of(run.public_id)
        self.outside = outside
        self.state = ""
        self.waited = bool(run.waits)

    async def commit(self, change: Change) -> bool:
        run = self._run
        change = await self._values.out_of(change)
        done = await self._committer.put(
            Commit(run.pk, run.epoch, self.outside.seen, change, now())
        )
        if not done.ok:
            return False
        self.state = done.state
        spans.record(run, change)
        self.outside.tell(done.control, done.wakes)
        self.waited = self.waited or bool(change.waits)
        self._bus.publish(self._channel, {"seq": done.seq})
        if change.state is not None or change.waits or done.seq - len(change.events) <= 1:
            self._bus.publish(
                organization_channel(run.organization_id),
                {"run": str(run.public_id), "state": done.state},
            )
        return True

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        self._bus.publish(self._channel, {"kind": kind, **data})
