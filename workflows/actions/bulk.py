"""A command to many runs at once: started by a filter or ids, carried out run by run.

Each run is commanded through the very action of the command, with the rights that whoever asked
has at that moment; what is refused is counted by its code.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils.timezone import now

from audit.actions import record
from core.errors import DomainError, InvalidInput, NotFound
from core.jsonsafe import clean, json_size
from core.queue import enqueue
from core.trace import current_trace_id, tracing
from orgs.access import Actor, require, system_actor
from orgs.models import asked_by
from orgs.returning import returning_actor
from workflows.actions.control import cancel_run, pause_run, resume_run, terminate_run
from workflows.actions.redo import reset_run, retry_run
from workflows.actions.reruns import rerun_run
from workflows.actions.steering import LARGEST_PAYLOAD, signal_run, skip_node
from workflows.control_matrix import Command
from workflows.errors import BulkFinished, TooManyBulks, ValueTooLarge
from workflows.history.forms import RunSearchForm
from workflows.history.search import narrow_runs
from workflows.models import BulkCommand, Run

logger = logging.getLogger(__name__)
AT_ONCE = 5
"""Bulk commands of one organization under way."""
MOST_IDS = 1_000
MOST_RUNS = 100_000
BATCH = 100
"""Runs read at a time."""
SECONDS = 30.0
"""What one turn may take; the next goes on where it stopped."""
LEASE = timedelta(minutes=1)
ATTEMPTS = 5
KEPT = timedelta(days=30)
State = BulkCommand.State
Act = Callable[..., Run]

ACTS: Mapping[str, tuple[Act, Mapping[str, type]]] = {
    Command.PAUSE: (pause_run, {}),
    Command.RESUME: (resume_run, {}),
    Command.CANCEL: (cancel_run, {"reason": str}),
    Command.TERMINATE: (terminate_run, {"reason": str}),
    Command.RETRY: (retry_run, {}),
    Command.RERUN: (rerun_run, {"node_id": str, "inputs": dict, "outputs": dict}),
    Command.SKIP: (skip_node, {"node_id": str, "outputs": dict, "handle": str}),
    Command.SIGNAL: (signal_run, {"name": str, "data": dict}),
    Command.RESET: (reset_run, {"to": int}),
}
"""What carries a command out, and what it can be told beside the run."""
NEEDED = {Command.SKIP: "node_id", Command.SIGNAL: "name", Command.RESET: "to"}
FILTERS = frozenset({*RunSearchForm.base_fields, "trace_id", "ids"})
WRONG = {"state": "unknown", "workflow": "not_an_id"}
"""What is wrong with a filter that cannot be understood; "not_valid" of the others."""


class _Taken(Exception):
    """The bulk command was cancelled, or another worker has it by now."""


@transaction.atomic
def start_bulk(
    *,
    actor: Actor,
    command: str,
    filters: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> BulkCommand:
    """Queue a command to all runs that the actor sees and the filter names.

    `filters`: what the list of runs is narrowed by, `trace_id`, `ids`; without any, all runs. Runs
    that start later are left alone. Raises InvalidInput, ValueTooLarge, TooManyBulks.
    """
    chosen, given = dict(filters or {}), dict(arguments or {})
    _require_arguments(command, given)
    if BulkCommand.objects.of(actor.organization_id).under_way().count() >= AT_ONCE:
        raise TooManyBulks("Wait until an earlier command to many runs is done.", most=AT_ONCE)
    runs = chosen_runs(actor, chosen)
    total = runs[: MOST_RUNS + 1].count()
    if total > MOST_RUNS:
        raise InvalidInput("These are too many runs.", field="filters", most=MOST_RUNS)
    bulk = BulkCommand.objects.create(
        organization_id=actor.organization_id,
        command=command,
        filters=chosen,
        arguments=given,
        total=total,
        through=runs.aggregate(newest=Max("pk"))["newest"] or 0,
        **asked_by(actor),
        trace_id=current_trace_id(),
        heartbeat_at=now(),
    )
    _note("workflows.runs.bulk_started", actor, bulk, command=command, filter=chosen, total=total)
    enqueue("workflows.tasks.bulk", bulk_id=str(bulk.pk))
    return bulk


def _require_arguments(command: str, given: Mapping[str, Any]) -> None:
    if command not in ACTS:
        raise InvalidInput("There is no such command.", field="command", known=sorted(ACTS))
    known = ACTS[command][1]
    wrong = {name: "unknown" for name in given if name not in known}
    wrong |= {
        name: f"not_a_{kind.__name__}"
        for name, kind in known.items()
        if name in given and not isinstance(given[name], kind)
    }
    if (needed := NEEDED.get(Command(command))) and needed not in given:
        wrong[needed] = "required"
    if wrong:
        raise InvalidInput("The arguments do not fit the command.", fields=wrong)
    if (size := json_size(given)) > LARGEST_PAYLOAD:
        raise ValueTooLarge("This is too large.", size=size, limit=LARGEST_PAYLOAD)


def chosen_runs(actor: Actor, filters: Mapping[str, Any]) -> QuerySet[Run]:
    """Raises InvalidInput for a filter there is not, or one that is none."""
    form = RunSearchForm({**filters})
    rows = narrow_runs(Run.objects.visible_to(actor), form.wanted)
    wrong = {name: "unknown" for name in filters if name not in FILTERS}
    wrong |= {name: WRONG.get(name, "not_valid") for name in form.errors}
    if trace_id := filters.get("trace_id"):
        rows = rows.filter(trace_id=clean(str(trace_id))[:32])
    if "ids" in filters:
        ids = filters["ids"]
        if not isinstance(ids, list) or len(ids) > MOST_IDS or len(_ids(ids)) < len(ids):
            wrong["ids"] = f"at most {MOST_IDS} ids"
        else:
            rows = rows.filter(public_id__in=_ids(ids))
    if wrong:
        raise InvalidInput("Runs cannot be chosen like this.", fields=wrong)
    return rows


def _ids(given: list[Any]) -> list[UUID]:
    found = []
    for each in given:
        try:
            found.append(UUID(str(each)))
        except ValueError:
            continue
    return found


def bulk_of(actor: Actor, bulk_id: UUID) -> BulkCommand:
    """Raises NotFound, and PermissionRefused for another's without the right to control runs."""
    found = BulkCommand.objects.of(actor.organization_id).filter(pk=bulk_id).first()
    if found is None:
        raise NotFound("There is no such command.")
    if not BulkCommand.objects.visible_to(actor).filter(pk=bulk_id).exists():
        require(actor, "run.control")
    bulk: BulkCommand = found
    return bulk


@transaction.atomic
def cancel_bulk(*, actor: Actor, bulk_id: UUID) -> BulkCommand:
    """Its worker stops before the next run; what is done stays.

    Raises NotFound, PermissionRefused, BulkFinished.
    """
    BulkCommand.objects.select_for_update().filter(pk=bulk_of(actor, bulk_id).pk).first()
    bulk = bulk_of(actor, bulk_id)
    if bulk.finished:
        raise BulkFinished("This command is over already.", state=bulk.state)
    bulk.state, bulk.finished_at = State.CANCELLED, now()
    bulk.save(update_fields=["state", "finished_at", "updated_at"])
    _note("workflows.runs.bulk_cancelled", actor, bulk, command=bulk.command)
    return bulk


def run_bulk(*, bulk_id: UUID, seconds: float = SECONDS) -> bool:
    """Claim one bulk command and carry it on for a while; whether this call finished it.

    Repeating it is harmless: only a queued one is claimed.
    """
    waiting = BulkCommand.objects.filter(pk=bulk_id, state=State.QUEUED)
    if not waiting.update(state=State.RUNNING, epoch=F("epoch") + 1, heartbeat_at=now()):
        return False
    bulk = BulkCommand.objects.get(pk=bulk_id)
    with tracing(bulk.trace_id):
        try:
            return _carry_on(bulk, time.monotonic() + seconds)
        except _Taken:
            return False
        except DomainError as refused:
            return _finish(bulk, State.FAILED, refused.code)


def _carry_on(bulk: BulkCommand, until: float) -> bool:
    actor = returning_actor(bulk)
    if actor is None:
        return _finish(bulk, State.FAILED, "permission_denied")
    while True:
        runs = chosen_runs(actor, bulk.filters).filter(pk__gt=bulk.cursor, pk__lte=bulk.through)
        batch = list(runs.order_by("pk").values_list("pk", "public_id")[:BATCH])
        for pk, public_id in batch:
            _command(bulk, actor, pk, public_id)
            if time.monotonic() > until:
                return _rest(bulk)
        if len(batch) < BATCH:
            return _finish(bulk, State.SUCCEEDED)


def _command(bulk: BulkCommand, actor: Actor, pk: int, public_id: UUID) -> None:
    """One run, and the step of the cursor past it, in one transaction.

    A rerun goes first, on its own: its large values are put aside outside of any transaction, and
    its idempotency key makes a repetition find the same run.
    """
    if bulk.command == Command.RERUN:
        code = _act(bulk, actor, public_id, idempotency_key=f"bulk:{bulk.pk}:{public_id}")
        _step(bulk, pk, code)
        return
    extra = {"delivery_id": f"bulk:{bulk.pk}"} if bulk.command == Command.SIGNAL else {}
    with transaction.atomic():
        _step(bulk, pk, _act(bulk, actor, public_id, **extra))


def _act(bulk: BulkCommand, actor: Actor, public_id: UUID, **extra: Any) -> str:
    """The code of the refusal, or nothing."""
    act, _ = ACTS[bulk.command]
    try:
        act(actor=actor, run_id=public_id, **bulk.arguments, **extra)
    except DomainError as refused:
        return refused.code
    return ""


def _step(bulk: BulkCommand, pk: int, code: str) -> None:
    if code:
        bulk.codes[code] = bulk.codes.get(code, 0) + 1
    bulk.done, bulk.refused = bulk.done + (not code), bulk.refused + bool(code)
    bulk.cursor = pk
    _say(
        bulk,
        cursor=pk,
        done=bulk.done,
        refused=bulk.refused,
        codes=bulk.codes,
        crashes=0,
        heartbeat_at=now(),
    )


def _say(bulk: BulkCommand, **values: Any) -> None:
    ours = BulkCommand.objects.filter(pk=bulk.pk, state=State.RUNNING, epoch=bulk.epoch)
    if not ours.update(**values):
        raise _Taken


@transaction.atomic
def _rest(bulk: BulkCommand) -> bool:
    """Let others have a turn, and ring for the next one."""
    _say(bulk, state=State.QUEUED, heartbeat_at=now())
    enqueue("workflows.tasks.bulk", bulk_id=str(bulk.pk))
    return False


@transaction.atomic
def _finish(bulk: BulkCommand, state: str, error: str = "") -> bool:
    _say(bulk, state=state, error=error, finished_at=now())
    numbers = {"done": bulk.done, "refused": bulk.refused}
    actor = system_actor(bulk.organization_id)
    told = {**numbers, "command": bulk.command, "state": str(state)}
    _note("workflows.runs.bulk_ended", actor, bulk, **told)
    return True


def hand_back_bulks() -> int:
    """Queue again what a dead worker left, ring for what is queued; returns how many bells.

    One whose worker died five times at the same run is failed, not tried for ever.
    """
    at = now() - LEASE
    for bulk in BulkCommand.objects.lapsed(at).filter(crashes__gte=ATTEMPTS):
        try:
            _finish(bulk, State.FAILED, "worker_lost")
        except _Taken:
            continue
    lapsed = BulkCommand.objects.lapsed(at)
    lapsed.update(state=State.QUEUED, crashes=F("crashes") + 1, heartbeat_at=now())
    queued = BulkCommand.objects.filter(
        state=State.QUEUED, heartbeat_at__lt=now() - timedelta(0, 5)
    )
    ids = list(queued.order_by("pk").values_list("pk", flat=True)[:100])
    for bulk_id in ids:
        enqueue("workflows.tasks.bulk", bulk_id=str(bulk_id))
    return len(ids)


def delete_old_bulks(limit: int = 500) -> int:
    """What ended long ago; returns how many. What it did stands in the audit trail."""
    old = BulkCommand.objects.filter(finished_at__lt=now() - KEPT).order_by("finished_at")
    ids = list(old.values_list("pk", flat=True)[:limit])
    BulkCommand.objects.filter(pk__in=ids).delete()
    return len(ids)


def _note(action: str, actor: Actor, bulk: BulkCommand, **data: Any) -> None:
    record(
        action,
        actor=actor,
        target_type="bulk_command",
        target_id=bulk.pk,
        summary=bulk.command,
        data=data,
        trace_id=bulk.trace_id,
    )
