"""Runs that start when runs of another workflow end.

Whoever ends a run calls `fire_for`, which is prompt. What is lost on the way, because a process
died between the two, is found by `sweep_ended`: it asks which ended runs have no firing yet. It
looks at the last minute each second, and every few minutes again at the last hours: a run may
become visible later than its `ended_at` says, by as long as its commit took. A pass after a pause
begins where the one before it stood, so sleeping is no reason to miss one.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import close_old_connections, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.timezone import now

from workflows.inputs import start_variables
from workflows.models import Run, Trigger, TriggerFiring
from workflows.triggers.configs import RunEndedSettings, run_ended_of
from workflows.triggers.firing import Outcome, attempt, lock, new_firing
from workflows.triggers.mapping import as_text, fill, look_up

logger = logging.getLogger(__name__)
NEAR = timedelta(minutes=1)
FAR = timedelta(hours=6)
FAR_EVERY = timedelta(minutes=5)
BATCH = 200
MOST_CHAINED = 10
"""Ends of runs that may lead to one another; a chain that goes on is a circle."""
KNOWN_SECONDS = 1.0


class _Watched:
    """Workflows whose ends start something, as of a second ago: most runs are nobody's business."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[UUID] = frozenset()
        self._until = 0.0

    def has(self, workflow_id: UUID) -> bool:
        with self._lock:
            if time.monotonic() >= self._until:
                rows = _enabled().order_by().values_list("source_workflow_id", flat=True)
                self._known = frozenset(rows.distinct())
                self._until = time.monotonic() + KNOWN_SECONDS
            return workflow_id in self._known

    def forget(self) -> None:
        with self._lock:
            self._until = 0.0


watched = _Watched()


def _enabled() -> QuerySet[Trigger]:
    return Trigger.objects.filter(enabled=True, kind=Trigger.Kind.RUN_ENDED)


def fire_for(run_pk: int, workflow_id: UUID | None = None) -> int:
    """After a run ended, from a thread: start what its end starts; how many firings that were.

    Repeating it does nothing more, leaving it out only makes it late. With the `workflow_id` of the
    run it costs nothing where no trigger waits for ends of that workflow.
    """
    try:
        if workflow_id is not None and not watched.has(workflow_id):
            return 0
        run = Run.objects.filter(pk=run_pk).exclude(state__in=Run.LIVE).first()
        if run is None or run.ended_at is None:
            return 0
        mine = _enabled().filter(source_workflow_id=run.workflow_id, watched_from__lte=run.ended_at)
        return sum(_fire_one(pk, run.pk) for pk in list(mine.values_list("pk", flat=True)))
    finally:
        if not transaction.get_connection().in_atomic_block:
            close_old_connections()


def sweep_ended(at: datetime | None = None) -> int:
    """Fire for ended runs that nobody has fired for; how many firings that were."""
    at = at or now()
    return sum(
        _sweep(trigger, at)
        for trigger in list(_enabled().select_related("source_workflow").order_by("pk"))
    )


def _sweep(trigger: Trigger, at: datetime) -> int:
    stood = trigger.swept_at or trigger.watched_from or at
    far = at - stood >= FAR_EVERY
    since = stood - FAR if far else at - NEAR
    done = 0
    while True:
        found = list(unfired(trigger, since).values_list("pk", flat=True)[:BATCH])
        fired = sum(_fire_one(trigger.pk, pk) for pk in found)
        done += fired
        if len(found) < BATCH or not fired:
            break
    if far and not found[BATCH - 1 :]:
        Trigger.objects.filter(pk=trigger.pk).update(swept_at=at)
    return done


def unfired(trigger: Trigger, since: datetime) -> QuerySet[Run]:
    """Runs that ended since then, in a state that counts, for which there is no firing."""
    begin = max(since, trigger.watched_from) if trigger.watched_from else since
    fired = TriggerFiring.objects.filter(trigger=trigger.pk, source_run_id=OuterRef("public_id"))
    rows = Run.objects.filter(workflow=trigger.source_workflow, ended_at__gte=begin)
    rows = rows.filter(state__in=run_ended_of(trigger).states)
    return rows.filter(~Exists(fired)).order_by("ended_at", "pk")


def _fire_one(trigger_pk: Any, run_pk: int) -> int:
    try:
        return _fire(trigger_pk, run_pk)
    except Exception:  # one that cannot be settled must not keep the others in
        logger.exception("The end of a run could not be passed on", extra={"run": run_pk})
        return 0


@transaction.atomic
def _fire(trigger_pk: Any, run_pk: int) -> int:
    trigger = lock(trigger_pk, wait=True)
    run = Run.objects.select_related("workflow").filter(pk=run_pk).first()
    if trigger is None or run is None or not trigger.enabled:
        return 0
    settings = run_ended_of(trigger)
    if run.state not in settings.states or run.workflow_id != trigger.source_workflow_id:
        return 0
    key = str(run.public_id)
    if TriggerFiring.objects.filter(trigger=trigger, key=key).exists():
        return 0
    firing = new_firing(trigger, key=key, source_run_id=run.public_id, depth=_depth(run) + 1)
    if firing.depth > MOST_CHAINED:
        firing.outcome, firing.reason = Outcome.SKIPPED, "chain_too_deep"
        firing.save()
        return 1
    inputs, query = _given(trigger, settings, run)
    attempt(trigger, firing, inputs=inputs, query=query, source=run)
    return 1


def _given(trigger: Trigger, settings: RunEndedSettings, run: Run) -> tuple[dict[str, Any], str]:
    sources = {
        "outputs": run.outputs or {},
        "inputs": run.inputs,
        "error": run.error or {},
        "run": {
            "id": str(run.public_id),
            "state": run.state,
            "workflow": run.workflow.name,
            "trace_id": run.trace_id,
        },
    }
    published = trigger.workflow.published
    variables = start_variables(published.definition) if published else []
    query = look_up(settings.query_from, sources, "") if settings.query_from else ""
    return trigger.inputs | fill(settings.mapping, sources, variables), as_text(query)


def _depth(run: Run) -> int:
    """How many ends of runs led to this one, or to the run that it is a part of."""
    for _level in range(MOST_CHAINED):
        parent = Run.objects.filter(pk=run.parent_id).first() if run.parent_id else None
        if parent is None:
            break
        run = parent
    rows = TriggerFiring.objects.filter(run_id=run.public_id)
    return rows.values_list("depth", flat=True).first() or 0
