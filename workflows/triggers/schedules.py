"""Schedules that fall due. Beat rings every second; the rows say what is to be done.

One transaction settles what has fallen due of one schedule: the runs, the note of each occurrence,
and when it falls due next. So each occurrence is settled once, however many ticks there are and
whenever one of them dies.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils.timezone import now

from orgs.access import system_actor
from workflows.actions.control import cancel_run
from workflows.errors import RunFinished
from workflows.models import Run, Trigger, TriggerFiring
from workflows.triggers.configs import MOST_CATCH_UP, ScheduleSettings, schedule_of
from workflows.triggers.firing import Outcome, attempt, lock, new_firing
from workflows.triggers.occurrences import Rule, jitter_of

logger = logging.getLogger(__name__)
LATE = timedelta(seconds=60)
"""What is later than this was missed: nobody was awake. Then the catch-up policy decides."""
PIECE = 2_000
"""Missed occurrences that one transaction settles."""
NAMED = 20
"""Missed occurrences that get a row each; those before share one."""
MOST_QUEUED = 100
"""Occurrences of a schedule that wait for its run to end; and runs of it that are looked at."""
AT_ONCE = 200


def fire_due(at: datetime | None = None) -> int:
    """Settle what has fallen due of each schedule; how many schedules that were.

    One that another process has in hand is left to it.
    """
    at = at or now()
    due = Trigger.objects.filter(enabled=True, next_at__lte=at, kind=Trigger.Kind.SCHEDULE)
    found = list(due.order_by("next_at").values_list("pk", flat=True)[:AT_ONCE])
    for pk in found:
        try:
            while fire_schedule(pk, at):
                pass
        except Exception:  # one that cannot be settled must not keep the others in
            logger.exception("A schedule could not be settled", extra={"trigger": str(pk)})
    return len(found)


@transaction.atomic
def fire_schedule(pk: object, at: datetime) -> bool:
    """Settle a piece of what has fallen due; True when there is more."""
    trigger = lock(pk, wait=False)
    if trigger is None or not trigger.enabled or not trigger.next_at or trigger.next_at > at:
        return False
    settings = schedule_of(trigger)
    rule = settings.rule()
    due, upcoming, more = _due(trigger, settings, rule, at)
    chosen = [] if more else _chosen(due, settings, trigger, at)
    _note_missed(trigger, [each for each in due if each not in chosen])
    plan_next(trigger, settings, upcoming)
    trigger.save(update_fields=["next_occurrence", "next_at"])
    for occurrence in chosen:
        if trigger.enabled:
            _fire(trigger, settings, occurrence)
    return more and trigger.enabled


def plan_next(trigger: Trigger, settings: ScheduleSettings, upcoming: datetime | None) -> None:
    trigger.next_occurrence = upcoming
    trigger.next_at = _start_of(trigger, settings, upcoming) if upcoming else None


def _start_of(trigger: Trigger, settings: ScheduleSettings, occurrence: datetime) -> datetime:
    return occurrence + jitter_of(trigger.pk, occurrence, settings.jitter_seconds)


def _due(
    trigger: Trigger, settings: ScheduleSettings, rule: Rule, at: datetime
) -> tuple[list[datetime], datetime | None, bool]:
    """What has fallen due, in order; what comes after it; whether that has fallen due as well."""
    due: list[datetime] = []
    upcoming = trigger.next_occurrence
    while upcoming and len(due) < PIECE and _start_of(trigger, settings, upcoming) <= at:
        due.append(upcoming)
        upcoming = rule.after(upcoming)
    if upcoming and len(due) == PIECE and _start_of(trigger, settings, upcoming) <= at:
        # The last ones may be among those that are caught up with.
        return due[:-MOST_CATCH_UP], due[-MOST_CATCH_UP], True
    return due, upcoming, False


def _chosen(
    due: list[datetime], settings: ScheduleSettings, trigger: Trigger, at: datetime
) -> list[datetime]:
    """Those that are started: what is in time, and of what was missed what the policy says."""
    fresh = [each for each in due if at - _start_of(trigger, settings, each) <= LATE]
    missed = [each for each in due if each not in fresh]
    if settings.catch_up == "all":
        return missed[-settings.catch_up_most :] + fresh
    if settings.catch_up == "last" and not fresh:
        return missed[-1:]
    return fresh


def _note_missed(trigger: Trigger, missed: list[datetime]) -> None:
    early, named = missed[:-NAMED], missed[-NAMED:]
    rows = [_skipped(trigger, each, "missed") for each in named]
    if early:
        until = early[-1].isoformat()
        rows.insert(
            0, _skipped(trigger, early[0], "missed", count=len(early), message=f"… {until}")
        )
    TriggerFiring.objects.bulk_create(rows, ignore_conflicts=True)


def _skipped(
    trigger: Trigger, occurrence: datetime, reason: str, message: str = "", count: int = 1
) -> TriggerFiring:
    return new_firing(
        trigger,
        key=key_of(occurrence),
        occurrence=occurrence,
        outcome=Outcome.SKIPPED,
        reason=reason,
        message=message,
        count=count,
    )


def key_of(occurrence: datetime) -> str:
    return occurrence.astimezone(UTC).isoformat()


def _fire(trigger: Trigger, settings: ScheduleSettings, occurrence: datetime) -> None:
    key = key_of(occurrence)
    if TriggerFiring.objects.filter(trigger=trigger, key=key).exists():
        return  # after a change of the schedule, say: this one has been settled
    firing = new_firing(trigger, key=key, occurrence=occurrence)
    living = [] if settings.overlap == "allow" else living_runs(trigger)
    if settings.overlap == "queue" and (living or _queued(trigger)):
        _queue(trigger, firing)
    elif living and settings.overlap == "skip":
        firing.outcome, firing.reason = Outcome.SKIPPED, "overlap"
        firing.save()
    else:
        for run in living:
            _cancel(run)
        attempt(trigger, firing)


def living_runs(trigger: Trigger) -> list[Run]:
    """Runs of this schedule that are not over, of the latest hundred."""
    rows = TriggerFiring.objects.filter(trigger=trigger, outcome=Outcome.STARTED)
    latest = list(rows.order_by("-pk").values_list("run_id", flat=True)[:MOST_QUEUED])
    return list(
        Run.objects.unfinished().filter(public_id__in=latest).only("public_id", "organization_id")
    )


def _queued(trigger: Trigger) -> int:
    return TriggerFiring.objects.filter(trigger=trigger, outcome=Outcome.QUEUED).count()


def _queue(trigger: Trigger, firing: TriggerFiring) -> None:
    full = _queued(trigger) >= MOST_QUEUED
    firing.outcome = Outcome.SKIPPED if full else Outcome.QUEUED
    firing.reason = "queue_full" if full else "overlap"
    firing.save()


def _cancel(run: Run) -> None:
    actor = system_actor(run.organization_id)
    try:
        cancel_run(actor=actor, run_id=run.public_id, reason="The schedule's next run starts.")
    except RunFinished:
        return


def release_queued() -> int:
    """Start what waited for the run before it; how many were started."""
    waiting = TriggerFiring.objects.filter(outcome=Outcome.QUEUED)
    found = waiting.order_by().values_list("trigger", flat=True).distinct()
    return sum(_release(pk) for pk in list(found[:AT_ONCE]))


@transaction.atomic
def _release(pk: object) -> int:
    trigger = lock(pk, wait=False)
    if trigger is None:
        return 0
    queued = TriggerFiring.objects.filter(trigger=trigger, outcome=Outcome.QUEUED).order_by("pk")
    if not trigger.enabled:
        queued.update(outcome=Outcome.SKIPPED, reason="trigger_disabled")
        return 0
    firing = None if living_runs(trigger) else queued.first()
    return 1 if firing is not None and attempt(trigger, firing) else 0
