"""Runs that wait for people."""

import pytest

from audit.models import Entry
from bpm.actions import decide_task
from bpm.models import Decision, HumanTask
from core.errors import DomainError
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import cancel_run, start_run
from workflows.models import Event, Run, RunWait, Signal
from workflows.tests.engines import engine, wait_for
from workflows.tests.factories import approval_flow, published

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def run(organization):
    workflow = published(approval_flow(), organization)
    actor = actor_in(organization, "builder")
    return start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "the invoice"})


def decide(organization, action="approve", **data):
    task = HumanTask.objects.get()
    return decide_task(
        actor=actor_in(organization, "approver"),
        task_id=task.pk,
        action_id=action,
        comment="seen",
        data=data,
    )


def test_a_decision_resumes_the_run(organization, run):
    with engine() as worker:
        wait_for(run, "waiting")
        assert run.owner is None
        decide(organization, note="fine")
        worker.ring()
        wait_for(run)

    assert run.state == Run.State.SUCCEEDED
    assert run.outputs == {"answer": "fine", "by": "approve"}
    assert not RunWait.objects.exists()
    assert not Signal.objects.exists()
    assert {entry.trace_id for entry in Entry.objects.filter(action__startswith="bpm")} == {
        run.trace_id
    }


def test_the_other_button_takes_the_other_way(organization, run):
    with engine() as worker:
        wait_for(run, "waiting")
        decide(organization, "reject")
        worker.ring()
        wait_for(run)

    assert run.outputs == {"by": "reject"}
    assert set(run.steps.values_list("node_id", flat=True)) == {"start", "ask", "no"}


def test_an_answer_outlives_every_engine(organization, run):
    with engine():
        wait_for(run, "waiting")
    decide(organization)
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED

    with engine():
        wait_for(run)

    assert run.state == Run.State.SUCCEEDED


def test_deciding_twice_changes_nothing(organization, run):
    with engine():
        wait_for(run, "waiting")
    decide(organization)

    with pytest.raises(DomainError) as caught:
        decide(organization, "reject")

    assert caught.value.code == "task_decided"
    assert (Decision.objects.count(), Signal.objects.count()) == (1, 1)


def test_deciding_after_a_cancel_is_refused(organization, run):
    with engine():
        wait_for(run, "waiting")
    cancel_run(actor=actor_in(organization), run_id=run.public_id, reason="not needed")

    with pytest.raises(DomainError) as caught:
        decide(organization)

    assert caught.value.code == "task_cancelled"
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert run.error["message"] == "not needed"
    assert not Decision.objects.exists()
    assert not RunWait.objects.exists()


def test_cancelling_twice_is_refused(organization, run):
    cancel_run(actor=actor_in(organization), run_id=run.public_id)
    before = Event.objects.count()

    with pytest.raises(DomainError) as caught:
        cancel_run(actor=actor_in(organization), run_id=run.public_id)

    assert caught.value.code == "run_finished"
    assert Event.objects.count() == before


def test_the_time_to_answer_ends(organization, run):
    with engine() as worker:
        wait_for(run, "waiting")
        RunWait.objects.update(wake_at=run.created_at)
        worker.ring()
        wait_for(run)

    assert run.state == Run.State.SUCCEEDED
    assert HumanTask.objects.get().status == HumanTask.Status.CANCELLED
