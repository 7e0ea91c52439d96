"""What people and programs may answer; text that no database keeps is refused, not a crash."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from bpm.actions import decide_task
from bpm.forms import clean_answers, clean_form
from bpm.models import Comment, Decision, HumanTask
from bpm.tests.factories import make_actor, make_task
from core.errors import InvalidInput
from orgs.tests.factories import person_in

pytestmark = pytest.mark.django_db
FORM = {"content": "", "inputs": [{"name": "n", "type": "text"}]}
NUMBER = {"content": "", "inputs": [{"name": "n", "type": "number", "required": True}]}
UNKEPT = ["a\x00b", "\ud800"]


@pytest.fixture
def client(organization):
    client = Client(raise_request_exception=False)
    client.force_login(person_in(organization, "approver")[0])
    return client


@pytest.fixture
def task(handled, organization):
    return make_task(organization, form=FORM)


def nothing_changed(task, entries):
    task.refresh_from_db()
    return (
        task.status == HumanTask.Status.OPEN
        and not Decision.objects.exists()
        and not Comment.objects.exists()
        and Entry.objects.count() == entries
    )


@pytest.mark.parametrize("text", UNKEPT)
@pytest.mark.parametrize("where", ["comment", "answer", "name", "action"])
def test_the_api_refuses_text_no_database_keeps(client, task, text, where):
    entries = Entry.objects.count()
    body = {
        "action_id": text if where == "action" else "approve",
        "comment": text if where == "comment" else "",
        "data": {text if where == "name" else "n": text if where == "answer" else "fine"},
    }

    response = client.generic(
        "POST", f"/api/v1/tasks/{task.pk}/decide/", json.dumps(body), "application/json"
    )

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert nothing_changed(task, entries)


@pytest.mark.parametrize("sent", [{"comment": "a\x00b"}, {"data-n": "a\x00b"}, {"action": "\x00"}])
def test_the_page_refuses_it_too(client, task, sent):
    entries = Entry.objects.count()

    decided = client.post(reverse("inbox_decide", args=[task.pk]), {"action": "approve"} | sent)
    said = client.post(reverse("inbox_comment", args=[task.pk]), {"comment": "a\x00b"})

    assert (decided.status_code, said.status_code) == (422, 422)
    assert nothing_changed(task, entries)


@pytest.mark.parametrize("value", [10**400, "1" * 400, "1" * 5000, "1e400", float("inf"), True])
def test_what_is_no_number_is_said_at_the_field(value):
    with pytest.raises(InvalidInput) as caught:
        clean_answers(clean_form(NUMBER), {"n": value})

    assert set(caught.value.detail["fields"]) == {"n"}


@pytest.mark.parametrize("value", [0, 0.0, "0", "-0.5"])
def test_zero_is_an_answer_to_a_required_number(value):
    assert clean_answers(clean_form(NUMBER), {"n": value}) == {"n": float(value)}


def test_a_flow_may_hand_over_any_text(handled, organization, approver):
    """A model's answer can hold anything; the approval must be asked for all the same."""
    task = make_task(
        organization,
        title="Refund\x00 \ud800",
        snapshot={"said\x00": ["\ud800", float("nan")]},
        form={
            "content": "\x00\ud800",
            "inputs": [{"name": "n", "type": "text", "default": "\x00"}],
        },
    )

    decide_task(actor=approver, task_id=task.pk, action_id="approve")

    task.refresh_from_db()
    assert task.status == HumanTask.Status.DECIDED
    assert task.process.snapshot == {"said�": ["?", None]}


def test_a_length_nobody_can_read_is_the_ordinary_one(client, task):
    assert client.get(reverse("inbox"), {"length": "9" * 5000}).status_code == 200


class TestClaimsOfTheAbsent:
    """Whoever holds a task and leaves must not keep the run waiting for ever."""

    @pytest.fixture
    def held(self, client, task, organization):
        holder = make_actor(organization)
        client.force_login(_user(holder))
        client.post(reverse("inbox_claim", args=[task.pk]))
        task.refresh_from_db()
        assert task.claimed_by_id == holder.user_id
        return task

    @pytest.mark.parametrize("role", ["owner", "admin"])
    def test_a_manager_takes_the_claim_away(self, client, held, organization, role):
        client.force_login(person_in(organization, role)[0])

        shown = client.get(reverse("inbox_task", args=[held.pk])).content.decode()
        client.post(reverse("inbox_release", args=[held.pk]))

        held.refresh_from_db()
        assert reverse("inbox_release", args=[held.pk]) in shown
        assert (held.status, held.claimed_by_id) == ("open", None)
        assert Entry.objects.filter(action="bpm.task.released").count() == 1

    def test_another_candidate_does_not(self, client, held, organization):
        client.force_login(person_in(organization, "approver")[0])

        shown = client.get(reverse("inbox_task", args=[held.pk])).content.decode()
        response = client.post(reverse("inbox_release", args=[held.pk]))

        before = held.claimed_by_id
        held.refresh_from_db()
        assert reverse("inbox_release", args=[held.pk]) not in shown
        assert response.status_code == 409
        assert (held.status, held.claimed_by_id) == ("claimed", before)


def _user(actor):
    from accounts.models import User  # noqa: PLC0415

    return User.objects.get(pk=actor.user_id)
