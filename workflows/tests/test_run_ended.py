"""Triggers on the end of a run: once for each, promptly, and never lost."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils.timezone import now

from core.database import is_postgres
from core.errors import NotFound, PermissionRefused
from core.ids import uuid7
from orgs.models import Membership, Project
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import create_trigger, set_trigger_enabled, start_run
from workflows.models import Run, Trigger, TriggerFiring
from workflows.tests.engines import engine, wait_for
from workflows.tests.factories import end, flow, published, start, template
from workflows.triggers.ended import FAR, MOST_CHAINED, fire_for, sweep_ended, watched

pytestmark = pytest.mark.django_db
FLOW = flow(
    [start(("what", "text-input")), template("say", "After {{ it }}", it=("start", "what")),
     end(said=("say", "output"))],
    [("start", "say"), ("say", "end")],
)  # fmt: skip


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


def follow(actor, source, target, **more):
    config = {"mapping": {"what": "outputs.said"}} | more
    made = create_trigger(
        actor=actor,
        workflow_id=target.pk,
        kind="run-ended",
        name="After it",
        config=config,
        source_workflow_id=source.pk,
    )
    return made.trigger


@pytest.fixture
def pair(actor, organization):
    source, target = published(FLOW, organization), published(FLOW, organization)
    return source, target, follow(actor, source, target)


def ended(actor, workflow, state="succeeded", at=None, **fields):
    run = start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"})
    given = {"state": state, "ended_at": at or now(), "outputs": {"said": "done"}} | fields
    Run.objects.filter(pk=run.pk).update(**given)
    run.refresh_from_db()
    return run


def started(target):
    return list(Run.objects.filter(workflow=target).order_by("pk"))


# -- once, however it is found


def test_the_end_of_a_run_starts_one_with_its_outputs(actor, pair):
    source, target, trigger = pair
    run = ended(actor, source)

    assert fire_for(run.pk, source.pk) == 1
    assert fire_for(run.pk) == 0
    assert sweep_ended() == 0

    (after,) = started(target)
    assert (after.trigger, after.inputs) == ("run-ended", {"what": "done"})
    assert (after.trace_id, after.started_by_id) == (run.trace_id, actor.user_id)
    firing = TriggerFiring.objects.get(trigger=trigger)
    assert (firing.source_run_id, firing.run_id) == (run.public_id, after.public_id)


def test_the_sweep_finds_what_nobody_passed_on(actor, pair):
    source, target, _ = pair
    for _n in range(3):
        ended(actor, source)

    assert sweep_ended() == 3
    assert sweep_ended() == 0
    assert len(started(target)) == 3


def test_a_run_that_becomes_visible_late_is_not_lost(actor, pair):
    """Its end says an hour ago, and the sweep has been there since."""
    source, target, trigger = pair
    long_ago = now() - timedelta(hours=2)
    Trigger.objects.update(watched_from=long_ago, swept_at=now())
    run = ended(actor, source, at=now() - timedelta(hours=1))

    sweep_ended()
    assert started(target) == []
    sweep_ended(now() + timedelta(minutes=6))

    assert len(started(target)) == 1
    assert TriggerFiring.objects.get(trigger=trigger).source_run_id == run.public_id


def test_a_pass_after_a_long_sleep_begins_where_the_one_before_stood(actor, pair):
    source, target, _ = pair
    Trigger.objects.update(
        watched_from=now() - timedelta(days=30), swept_at=now() - timedelta(days=9)
    )
    ended(actor, source, at=now() - timedelta(days=9) - FAR / 2)
    ended(actor, source, at=now() - timedelta(days=4))

    assert sweep_ended() == 2
    assert len(started(target)) == 2


def test_a_crash_between_end_and_firing_leaves_it_to_the_sweep(actor, pair, monkeypatch):
    source, target, _ = pair
    run = ended(actor, source)
    monkeypatch.setattr(TriggerFiring, "save", lambda self: 1 / 0)
    assert fire_for(run.pk) == 0
    assert started(target) == []

    monkeypatch.undo()
    sweep_ended()

    assert len(started(target)) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not is_postgres(), reason="one writer at a time")
def test_many_that_find_it_at_once_start_one(actor, pair):
    source, target, _ = pair
    run = ended(actor, source)

    def find(number):
        fire_for(run.pk) if number % 2 else sweep_ended()
        connections.close_all()

    threads = [threading.Thread(target=find, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(started(target)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_that_an_engine_ends_is_followed(actor, pair):
    source, target, _ = pair
    with engine():
        first = start_run(actor=actor, workflow_id=source.pk, inputs={"what": "x"})
        wait_for(first)
        sweep_ended()
        (second,) = started(target)
        wait_for(second)

    assert second.outputs == {"said": "After After x"}


# -- which ends count


@pytest.mark.parametrize("state", ["failed", "cancelled", "terminated", "timed-out"])
def test_only_the_chosen_states_count(actor, organization, state):
    source, target = published(FLOW, organization), published(FLOW, organization)
    follow(actor, source, target, states=[state], mapping={"what": "error.message"})
    ended(actor, source, "succeeded")
    run = ended(actor, source, state, error={"code": "x", "message": "broke"})

    sweep_ended()

    assert [row.inputs for row in started(target)] == [{"what": "broke"}]
    assert TriggerFiring.objects.get().source_run_id == run.public_id


def test_runs_that_ended_before_or_while_it_was_off_do_not_count(actor, organization):
    source, target = published(FLOW, organization), published(FLOW, organization)
    ended(actor, source)
    trigger = follow(actor, source, target)
    set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=False)
    run = ended(actor, source)
    assert fire_for(run.pk, source.pk) == 0
    set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=True)

    sweep_ended()

    assert started(target) == []


def test_runs_of_other_workflows_cost_no_statement(
    actor, organization, pair, django_assert_num_queries
):
    other = published(FLOW, organization)
    run = ended(actor, other)
    watched.has(other.pk)
    with django_assert_num_queries(0):
        assert fire_for(run.pk, other.pk) == 0


# -- rights


def test_of_another_organization_there_is_nothing_to_follow(actor, organization):
    target, theirs = published(FLOW, organization), published(FLOW)
    with pytest.raises(NotFound):
        follow(actor, theirs, target)
    with pytest.raises(NotFound):
        follow(actor, target, theirs)
    assert not Trigger.objects.exists()


def test_both_workflows_ask_for_rights(organization):
    source, target = published(FLOW, organization), published(FLOW, organization)
    with pytest.raises(PermissionRefused):
        follow(actor_in(organization, "member"), source, target)


def test_who_does_not_see_the_source_any_more_gets_nothing_of_it(actor, organization, pair):
    source, target, _ = pair
    place = Project.objects.create(organization=organization, name="Closed", restricted=True)
    source.project = place
    source.save()
    ended(actor_in(organization, "owner"), source)

    sweep_ended()

    assert started(target) == []
    firing = TriggerFiring.objects.get()
    assert (firing.outcome, firing.reason) == ("failed", "permission_denied")


def test_who_left_starts_nothing(actor, organization, pair):
    source, target, _ = pair
    Membership.objects.filter(user_id=actor.user_id).delete()
    ended(actor_in(organization, "owner"), source)

    sweep_ended()

    assert started(target) == []
    assert TriggerFiring.objects.get().reason == "trigger_owner_gone"


# -- circles


def test_a_circle_comes_to_an_end(actor, organization):
    flow_itself = published(FLOW, organization)
    follow(actor, flow_itself, flow_itself)
    run = ended(actor, flow_itself)

    for _n in range(3 * MOST_CHAINED):
        for each in Run.objects.unfinished():
            Run.objects.filter(pk=each.pk).update(
                state="succeeded", ended_at=now(), outputs={"said": "x"}
            )
        sweep_ended()

    assert Run.objects.count() == 1 + MOST_CHAINED
    last = TriggerFiring.objects.order_by("-pk").first()
    assert (last.outcome, last.reason) == ("skipped", "chain_too_deep")
    assert TriggerFiring.objects.order_by("pk").first().source_run_id == run.public_id


def test_a_chain_is_counted_through_runs_inside_runs(actor, organization, pair):
    source, _, trigger = pair
    outer = ended(actor, source)
    inner = ended(actor, source, parent_id=outer.pk)
    TriggerFiring.objects.create(
        organization=organization, trigger=trigger, outcome="started", run_id=outer.public_id,
        key=str(uuid7()), depth=MOST_CHAINED,
    )  # fmt: skip

    fire_for(inner.pk)

    firing = TriggerFiring.objects.get(source_run_id=inner.public_id)
    assert (firing.outcome, firing.depth) == ("skipped", MOST_CHAINED + 1)


def test_an_idle_sweep_costs_few_statements(pair, django_assert_max_num_queries):
    with django_assert_max_num_queries(2):
        sweep_ended()
