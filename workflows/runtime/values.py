"""Large values on the way between a run in memory and its rows."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from core.jsonsafe import json_size
from workflows.models.values import is_reference, read_value
from workflows.runner import Change, Event, Step
from workflows.runtime.services import in_thread
from workflows.runtime.store.base import Claimed
from workflows.values import Aside


class LargeValues:
    """Puts aside what a change holds that is too large, one claim of one run long.

    A step brings its weight along, so looking costs a comparison; only what is too large is
    written, on a thread, before its change is committed.
    """

    def __init__(self, run: Claimed) -> None:
        self._aside = Aside(run.organization_id, run.public_id)
        self._limit: int = settings.ENGINE_VALUE_LIMIT

    async def out_of(self, change: Change) -> Change:
        """The change as its rows hold it. Raises StorageUnavailable, see `Aside.row_form`."""
        if not self._any(change):
            return change
        slim: Change = await in_thread(self._slim, change)
        return slim

    def _any(self, change: Change) -> bool:
        return (
            any(self._heavy(step) for step in change.steps)
            or any(self._large(event.data) for event in change.events if event.data)
            or (change.outputs is not None and self._large(change.outputs))
        )

    def _heavy(self, step: Step) -> bool:
        forged = is_reference(step.outputs) or is_reference(step.inputs)
        return step.weight > self._limit or forged

    def _large(self, value: object) -> bool:
        return is_reference(value) or json_size(value) > self._limit

    def _slim(self, change: Change) -> Change:
        return replace(
            change,
            steps=tuple(self._step(step) if self._heavy(step) else step for step in change.steps),
            events=tuple(map(self._event, change.events)),
            outputs=self._aside.row_form(change.outputs),
        )

    def _step(self, step: Step) -> Step:
        form = self._aside.row_form
        return replace(step, inputs=form(step.inputs), outputs=form(step.outputs))

    def _event(self, event: Event) -> Event:
        data = self._aside.row_form(event.data)
        return event if data is event.data else replace(event, data=data)


async def made_whole(run: Claimed) -> Claimed:
    """A claimed run with what it goes on from. Inputs of its steps are history and stay away.

    Raises FileGone, StorageUnavailable.
    """
    held = (run.inputs, run.system, *(step.outputs for step in run.steps))
    if not any(map(is_reference, held)):
        return run
    whole: Claimed = await in_thread(_made_whole, run)
    return whole


def _made_whole(run: Claimed) -> Claimed:
    owner = run.organization_id
    return replace(
        run,
        inputs=read_value(owner, run.inputs),
        system=read_value(owner, run.system),
        steps=tuple(
            replace(step, outputs=read_value(owner, step.outputs))
            if is_reference(step.outputs)
            else step
            for step in run.steps
        ),
    )
