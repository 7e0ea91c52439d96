"""Opening, claiming, deciding, commenting and cancelling, through the actions."""

from datetime import timedelta

import pytest
from django.db.models import ProtectedError
from django.utils.timezone import now
from viewflow.workflow.flow import Flow
from viewflow.workflow.lock import SelectForUpdateLock
from viewflow.workflow.models import Process, Task

from accounts.models import User
from accounts.tests.factories import UserFactory
from audit.models import Entry
from bpm.actions import (
    cancel_tasks,
    claim_task,
    comment_task,
    decide_task,
    open_task,
    release_task,
    single_decision_version,
)
from bpm.errors import TaskCancelled, TaskClaimed, TaskDecided, TaskNotClaimed
from bpm.models import Comment, Decision, HumanTask, ProcessInfo, digest_of
from bpm.tests.factories import (
    ACTIONS,
    FORM,
    KIND,
    handling,
    make_actor,
    make_task,
)
from core.errors import DomainError, InvalidInput, NotFound, PermissionRefused
from orgs.access import Actor, system_actor
from orgs.models import Membership
from orgs.tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
TRACE = "0af7651916cd43dd8448eb211c80319c"


def state_of(task):
    """Everything a refusal must leave as it was."""
    task.refresh_from_db()
    return (
        task.status,
        task.claimed_by_id,
        task.outcome,
        task.task.status,
        task.process.outcome,
        Decision.objects.count(),
        Comment.objects.count(),
        Entry.objects.count(),
    )


@pytest.fixture
def task(handled, organization):
    return make_task(organization, trace_id=TRACE)


def test_opening_starts_one_viewflow_process_with_one_waiting_stage(task):
    assert task.process.process.status == "NEW"
    assert task.task.status == "NEW"
    assert task.task.owner_id is None
    assert task.process.version == single_decision_version()
    assert task.process.snapshot_sha256 == digest_of({"order": 7, "amount": "120.00"})
    assert [row.principal for row in task.candidates.order_by("pk")] == [
        "role:approver",
        "role:owner",
        "role:admin",
    ]


def test_opening_is_audited_under_the_given_trace(task):
    entry = Entry.objects.get()
    assert (entry.action, entry.trace_id) == ("bpm.task.opened", TRACE)
    assert (entry.target_id, entry.organization_id) == (str(task.pk), task.organization_id)


def test_the_same_key_opens_once_and_returns_the_task_even_when_it_is_decided(
    handled, organization, approver
):
    first = make_task(organization, idempotency_key="run:1:node:")
    decide_task(actor=approver, task_id=first.pk, action_id="approve")

    again = make_task(organization, idempotency_key="run:1:node:", title="Something else")

    assert again == first
    assert (again.status, again.title) == ("decided", "Refund for order 7")
    assert (HumanTask.objects.count(), Process.objects.count()) == (1, 1)


def test_keys_of_other_organizations_do_not_collide(task, organization):
    other = make_task(OrganizationFactory(), idempotency_key=task.idempotency_key)

    assert other != task


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "nobody.listens"},
        {"candidates": []},
        {"candidates": ["role:king"]},
        {"candidates": ["user:7"]},
        {"candidates": ["team:7"]},
        {"actions": []},
        {"actions": [{"id": "go"}, {"id": "go"}]},
        {"actions": [{"title": "no id"}]},
        {"form": {"inputs": [{"type": "text"}]}},
        {"form": {"inputs": [{"name": "a", "type": "file"}]}},
        {"form": {"inputs": [{"name": "a", "type": "select"}]}},
        {"form": {"inputs": [{"name": "a"}, {"name": "a"}]}},
    ],
)
def test_malformed_requests_open_nothing(handled, organization, changes):
    with pytest.raises(InvalidInput):
        make_task(organization, **changes)

    assert not ProcessInfo.objects.exists()
    assert not Process.objects.exists()
    assert not Entry.objects.exists()


def test_a_decision_ends_the_process_and_reaches_the_subject(task, handled, approver):
    decision = decide_task(actor=approver, task_id=task.pk, action_id="approve", comment=" fine ")

    task.refresh_from_db()
    told, heard = handled[0]
    assert (told.pk, told.subject_id, told.trace_id) == (task.pk, "subject-1", TRACE)
    assert told.idempotency_key == task.idempotency_key
    assert (heard, heard.action_id, heard.comment) == (decision, "approve", "fine")
    assert heard.actor_id == approver.user_id
    assert heard.snapshot_sha256 == task.process.snapshot_sha256
    assert (task.status, task.outcome, task.outcome_title) == ("decided", "approve", "Approve")
    assert (task.process.outcome, task.process.process.status) == ("approve", "DONE")
    assert set(Task.objects.values_list("status", flat=True)) == {"DONE"}


def test_a_decision_is_audited_with_the_trace_of_the_task(task, approver):
    decide_task(actor=approver, task_id=task.pk, action_id="reject")

    entry = Entry.objects.get(action="bpm.task.decided")
    assert (entry.trace_id, entry.actor_id) == (TRACE, approver.user_id)
    assert entry.data["outcome"] == "reject"


def test_a_raising_handler_rolls_the_decision_back(organization, approver):
    with handling(fails=RuntimeError("no such run")):
        task = make_task(organization)
        before = state_of(task)

        with pytest.raises(RuntimeError, match="no such run"):
            decide_task(actor=approver, task_id=task.pk, action_id="approve")

        assert state_of(task) == before


def test_a_handler_may_refuse_with_its_own_code(organization, approver):
    with handling(fails=TaskCancelled("The run was stopped.")):
        task = make_task(organization)

        with pytest.raises(TaskCancelled):
            decide_task(actor=approver, task_id=task.pk, action_id="approve")


def test_deciding_twice_is_refused(task, approver, organization, handled):
    decide_task(actor=approver, task_id=task.pk, action_id="approve")
    before = state_of(task)

    for person in (approver, make_actor(organization)):
        with pytest.raises(TaskDecided):
            decide_task(actor=person, task_id=task.pk, action_id="reject")

    assert state_of(task) == before
    assert len(handled) == 1


def test_deciding_after_cancel_is_refused(task, approver, handled):
    assert cancel_tasks(kind=KIND, subject_id="subject-1", reason="run cancelled") == 1
    before = state_of(task)

    with pytest.raises(TaskCancelled):
        decide_task(actor=approver, task_id=task.pk, action_id="approve")

    assert state_of(task) == before
    assert handled == []


def test_cancelling_closes_the_process_tells_the_subject_and_is_audited(task, handled):
    cancel_tasks(kind=KIND, subject_id="subject-1", reason="run cancelled")

    task.refresh_from_db()
    entry = Entry.objects.get(action="bpm.task.cancelled")
    assert (task.status, task.process.outcome) == ("cancelled", "cancelled")
    assert (task.process.process.status, task.task.status) == ("CANCELED", "CANCELED")
    assert handled.cancelled == [task]
    assert (entry.data, entry.trace_id) == ({"reason": "run cancelled"}, TRACE)


def test_cancelling_leaves_decided_and_other_tasks_alone(handled, organization, approver):
    decided = make_task(organization)
    decide_task(actor=approver, task_id=decided.pk, action_id="approve")
    elsewhere = make_task(organization, subject_id="subject-2")
    foreign = make_task(OrganizationFactory())

    cancelled = cancel_tasks(
        kind=KIND, subject_id="subject-1", reason="x", organization_id=organization.pk
    )

    assert cancelled == 0
    for task, status in ((decided, "decided"), (elsewhere, "open"), (foreign, "open")):
        task.refresh_from_db()
        assert task.status == status


def test_one_key_of_a_subject_can_be_cancelled_alone(handled, organization):
    first, second = make_task(organization), make_task(organization)

    cancel_tasks(
        kind=KIND, subject_id="subject-1", reason="timed out", idempotency_key=first.idempotency_key
    )

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("cancelled", "open")


def test_a_claimed_task_can_be_decided_by_its_holder_alone(task, approver, organization):
    claim_task(actor=approver, task_id=task.pk)
    other = make_actor(organization, "approver")
    before = state_of(task)

    for attempt in (
        lambda: decide_task(actor=other, task_id=task.pk, action_id="approve"),
        lambda: claim_task(actor=other, task_id=task.pk),
        lambda: release_task(actor=other, task_id=task.pk),
    ):
        with pytest.raises(TaskClaimed):
            attempt()

    assert state_of(task) == before
    assert decide_task(actor=approver, task_id=task.pk, action_id="approve").pk


def test_claiming_twice_changes_nothing_and_releasing_gives_it_back(task, approver, organization):
    claim_task(actor=approver, task_id=task.pk)
    before = state_of(task)
    claim_task(actor=approver, task_id=task.pk)
    assert state_of(task) == before

    release_task(actor=approver, task_id=task.pk)

    task.refresh_from_db()
    assert (task.status, task.claimed_by_id) == ("open", None)
    assert claim_task(actor=make_actor(organization), task_id=task.pk).status == "claimed"


def test_releasing_what_nobody_holds_is_refused(task, approver):
    with pytest.raises(TaskNotClaimed):
        release_task(actor=approver, task_id=task.pk)


@pytest.mark.parametrize("role", ["builder", "finance", "member", "guest"])
def test_who_is_no_candidate_neither_claims_nor_decides(task, organization, role):
    actor = make_actor(organization, role)
    before = state_of(task)

    for attempt in (
        lambda: claim_task(actor=actor, task_id=task.pk),
        lambda: decide_task(actor=actor, task_id=task.pk, action_id="approve"),
    ):
        with pytest.raises(PermissionRefused):
            attempt()

    assert state_of(task) == before


def test_another_organization_finds_no_task(task):
    stranger = make_actor(OrganizationFactory(), "owner")
    before = state_of(task)

    for attempt in (
        lambda: claim_task(actor=stranger, task_id=task.pk),
        lambda: decide_task(actor=stranger, task_id=task.pk, action_id="approve"),
        lambda: comment_task(actor=stranger, task_id=task.pk, text="hello"),
    ):
        with pytest.raises(NotFound):
            attempt()

    assert state_of(task) == before


def test_a_named_user_of_another_organization_still_finds_nothing(handled, organization):
    stranger = make_actor(OrganizationFactory(), "owner")
    task = make_task(organization, candidates=[f"user:{stranger.user_id}"])

    assert not HumanTask.objects.inbox_of(stranger).exists()
    with pytest.raises(NotFound):
        decide_task(actor=stranger, task_id=task.pk, action_id="approve")


def test_keys_and_the_platform_do_not_decide(task, organization):
    key = Actor(
        organization_id=organization.pk,
        api_key_id=organization.pk,
        scopes=frozenset({"task.view", "task.decide"}),
    )
    before = state_of(task)

    for actor in (key, system_actor(organization.pk)):
        with pytest.raises(PermissionRefused):
            decide_task(actor=actor, task_id=task.pk, action_id="approve")

    assert state_of(task) == before


def test_candidates_follow_the_role_as_it_is_now(task, organization):
    joined = make_actor(organization, "member")
    assert not HumanTask.objects.inbox_of(joined).exists()

    Membership.objects.filter(user_id=joined.user_id).update(role="approver")

    promoted = Actor(organization_id=organization.pk, role="approver", user_id=joined.user_id)
    assert list(HumanTask.objects.inbox_of(promoted)) == [task]


def test_a_person_can_be_named_as_candidate(handled, organization):
    named, other = make_actor(organization, "member"), make_actor(organization, "member")
    task = make_task(organization, candidates=[f"user:{named.user_id}"])

    assert list(HumanTask.objects.inbox_of(named)) == [task]
    assert not HumanTask.objects.inbox_of(other).exists()
    assert decide_task(actor=named, task_id=task.pk, action_id="reject").action_id == "reject"


def test_an_unknown_action_is_refused(task, approver):
    before = state_of(task)

    with pytest.raises(InvalidInput) as caught:
        decide_task(actor=approver, task_id=task.pk, action_id="explode")

    assert caught.value.detail == {"action": "explode", "actions": ["approve", "reject"]}
    assert state_of(task) == before


def test_answers_are_stored_with_their_types(handled, organization, approver):
    task = make_task(organization, form=FORM)

    decision = decide_task(
        actor=approver,
        task_id=task.pk,
        action_id="approve",
        data={"amount": "12.5", "reason": "late", "urgent": "on"},
    )

    assert decision.data == {"amount": 12.5, "reason": "late", "urgent": True, "note": "none"}


def test_a_form_that_does_not_fit_is_refused_field_by_field(handled, organization, approver):
    task = make_task(organization, form=FORM)
    before = state_of(task)

    with pytest.raises(InvalidInput) as caught:
        decide_task(
            actor=approver,
            task_id=task.pk,
            action_id="approve",
            data={"reason": "lost", "urgent": 3, "extra": 1},
        )

    assert set(caught.value.detail["fields"]) == {"amount", "reason", "urgent", "extra"}
    assert state_of(task) == before
    assert handled == []


def test_defaults_that_no_answer_could_be_are_dropped_and_others_made_to_fit(
    handled, organization, approver
):
    task = make_task(
        organization,
        form={
            "inputs": [
                {"name": "number", "type": "number", "default": "12"},
                {"name": "wrong", "type": "number", "default": "twelve"},
                {"name": "text", "default": {"order": 7}},
                {"name": "choice", "type": "select", "options": [1, 2], "default": 2},
                {"name": "lost", "type": "select", "options": ["a"], "default": "z"},
                {"name": "tick", "type": "checkbox", "default": "true"},
            ]
        },
    )

    decision = decide_task(actor=approver, task_id=task.pk, action_id="approve")

    assert decision.data == {
        "number": 12,
        "wrong": None,
        "text": '{"order": 7}',
        "choice": "2",
        "lost": "",
        "tick": True,
    }


def test_comments_are_kept_beside_open_and_closed_tasks(task, approver, organization):
    member = make_actor(organization, "member")
    comment_task(actor=member, task_id=task.pk, text=" Customer called twice. ")
    decide_task(actor=approver, task_id=task.pk, action_id="approve")
    comment_task(actor=approver, task_id=task.pk, text="Done.")

    assert list(task.comments.order_by("pk").values_list("text", flat=True)) == [
        "Customer called twice.",
        "Done.",
    ]
    assert Entry.objects.filter(action="bpm.task.commented", trace_id=TRACE).count() == 2


def test_an_empty_comment_is_refused(task, approver):
    before = state_of(task)

    with pytest.raises(InvalidInput):
        comment_task(actor=approver, task_id=task.pk, text="   ")
    with pytest.raises(InvalidInput):
        comment_task(actor=approver, task_id=task.pk, text="x" * 10_001)

    assert state_of(task) == before


def test_lists_show_each_person_what_is_theirs(handled, organization, approver):
    colleague = make_actor(organization)
    late = make_task(organization, due_at=now() + timedelta(hours=2))
    soon = make_task(organization, due_at=now() + timedelta(hours=1))
    whenever = make_task(organization)
    held = make_task(organization)
    done = make_task(organization)
    make_task(OrganizationFactory())
    claim_task(actor=colleague, task_id=held.pk)
    decide_task(actor=approver, task_id=done.pk, action_id="approve")

    mine = HumanTask.objects.inbox_of(approver).urgent_first()
    assert list(mine) == [soon, late, whenever]
    assert list(HumanTask.objects.claimed_by(colleague)) == [held]
    assert held in HumanTask.objects.inbox_of(colleague)
    assert list(HumanTask.objects.done_by(approver)) == [done]
    assert not HumanTask.objects.done_by(colleague).exists()
    assert HumanTask.objects.visible_to(approver).count() == 5


def test_guests_see_no_tasks(task, organization):
    guest = make_actor(organization, "guest")

    assert not HumanTask.objects.visible_to(guest).exists()
    with pytest.raises(PermissionRefused):
        comment_task(actor=guest, task_id=task.pk, text="hello")


def test_operator_text_is_never_rendered_as_a_template(handled, organization):
    task = make_task(organization, title="{{ process.info.requester.password }} {% now 'Y' %}")

    assert "password" in task.title
    assert task.task.brief == "N Stage"
    assert task.process.process.brief == "Approval - New"


def test_every_flow_locks_its_process_row():
    flows = [flow for flow in Flow.__subclasses__() if flow.__module__.startswith("bpm.")]
    assert flows
    for flow in flows:
        assert isinstance(flow.lock_impl, SelectForUpdateLock)
        assert (flow.lock_impl.nowait, flow.lock_impl.attempts) == (False, 1)


def test_a_user_with_decisions_cannot_be_erased_with_the_history(task, approver):
    decide_task(actor=approver, task_id=task.pk, action_id="approve")

    with pytest.raises(ProtectedError):
        User.objects.get(pk=approver.user_id).delete()
    assert Decision.objects.count() == 1


def test_a_user_who_asked_or_claimed_can_leave_and_the_task_stays(handled, organization):
    requester = UserFactory()
    task = make_task(organization, requester_id=requester.pk)

    requester.delete()

    task.refresh_from_db()
    assert task.process.requester is None


def test_refusals_are_domain_errors_with_the_documented_status():
    codes = {
        error.code: int(error.status)
        for error in (TaskClaimed, TaskNotClaimed, TaskDecided, TaskCancelled)
    }
    assert codes == dict.fromkeys(
        ("task_claimed", "task_not_claimed", "task_decided", "task_cancelled"), 409
    )
    assert issubclass(TaskClaimed, DomainError)


def test_a_long_title_is_cut_and_kept_on_one_line(handled, organization):
    task = open_task(
        organization_id=organization.pk,
        kind=KIND,
        subject_id="s",
        title="a\nb " + "c" * 300,
        idempotency_key="k",
        candidates=["role:owner"],
        actions=ACTIONS,
    )

    assert task.title.startswith("a b ccc")
    assert len(task.title) == 200
