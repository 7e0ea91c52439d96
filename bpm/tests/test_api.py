"""Tasks through `/api/v1/tasks/`."""

import pytest
from rest_framework.test import APIClient

from bpm.actions import claim_task, decide_task
from bpm.models import Comment, Decision, HumanTask
from bpm.tests.factories import FORM, make_task
from orgs.tests.factories import OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db
TASKS = "/api/v1/tasks/"


def client_for(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def member(organization, role="approver"):
    user, actor = person_in(organization, role)
    return client_for(user), actor


@pytest.fixture
def task(handled, organization):
    return make_task(organization, form=FORM)


def unchanged(task):
    task.refresh_from_db()
    closed = Decision.objects.exists() or Comment.objects.exists()
    return task.status == "open" and task.claimed_by_id is None and not closed


def test_lists_the_tasks_of_the_organization_newest_first(handled, organization):
    make_task(OrganizationFactory())
    first, second = make_task(organization), make_task(organization)
    client, _ = member(organization, "member")

    body = client.get(TASKS).json()

    assert [row["id"] for row in body["results"]] == [str(second.pk), str(first.pk)]
    assert body["next"] is None
    assert set(body["results"][0]) == {
        "id", "title", "kind", "subject_id", "status", "outcome", "requester", "claimed_by",
        "due_at", "created_at", "closed_at",
    }  # fmt: skip


def test_lists_in_pages(handled, organization):
    tasks = {str(make_task(organization).pk) for _ in range(5)}
    client, _ = member(organization)
    seen, url = [], f"{TASKS}?limit=2"

    while url:
        body = client.get(url).json()
        seen += [row["id"] for row in body["results"]]
        url = body["next"]

    assert len(seen) == 5
    assert set(seen) == tasks


def test_narrows_by_status_kind_subject_and_what_waits_for_the_caller(handled, organization):
    client, actor = member(organization)
    decided, waiting = make_task(organization), make_task(organization, subject_id="subject-2")
    others = make_task(organization, candidates=["role:finance"], subject_id="subject-3")
    decide_task(actor=actor, task_id=decided.pk, action_id="approve")

    def found(query):
        return {row["id"] for row in client.get(TASKS + query).json()["results"]}

    assert found("?status=decided") == {str(decided.pk)}
    assert found("?status=open") == {str(waiting.pk), str(others.pk)}
    assert found("?mine=true") == {str(waiting.pk)}
    assert found("?subject_id=subject-3") == {str(others.pk)}
    assert found("?kind=bpm.trial&status=decided") == {str(decided.pk)}
    assert client.get(f"{TASKS}?status=lost").json()["code"] == "invalid_input"


def test_shows_all_that_is_needed_to_decide(task, organization):
    client, _ = member(organization)

    body = client.get(f"{TASKS}{task.pk}/").json()

    assert [action["id"] for action in body["actions"]] == ["approve", "reject"]
    assert [entry["name"] for entry in body["form"]["inputs"]] == [
        "amount",
        "reason",
        "urgent",
        "note",
    ]
    assert body["snapshot"] == {"order": 7, "amount": "120.00"}
    assert body["trace_id"] == task.trace_id
    assert body["candidates"] == ["role:approver", "role:owner", "role:admin"]


def test_claims_releases_and_decides(task, organization):
    client, actor = member(organization)

    claimed = client.post(f"{TASKS}{task.pk}/claim/").json()
    released = client.post(f"{TASKS}{task.pk}/release/").json()
    decided = client.post(
        f"{TASKS}{task.pk}/decide/",
        {"action_id": "approve", "comment": "fine", "data": {"amount": 12}},
    )

    assert (claimed["status"], claimed["claimed_by"]["id"]) == ("claimed", str(actor.user_id))
    assert (released["status"], released["claimed_by"]) == ("open", None)
    assert decided.status_code == 200
    body = decided.json()
    assert (body["status"], body["outcome"]) == ("decided", "approve")
    assert body["decisions"][0]["comment"] == "fine"
    assert body["decisions"][0]["data"]["amount"] == 12


def test_comments_are_returned_with_their_author(task, organization):
    client, actor = member(organization, "member")

    answer = client.post(f"{TASKS}{task.pk}/comment/", {"text": "Please hurry."})

    assert answer.status_code == 201
    assert answer.json()["author"]["id"] == str(actor.user_id)
    shown = client.get(f"{TASKS}{task.pk}/").json()["comments"]
    assert [comment["text"] for comment in shown] == ["Please hurry."]


def test_refusals_have_the_shared_shape(task, organization):
    client, _ = member(organization)
    _, holder = member(organization)
    claim_task(actor=holder, task_id=task.pk)

    answer = client.post(f"{TASKS}{task.pk}/decide/", {"action_id": "approve"})

    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], set(body)) == (
        "task_claimed",
        {"code", "message", "detail", "trace_id"},
    )


def test_a_form_that_does_not_fit_names_its_fields(task, organization):
    client, _ = member(organization)

    answer = client.post(
        f"{TASKS}{task.pk}/decide/", {"action_id": "approve", "data": {"amount": "much"}}
    )

    assert answer.status_code == 400
    assert set(answer.json()["detail"]["fields"]) == {"amount"}
    assert unchanged(task)


@pytest.mark.parametrize(
    "body", [{}, {"action_id": ""}, {"action_id": "approve", "data": []}, {"action_id": ["x"]}]
)
def test_malformed_decisions_are_refused(task, organization, body):
    client, _ = member(organization)

    assert client.post(f"{TASKS}{task.pk}/decide/", body).status_code == 400
    assert unchanged(task)


WRITES = [("claim", {}), ("release", {}), ("decide", {"action_id": "approve"})]


@pytest.mark.parametrize(("verb", "body"), [*WRITES, ("comment", {"text": "hi"})])
def test_another_organization_finds_nothing(task, verb, body):
    client, _ = member(OrganizationFactory(), "owner")

    assert client.get(f"{TASKS}{task.pk}/").status_code == 404
    assert client.post(f"{TASKS}{task.pk}/{verb}/", body).status_code == 404
    assert client.get(TASKS).json()["results"] == []
    assert unchanged(task)


@pytest.mark.parametrize(("verb", "body"), WRITES)
@pytest.mark.parametrize("role", ["builder", "finance", "member", "guest"])
def test_lesser_roles_change_nothing(task, organization, role, verb, body):
    client, _ = member(organization, role)

    assert client.post(f"{TASKS}{task.pk}/{verb}/", body).status_code == 403
    assert unchanged(task)


def test_guests_do_not_even_look(task, organization):
    client, _ = member(organization, "guest")

    assert client.get(TASKS).status_code == 403
    assert client.get(f"{TASKS}{task.pk}/").status_code == 403


@pytest.mark.parametrize(("verb", "body"), [*WRITES, ("comment", {"text": "hi"})])
def test_strangers_are_asked_to_sign_in(task, verb, body):
    client = APIClient()

    assert client.get(TASKS).status_code == 401
    assert client.post(f"{TASKS}{task.pk}/{verb}/", body).status_code == 401
    assert unchanged(task)


def test_a_key_may_look_where_its_scope_allows_but_never_decide(task, organization):
    client = APIClient()
    token = key_in(organization, "task.view", "task.decide")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    assert client.get(f"{TASKS}{task.pk}/").status_code == 200
    assert client.post(f"{TASKS}{task.pk}/decide/", {"action_id": "approve"}).status_code == 403
    assert client.post(f"{TASKS}{task.pk}/comment/", {"text": "hi"}).status_code == 403
    assert unchanged(task)


def test_a_list_of_200_tasks_costs_as_many_queries_as_one(
    handled, organization, django_assert_max_num_queries
):
    client, _ = member(organization)
    make_task(organization)
    with django_assert_max_num_queries(6) as few:
        client.get(f"{TASKS}?limit=200&mine=true")
    for _ in range(199):
        make_task(organization)

    with django_assert_max_num_queries(len(few)):
        body = client.get(f"{TASKS}?limit=200&mine=true").json()

    assert len(body["results"]) == HumanTask.objects.count() == 200
