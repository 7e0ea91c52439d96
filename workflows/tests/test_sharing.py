"""Sharing one workflow: what a guest then sees and may do."""

import pytest
from rest_framework.test import APIClient

from audit.models import Entry
from orgs.tests.factories import MembershipFactory, OrganizationFactory, person_in
from workflows.models import WorkflowGrant
from workflows.tests.factories import approval_flow, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def workflow(organization):
    return published(approval_flow(), organization)


def client_of(user):
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def builder(organization):
    return client_of(person_in(organization, "builder")[0])


@pytest.fixture
def guest(organization):
    return person_in(organization, "guest")[0]


def share(client, workflow, user, right="view"):
    body = {"user": str(user.pk), "right": right}
    return client.post(f"/api/v1/workflows/{workflow.pk}/grants/", body)


def test_a_guest_sees_only_what_was_shared(organization, workflow, builder, guest):
    published(approval_flow(), organization)
    assert client_of(guest).get("/api/v1/workflows/").json()["results"] == []

    answer = share(builder, workflow, guest)

    assert answer.status_code == 201
    assert answer.json()[0]["rights"] == ["view"]
    seen = client_of(guest).get("/api/v1/workflows/").json()["results"]
    assert [row["id"] for row in seen] == [str(workflow.pk)]
    assert Entry.objects.filter(action="orgs.grant.given").count() == 1


def test_viewing_is_not_running(workflow, builder, guest):
    share(builder, workflow, guest)
    start = f"/api/v1/workflows/{workflow.pk}/runs/"
    assert client_of(guest).post(start, {"inputs": {"what": "x"}}).status_code == 403

    share(builder, workflow, guest, "run")

    assert client_of(guest).post(start, {"inputs": {"what": "x"}}).status_code == 201


def test_what_is_taken_back_is_gone(workflow, builder, guest):
    share(builder, workflow, guest)

    answer = builder.delete(f"/api/v1/workflows/{workflow.pk}/grants/?user={guest.pk}&right=view")

    assert answer.status_code == 204
    assert client_of(guest).get(f"/api/v1/workflows/{workflow.pk}/").status_code == 404


def test_nobody_shares_with_people_outside(workflow, builder):
    stranger = MembershipFactory().user

    answer = share(builder, workflow, stranger)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not WorkflowGrant.objects.exists()


def test_a_member_cannot_share(organization, workflow, guest):
    member = client_of(person_in(organization, "member")[0])

    answer = share(member, workflow, guest)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not WorkflowGrant.objects.exists()


def test_the_page_shares_and_takes_back(workflow, builder, guest):
    where = f"/workflows/{workflow.pk}/share/"
    builder.post(where, {"holder": f"user:{guest.pk}", "right": "run"}, format="multipart")
    assert guest.email in builder.get(f"/workflows/{workflow.pk}/").content.decode()

    builder.post(
        where, {"holder": f"user:{guest.pk}", "right": "run", "revoke": "1"}, format="multipart"
    )

    assert not WorkflowGrant.objects.exists()


def test_grants_go_with_their_workflow(workflow, builder, guest):
    share(builder, workflow, guest)
    workflow.runs.all().delete()

    workflow.delete()

    assert not WorkflowGrant.objects.exists()


def test_nobody_shares_more_than_they_hold(organization, workflow, builder):
    editor = person_in(organization, "guest")[0]
    owner = client_of(person_in(organization)[0])
    share(builder, workflow, editor, "edit")
    before = list(WorkflowGrant.objects.values_list("user_id", "permission__codename"))

    refused = [
        share(client_of(editor), workflow, editor, "view"),  # only `admin` shares
        share(builder, workflow, editor, "approve"),  # builders do not approve
        share(builder, workflow, editor, "admin"),
    ]
    page = client_of(editor).post(
        f"/workflows/{workflow.pk}/share/",
        {"holder": f"user:{editor.pk}", "right": "view"},
        format="multipart",
    )

    assert {(each.status_code, each.json()["code"]) for each in refused} == {
        (403, "permission_denied")
    }
    assert page.status_code == 403
    assert list(WorkflowGrant.objects.values_list("user_id", "permission__codename")) == before
    assert share(owner, workflow, editor, "admin").status_code == 201
    assert share(client_of(editor), workflow, editor, "approve").status_code == 201


@pytest.mark.parametrize(
    "given", [{}, {"holder": "user:x", "right": "view"}, {"holder": "\x00"}, {"holder": "key:1"}]
)
def test_an_odd_form_shares_nothing(workflow, builder, given):
    response = builder.post(f"/workflows/{workflow.pk}/share/", given, format="multipart")

    assert response.status_code == 404
    assert not WorkflowGrant.objects.exists()
