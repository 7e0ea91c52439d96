"""Schedules: what starts when, in whose name, and once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils.timezone import now

from accounts.models import Letter
from audit.models import Entry
from core.database import is_postgres
from core.errors import PermissionRefused
from orgs.access import Actor
from orgs.actions import create_key, revoke_key
from orgs.models import Membership
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.actions import (
    change_trigger,
    create_trigger,
    fire_trigger,
    set_trigger_enabled,
)
from workflows.errors import InvalidSchedule, InvalidTrigger, TooManyTriggers
from workflows.models import Run, Trigger, TriggerFiring
from workflows.tests.factories import approval_flow, published
from workflows.triggers.acting import MOST_FAILURES
from workflows.triggers.schedules import fire_due, release_queued

pytestmark = pytest.mark.django_db
INPUTS = {"what": "the report"}


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


def schedule(actor, organization, **config):
    made = create_trigger(
        actor=actor,
        workflow_id=published(approval_flow(), organization).pk,
        kind="schedule",
        name="Nightly",
        inputs=INPUTS,
        config={"cron": "* * * * *"} | config,
    )
    return made.trigger


def due_at(trigger, occurrence):
    """As if its next occurrence were this one."""
    Trigger.objects.filter(pk=trigger.pk).update(next_occurrence=occurrence, next_at=occurrence)


def minute(back=0):
    return now().replace(second=0, microsecond=0) - timedelta(minutes=back)


def outcomes(trigger):
    rows = TriggerFiring.objects.filter(trigger=trigger).order_by("occurrence")
    return [(row.outcome, row.reason) for row in rows]


def end_all():
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=now())


# -- starting


def test_what_falls_due_starts_one_run_with_the_inputs_and_the_maker(actor, organization):
    trigger = schedule(actor, organization)
    occurrence = trigger.next_occurrence

    assert fire_due(occurrence - timedelta(seconds=1)) == 0
    fire_due(occurrence)
    fire_due(occurrence)

    run = Run.objects.get()
    assert (run.trigger, run.inputs, run.started_by_id) == ("schedule", INPUTS, actor.user_id)
    assert run.idempotency_key == f"schedule:{trigger.pk}:{occurrence.isoformat()}"
    trigger.refresh_from_db()
    assert trigger.next_occurrence == occurrence + timedelta(minutes=1)
    assert trigger.last_fired_at is not None
    firing = TriggerFiring.objects.get()
    assert (firing.run_id, firing.occurrence) == (run.public_id, occurrence)


def test_runs_of_one_tick_have_traces_of_their_own(actor, organization):
    for _n in range(2):
        due_at(schedule(actor, organization), minute())

    fire_due()

    assert len({run.trace_id for run in Run.objects.all()}) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not is_postgres(), reason="one writer at a time")
def test_many_ticks_at_once_start_each_occurrence_once(actor, organization):
    triggers = [schedule(actor, organization, overlap="allow") for _n in range(3)]
    for trigger in triggers:
        due_at(trigger, minute())

    def tick():
        fire_due()
        connections.close_all()

    threads = [threading.Thread(target=tick) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    keys = list(Run.objects.values_list("idempotency_key", flat=True))
    assert len(keys) == len(set(keys)) == TriggerFiring.objects.count()
    assert {key.split(":")[1] for key in keys} == {str(trigger.pk) for trigger in triggers}


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_tick_starts_it(
    actor, organization, monkeypatch
):
    trigger = schedule(actor, organization)
    due_at(trigger, minute())
    monkeypatch.setattr(TriggerFiring, "save", lambda self: 1 / 0)

    fire_due()
    assert not Run.objects.exists()

    monkeypatch.undo()
    fire_due()
    assert Run.objects.count() == 1


# -- what was missed


@pytest.mark.parametrize(
    ("policy", "started"),
    [("none", [0]), ("last", [0]), ("all", [3, 2, 1, 0])],
)
def test_missed_occurrences_are_noted_and_the_policy_says_which_start(
    actor, organization, policy, started
):
    trigger = schedule(actor, organization, catch_up=policy, overlap="allow", catch_up_most=3)
    first = minute(back=5)
    due_at(trigger, first)

    fire_due(first + timedelta(minutes=5, seconds=1))

    rows = TriggerFiring.objects.filter(trigger=trigger).order_by("-occurrence")
    assert [n for n, row in enumerate(rows) if row.outcome == "started"] == sorted(started)
    assert {row.reason for row in rows if row.outcome == "skipped"} == {"missed"}
    assert len(rows) == 6


def test_the_last_one_missed_starts_when_none_is_in_time(actor, organization):
    trigger = schedule(actor, organization, cron="0 6 * * *", catch_up="last")
    due_at(trigger, datetime(2026, 3, 1, 6, tzinfo=UTC))

    fire_due(datetime(2026, 3, 4, 12, tzinfo=UTC))

    started = TriggerFiring.objects.get(outcome="started")
    assert started.occurrence == datetime(2026, 3, 4, 6, tzinfo=UTC)
    assert TriggerFiring.objects.filter(reason="missed").count() == 3


@pytest.mark.parametrize("policy", ["none", "last", "all"])
def test_a_long_sleep_is_noted_in_few_rows_and_costs_no_occurrence(actor, organization, policy):
    trigger = schedule(actor, organization, catch_up=policy, overlap="allow", catch_up_most=5)
    first = minute(back=5000)
    due_at(trigger, first)

    fire_due(first + timedelta(minutes=5000, seconds=90))

    rows = TriggerFiring.objects.filter(trigger=trigger)
    assert sum(row.count for row in rows) == 5002
    assert len(rows) < 120
    assert rows.filter(outcome="started").count() == {"none": 1, "last": 1, "all": 6}[policy]
    trigger.refresh_from_db()
    assert trigger.next_occurrence == first + timedelta(minutes=5002)


def test_what_fell_due_while_it_was_off_is_not_made_up_for(actor, organization):
    trigger = schedule(actor, organization, catch_up="all")
    set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=False)
    due_at(trigger, minute(back=10))
    fire_due()

    on = set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=True)

    assert on.next_occurrence > now()
    assert not TriggerFiring.objects.exists()


# -- when the run before still lives


def fired_twice(trigger):
    due_at(trigger, minute(back=1))
    fire_due(minute(back=1))
    first = Run.objects.get()
    fire_due(minute())
    return first


def test_skip_leaves_the_later_one_out(actor, organization):
    trigger = schedule(actor, organization, overlap="skip")
    fired_twice(trigger)

    assert outcomes(trigger) == [("started", ""), ("skipped", "overlap")]
    end_all()
    fire_due(minute(back=-1))
    assert Run.objects.count() == 2


def test_queue_starts_it_after_the_run_before(actor, organization):
    trigger = schedule(actor, organization, overlap="queue")
    fired_twice(trigger)
    fire_due(minute(back=-1))

    assert release_queued() == 0
    assert outcomes(trigger) == [("started", ""), ("queued", "overlap"), ("queued", "overlap")]
    end_all()
    assert release_queued() == 1
    assert release_queued() == 0
    assert outcomes(trigger)[1:] == [("started", ""), ("queued", "overlap")]
    end_all()
    assert release_queued() == 1
    keys = set(Run.objects.values_list("idempotency_key", flat=True))
    assert len(keys) == 3


def test_cancel_ends_the_run_before(actor, organization):
    trigger = schedule(actor, organization, overlap="cancel")
    first = fired_twice(trigger)

    first.refresh_from_db()
    assert first.state == Run.State.CANCELLED or first.control == "cancel"
    assert outcomes(trigger) == [("started", ""), ("started", "")]


def test_allow_lets_both_live(actor, organization):
    trigger = schedule(actor, organization, overlap="allow")
    fired_twice(trigger)

    assert Run.objects.unfinished().count() == 2
    assert outcomes(trigger) == [("started", ""), ("started", "")]


# -- in whose name


def fail_until_off(trigger):
    for back in range(MOST_FAILURES, 0, -1):
        due_at(trigger, minute(back=back))
        fire_due(minute(back=back))
    trigger.refresh_from_db()


def test_who_left_starts_nothing_more_and_the_owners_are_told(actor, organization):
    owner = person_in(organization, "owner")[0]
    trigger = schedule(actor, organization)
    Membership.objects.filter(user_id=actor.user_id).delete()

    fail_until_off(trigger)

    assert not Run.objects.exists()
    assert (trigger.enabled, trigger.disabled_reason) == (False, "trigger_owner_gone")
    assert set(outcomes(trigger)) == {("failed", "trigger_owner_gone")}
    letter = Letter.objects.get(kind="trigger_disabled")
    assert letter.user_id == owner.pk
    entry = Entry.objects.get(action="workflows.trigger.disabled")
    assert entry.data["reason"] == "trigger_owner_gone"


def test_who_lost_the_right_to_run_is_told_so(actor, organization):
    trigger = schedule(actor, organization)
    Membership.objects.filter(user_id=actor.user_id).update(role="guest")

    fail_until_off(trigger)

    assert not Run.objects.exists()
    assert not trigger.enabled
    assert Letter.objects.get(kind="trigger_disabled").user_id == actor.user_id


def test_a_success_between_failures_forgives_them(actor, organization):
    trigger = schedule(actor, organization)
    Trigger.objects.filter(pk=trigger.pk).update(failures=MOST_FAILURES - 1)
    due_at(trigger, minute())

    fire_due(minute())

    trigger.refresh_from_db()
    assert (trigger.enabled, trigger.failures) == (True, 0)


def test_a_schedule_made_by_a_key_acts_as_the_key_and_ends_with_it(organization):
    owner = actor_in(organization, "owner")
    scopes = ["workflow.view", "workflow.run", "workflow.edit"]
    key, _token = create_key(actor=owner, name="k", scopes=scopes)
    as_key = Actor(
        organization_id=organization.pk,
        api_key_id=key.pk,
        scopes=frozenset(scopes),
        project_id=key.project_id,
    )
    trigger = schedule(as_key, organization, overlap="allow")
    due_at(trigger, minute(back=1))
    fire_due(minute(back=1))
    assert Run.objects.get().api_key_id == key.pk

    revoke_key(actor=owner, key_id=key.pk)
    fire_due(minute())

    assert Run.objects.count() == 1
    assert outcomes(trigger)[1] == ("failed", "trigger_owner_gone")


def test_whoever_changes_what_it_does_is_who_it_acts_for(actor, organization):
    trigger = schedule(actor, organization)
    other = actor_in(organization, "admin")

    change_trigger(actor=other, trigger_id=trigger.pk, inputs={"what": "mine"})
    due_at(trigger, minute())
    fire_due(minute())

    assert Run.objects.get().started_by_id == other.user_id


def test_fired_by_hand_it_acts_for_whoever_fires(actor, organization):
    trigger = schedule(actor, organization)
    member = actor_in(organization, "member")

    run = fire_trigger(actor=member, trigger_id=trigger.pk)

    assert (run.started_by_id, run.inputs) == (member.user_id, INPUTS)
    assert Entry.objects.filter(action="workflows.trigger.fired").count() == 1


@pytest.mark.parametrize("role", ["member", "approver", "finance"])
def test_who_may_not_edit_makes_none(organization, role):
    with pytest.raises(PermissionRefused):
        schedule(actor_in(organization, role), organization)
    assert not Trigger.objects.exists()


# -- settings


@pytest.mark.parametrize(
    "config",
    [
        {}, {"cron": "x"}, {"cron": "* * * * *", "every_seconds": 60}, {"every_seconds": 1},
        {"cron": "* * * * *", "time_zone": "Mars/Base"}, {"cron": "0 0 31 2 *"},
        {"cron": "* * * * *", "catch_up": "some"}, {"cron": "* * * * *", "more": 1},
        {"cron": "* * * * *", "jitter_seconds": 9999},
        {"cron": "* * * * *", "start_at": "2026-01-01T00:00:00"},
        {"cron": "* * * * *", "start_at": "2026-02-01T00:00:00Z",
         "end_at": "2026-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(actor, organization, config):
    workflow = published(approval_flow(), organization)
    with pytest.raises((InvalidTrigger, InvalidSchedule)):
        create_trigger(
            actor=actor, workflow_id=workflow.pk, kind="schedule", name="n", config=config
        )
    assert not Trigger.objects.exists()


def test_an_interval_counts_on_when_other_settings_change(actor, organization):
    trigger = schedule(actor, organization, cron="", every_seconds=3600)
    before = trigger.next_occurrence

    changed = change_trigger(
        actor=actor,
        trigger_id=trigger.pk,
        config={"every_seconds": 3600, "overlap": "allow"},
    )

    assert changed.next_occurrence == before


def test_a_schedule_that_is_over_falls_due_no_more(actor, organization):
    end = minute(back=-2)
    trigger = schedule(actor, organization, end_at=end.isoformat(), overlap="allow")
    due_at(trigger, minute(back=-1))

    fire_due(minute(back=-2))

    trigger.refresh_from_db()
    assert (trigger.next_occurrence, trigger.next_at, trigger.enabled) == (None, None, True)
    assert outcomes(trigger) == [("started", "")] * 2


def test_jitter_starts_it_later_but_for_the_same_occurrence(actor, organization):
    trigger = schedule(actor, organization, cron="0 * * * *", jitter_seconds=600)

    assert timedelta(0) <= trigger.next_at - trigger.next_occurrence <= timedelta(seconds=600)
    fire_due(trigger.next_at)
    assert TriggerFiring.objects.get().occurrence == trigger.next_occurrence


def test_a_workflow_has_a_number_of_triggers(actor, organization, monkeypatch):
    monkeypatch.setattr("workflows.actions.triggers.MOST_TRIGGERS", 1)
    trigger = schedule(actor, organization)
    with pytest.raises(TooManyTriggers):
        create_trigger(
            actor=actor,
            workflow_id=trigger.workflow_id,
            kind="schedule",
            name="n",
            config={"cron": "* * * * *"},
        )


def test_an_idle_tick_costs_few_statements(actor, organization, django_assert_max_num_queries):
    schedule(actor, organization)
    with django_assert_max_num_queries(2):
        fire_due()
        release_queued()
