"""Several people at the same instant, on real connections and both databases."""

import threading

import pytest
from django.db import connections
from viewflow.workflow.models import Process, Task

from audit.models import Entry
from bpm.actions import cancel_tasks, claim_task, decide_task
from bpm.models import Decision, Definition, HumanTask
from bpm.tests.factories import KIND, make_actor, make_task
from orgs.tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def at_once(*calls):
    """Run the calls in threads that start together; returns each one's result or error code."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place, call):
        try:
            barrier.wait(timeout=30)
            answers[place] = call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this thread's answer
            answers[place] = getattr(error, "code", repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


def refusals(answers):
    return sorted(answer for answer in answers if isinstance(answer, str))


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_of_three_approvers_at_once_exactly_one_decides(handled, organization, turn):
    people = [make_actor(organization) for _ in range(3)]
    task = make_task(organization)

    answers = at_once(
        *(
            lambda who=who: decide_task(actor=who, task_id=task.pk, action_id="approve")
            for who in people
        )
    )

    assert refusals(answers) == ["task_decided", "task_decided"]
    assert (Decision.objects.count(), len(handled)) == (1, 1)
    assert Entry.objects.filter(action="bpm.task.decided").count() == 1
    assert Task.objects.count() == 4
    assert Process.objects.get().status == "DONE"


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_same_key_at_once_opens_one_task(handled, organization, turn):
    answers = at_once(*[lambda: make_task(organization, idempotency_key="same")] * 4)

    assert refusals(answers) == []
    assert len({task.pk for task in answers}) == 1
    assert (HumanTask.objects.count(), Process.objects.count()) == (1, 1)
    assert Entry.objects.filter(action="bpm.task.opened").count() == 1


def test_first_tasks_of_many_organizations_share_the_built_in_definition(handled):
    organizations = [OrganizationFactory() for _ in range(4)]

    answers = at_once(*(lambda org=org: make_task(org) for org in organizations))

    assert refusals(answers) == []
    assert Definition.objects.count() == 1


def test_of_two_claims_at_once_one_holds_the_task(handled, organization):
    people = [make_actor(organization) for _ in range(2)]
    task = make_task(organization)

    answers = at_once(*(lambda who=who: claim_task(actor=who, task_id=task.pk) for who in people))

    task.refresh_from_db()
    assert refusals(answers) == ["task_claimed"]
    assert task.claimed_by_id in {who.user_id for who in people}


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_decision_and_cancel_at_once_leave_one_outcome(handled, organization, approver, turn):
    task = make_task(organization)

    decided, cancelled = at_once(
        lambda: decide_task(actor=approver, task_id=task.pk, action_id="approve"),
        lambda: cancel_tasks(kind=KIND, subject_id="subject-1", reason="stopped"),
    )

    task.refresh_from_db()
    if cancelled:
        assert decided == "task_cancelled"
        assert (task.status, task.process.process.status) == ("cancelled", "CANCELED")
        assert (len(handled), len(handled.cancelled)) == (0, 1)
    else:
        assert (task.status, task.process.process.status) == ("decided", "DONE")
        assert (len(handled), len(handled.cancelled)) == (1, 0)
