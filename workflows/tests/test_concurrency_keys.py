"""Runs that share a key: how many are live, who is next, and no slot is lost or given twice."""

import threading
from itertools import pairwise

import pytest
from django.db import connections, transaction

from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import cancel_run, set_run_policy, start_run
from workflows.errors import ConcurrencyConflict
from workflows.models import ConcurrencySlot, Event, Run
from workflows.removal import remove_runs
from workflows.runtime.ending import end_run
from workflows.runtime.slots import admit, render_key
from workflows.runtime.sweep import close_ended, close_run, sweep
from workflows.tests.engines import engine, wait_for
from workflows.tests.factories import approval_flow, end, flow, published, start

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = flow([start(("what", "text-input")), end(said=("start", "what"))], [("start", "end")])


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


@pytest.fixture
def workflow(organization):
    return published(SHORT, organization)


def begin(actor, workflow, what="x", **more):
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": what}, **more)


def keyed(actor, workflow, **more):
    return set_run_policy(
        actor=actor, workflow_id=workflow.pk, concurrency_key="{{ inputs.what }}", **more
    )


def states(*runs):
    return [Run.objects.get(pk=run.pk).state for run in runs]


def finish(run, state=Run.State.SUCCEEDED):
    """As a worker's commit ends a run: its row, and nothing else."""
    Run.objects.filter(pk=run.pk).update(state=state, ended_at=run.created_at)


def kinds(run):
    return list(Event.objects.filter(run=run).order_by("seq").values_list("seq", "kind"))


def test_a_run_whose_key_is_taken_is_held_and_queued_when_the_other_ends(actor, workflow):
    keyed(actor, workflow)
    first, second, other = (begin(actor, workflow, what) for what in ("a", "a", "b"))

    assert states(first, second, other) == ["queued", "held", "queued"]
    assert kinds(second) == [(1, "run.held")]
    finish(first)
    close_run(first.pk)
    assert states(second) == ["queued"]
    assert kinds(second) == [(1, "run.held"), (2, "run.queued")]
    assert ConcurrencySlot.objects.count() == 2


def test_the_engine_runs_them_one_after_the_other(actor, workflow):
    keyed(actor, workflow)
    runs = [begin(actor, workflow, "a") for _ in range(8)]
    with engine():
        for run in runs:
            assert wait_for(run).state == "succeeded"
    begun = list(Run.objects.order_by("started_at").values_list("pk", "started_at", "ended_at"))
    assert [pk for pk, _, _ in begun] == [run.pk for run in runs]
    for (_, _, ended_at), (_, started_at, _) in pairwise(begun):
        assert started_at >= ended_at
    close_ended()
    assert not ConcurrencySlot.objects.exists()


def test_priority_then_age_says_who_is_next(actor, workflow):
    keyed(actor, workflow)
    first = begin(actor, workflow)
    old, urgent, new = (begin(actor, workflow, priority=p) for p in (0, 5, 0))
    order = []
    for run in (first, urgent, old, new):
        assert states(run) == ["queued"]
        order.append(run.pk)
        finish(run)
        close_run(run.pk)
    assert not ConcurrencySlot.objects.exists()


def test_without_a_key_the_number_alone_bounds_the_workflow(actor, workflow, organization):
    set_run_policy(actor=actor, workflow_id=workflow.pk, max_concurrent=2)
    runs = [begin(actor, workflow, what) for what in "abc"]
    elsewhere = begin(actor, published(SHORT, organization))

    assert states(*runs, elsewhere) == ["queued", "queued", "held", "queued"]


def test_skip_refuses_and_leaves_nothing(actor, workflow):
    keyed(actor, workflow, on_conflict="skip")
    begin(actor, workflow)

    with pytest.raises(ConcurrencyConflict):
        begin(actor, workflow, idempotency_key="again")
    assert Run.objects.count() == 1
    assert ConcurrencySlot.objects.count() == 1


def test_a_repeated_request_is_no_conflict_with_itself(actor, workflow):
    keyed(actor, workflow, on_conflict="skip")
    first = begin(actor, workflow, idempotency_key="once")

    assert begin(actor, workflow, idempotency_key="once").pk == first.pk


def test_the_newest_cancels_what_was_before_it(actor, workflow):
    keyed(actor, workflow, on_conflict="cancel_running")
    first = begin(actor, workflow)
    second = begin(actor, workflow)
    third = begin(actor, workflow)

    assert states(first, second, third) == ["cancelled", "cancelled", "queued"]
    assert ConcurrencySlot.objects.get().run_id == third.pk


def test_the_newest_replaces_those_that_wait(actor, workflow):
    keyed(actor, workflow, on_conflict="replace_waiting")
    first, second, third = (begin(actor, workflow) for _ in range(3))

    assert states(first, second, third) == ["queued", "cancelled", "held"]
    second.refresh_from_db()
    assert second.error["code"] == "superseded"


def test_cancelling_a_held_run_moves_no_slot(actor, workflow):
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    cancel_run(actor=actor, run_id=second.public_id)

    assert states(first, second) == ["queued", "cancelled"]
    assert ConcurrencySlot.objects.get().run_id == first.pk


def test_a_cancelled_run_gives_its_slot_back_at_once(actor, workflow):
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    cancel_run(actor=actor, run_id=first.public_id)

    assert states(second) == ["queued"]


def test_a_waiting_run_keeps_its_slot(actor, organization):
    workflow = published(approval_flow(), organization)
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    with engine():
        wait_for(first, "waiting")
        sweep()
        assert states(second) == ["held"]


def test_the_sweep_heals_a_crash_between_end_and_release(actor, workflow):
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    finish(first)

    assert sweep() is True
    assert states(second) == ["queued"]
    assert ConcurrencySlot.objects.get().run_id == second.pk
    finish(second)
    sweep()
    close_ended()
    assert not ConcurrencySlot.objects.exists()


def test_a_deleted_run_leaves_no_slot(actor, workflow):
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    remove_runs([first.pk], wait=True)

    assert not ConcurrencySlot.objects.exists()
    sweep()
    assert states(second) == ["queued"]


def test_more_room_lets_those_in_that_wait(actor, workflow):
    keyed(actor, workflow)
    runs = [begin(actor, workflow) for _ in range(4)]
    keyed(actor, workflow, max_concurrent=3)
    assert states(*runs) == ["queued"] * 3 + ["held"]

    set_run_policy(actor=actor, workflow_id=workflow.pk)
    assert states(*runs) == ["queued"] * 4


def test_a_run_that_goes_live_again_takes_its_turn(actor, workflow):
    keyed(actor, workflow)
    first, second = begin(actor, workflow), begin(actor, workflow)
    with transaction.atomic():
        again = Run.objects.select_for_update().get(pk=first.pk)
        end_run(again, Run.State.FAILED)
    assert states(second) == ["queued"]

    with transaction.atomic():
        again = Run.objects.select_for_update().get(pk=first.pk)
        assert admit(again) == "held"
        Run.objects.filter(pk=again.pk).update(state="held", ended_at=None)
    finish(second)
    close_run(second.pk)
    assert states(first) == ["queued"]
    with transaction.atomic():  # it still has its slot
        assert admit(Run.objects.get(pk=first.pk)) == "queued"
    assert ConcurrencySlot.objects.count() == 1


def live_of(key):
    """Slots that are taken, and runs that may run: each counted by itself."""
    live = Run.objects.filter(concurrency_key=key, state__in=("queued", "running"))
    return ConcurrencySlot.objects.filter(key=key).count(), live.count()


def cancel(actor, run):
    cancel_run(actor=actor, run_id=run.public_id)


def end_if_queued(actor, run):
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run.pk)
        if row.state == Run.State.QUEUED:
            end_run(row, Run.State.SUCCEEDED)


@pytest.mark.services
def test_sixteen_at_once_never_admit_too_many_and_lose_none(actor, workflow):
    """Each thread starts, ends and cancels; at any moment at most three of a key are live."""
    keyed(actor, workflow, max_concurrent=3)
    faults, over = [], []

    def work(number):
        try:
            for turn in range(4):
                run = begin(actor, workflow, f"k{(number + turn) % 2}")
                over.append(max(live_of(run.concurrency_key)))
                (cancel if turn % 2 else end_if_queued)(actor, run)
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert max(over) <= 3
    while live := list(Run.objects.filter(state="queued")):
        for run in live:
            finish(run)
            close_run(run.pk)
    assert not Run.objects.filter(state__in=Run.LIVE).exists()
    assert not ConcurrencySlot.objects.exists()


@pytest.mark.parametrize(
    ("template", "inputs", "key"),
    [
        ("{{ inputs.customer }}", {"customer": "c1"}, "c1"),
        ("{{inputs.a}}-{{ inputs.b.c }}", {"a": 1, "b": {"c": [2]}}, "1-[2]"),
        ("{{ inputs.customer }}", {}, "*"),
        ("{{ inputs.a }}", {"a": "{{ inputs.b }}", "b": "no"}, "{{ inputs.b }}"),
        ("", {"a": 1}, "*"),
        ("fixed", {}, "fixed"),
    ],
)
def test_a_key_is_its_template_filled_in(template, inputs, key):
    assert render_key(template, inputs) == key


def test_long_keys_stay_apart():
    one, other = (render_key("{{ inputs.a }}", {"a": "x" * 300 + end}) for end in "ab")
    assert len(one) == len(other) == 200
    assert one != other
