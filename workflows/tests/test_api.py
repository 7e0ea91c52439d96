"""Starting runs over REST: inputs, idempotency keys, who may run what."""

import threading

import pytest
from django.db import connections
from rest_framework.test import APIClient

from audit.models import Entry
from orgs.grants import grant
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from workflows.actions import start_run
from workflows.models import Event, Run
from workflows.tests.factories import VersionFactory, approval_flow, flow, node, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def client_of(organization, role):
    return client_for(person_in(organization, role)[0])


def client_for(user):
    client = APIClient()
    client.force_login(user)
    return client


def runs_of(workflow):
    return f"/api/v1/workflows/{workflow.pk}/runs/"


# -- starting


def form_flow():
    """A start node with a variable of every kind."""
    variables = [
        {"variable": "title", "type": "text-input", "required": True, "max_length": 5},
        {"variable": "amount", "type": "number", "required": False},
        {"variable": "urgent", "type": "checkbox", "required": True},
        {"variable": "tone", "type": "select", "options": ["kind", "curt"], "default": "kind"},
        {"variable": "more", "type": "json_object"},
    ]
    return flow(
        [node("start", "start", variables=variables), node("end", "end")], [("start", "end")]
    )


def test_inputs_are_checked_all_at_once(client, organization):
    workflow = published(form_flow(), organization)
    wrong = {
        "amount": "many",
        "urgent": "yes",
        "tone": "loud",
        "more": [1],
        "nobody": "x",
    }

    response = client.post(runs_of(workflow), {"inputs": wrong}, format="json")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_run_input")
    assert response.json()["detail"]["fields"] == {
        "title": "required",
        "amount": "not_a_number",
        "urgent": "not_a_boolean",
        "tone": "not_an_option",
        "more": "not_an_object",
        "nobody": "unknown",
    }
    assert not Run.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ({"title": "sixsix"}, {"title": "too_long"}),
        ({"title": ["x"]}, {"title": "not_a_text"}),
        ({"title": "x", "amount": True}, {"amount": "not_a_number"}),
        ({"title": "x", "amount": "nan"}, {"amount": "not_a_number"}),
        ({"title": "x", "amount": "1e999"}, {"amount": "not_a_number"}),
    ],
)
def test_one_wrong_input_is_named(client, organization, inputs, fields):
    workflow = published(form_flow(), organization)

    response = client.post(runs_of(workflow), {"inputs": inputs}, format="json")

    assert response.json()["detail"]["fields"] == fields
    assert not Run.objects.exists()


def test_right_inputs_start_a_run_with_defaults_and_numbers(client, organization):
    workflow = published(form_flow(), organization)
    given = {"title": "Hello", "amount": "12.5", "urgent": False, "more": {"a": None}}

    response = client.post(runs_of(workflow), {"inputs": given}, format="json")

    assert response.status_code == 201
    assert response.json()["state"] == "queued"
    assert response.json()["inputs"] == {**given, "amount": 12.5, "tone": "kind"}
    assert response.json()["trace_id"] == response.headers["X-Request-ID"]
    run = Run.objects.get(public_id=response.json()["id"])
    assert list(Event.objects.filter(run=run).values_list("seq", "kind")) == [(1, "run.queued")]
    assert Entry.objects.get(action="workflows.run.started").target_id == str(run.public_id)


def test_inputs_no_database_can_hold_are_made_harmless(client, organization):
    workflow = published(approval_flow(), organization)

    response = client.post(
        runs_of(workflow),
        b'{"inputs": {"what": "a\\u0000b\\ud800"}}',
        content_type="application/json",
    )

    assert response.status_code in {201, 400}
    assert all("\x00" not in run.inputs["what"] for run in Run.objects.all())


@pytest.mark.parametrize(
    "raw",
    [b'{"inputs": [1]}', b'{"inputs": "x"}', b"[]", b"{", b'{"query": {}}', b'{"version": "x"}'],
)
def test_a_malformed_body_is_a_plain_refusal(client, organization, raw):
    workflow = published(approval_flow(), organization)

    response = client.post(runs_of(workflow), raw, content_type="application/json")

    assert response.status_code == 400
    assert set(response.json()) == {"code", "message", "detail", "trace_id"}
    assert not Run.objects.exists()


def test_a_start_node_with_odd_settings_does_not_break_the_check(client, organization):
    variables = [{"variable": "what", "type": "text-input", "max_length": "many", "options": 7}]
    workflow = published(
        flow([node("start", "start", variables=variables), node("end", "end")], [("start", "end")]),
        organization,
    )

    response = client.post(runs_of(workflow), {"inputs": {"what": "x"}}, format="json")

    assert response.status_code == 201


# -- the idempotency key


def keyed(client, workflow, what="x", key="order-7", **headers):
    return client.post(
        runs_of(workflow),
        {"inputs": {"what": what}},
        format="json",
        headers={"Idempotency-Key": key, **headers},
    )


def test_the_same_key_answers_with_the_same_run(client, organization):
    workflow = published(approval_flow(), organization)

    first, again = keyed(client, workflow), keyed(client, workflow)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert (Run.objects.count(), Event.objects.count(), Entry.objects.count()) == (1, 1, 1)


def test_the_key_of_another_request_is_refused(client, organization):
    workflow = published(approval_flow(), organization)
    first = keyed(client, workflow)

    for response in (
        keyed(client, workflow, what="y"),
        keyed(client, published(approval_flow(), organization)),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert response.json()["detail"]["run"] == first.json()["id"]
    assert Run.objects.count() == 1


def test_another_organization_may_use_the_same_key(client, organization):
    keyed(client, published(approval_flow(), organization))
    elsewhere = OrganizationFactory()

    other = keyed(client_of(elsewhere, "builder"), published(approval_flow(), elsewhere))

    assert other.status_code == 201
    assert Run.objects.count() == 2


def test_a_key_that_is_too_long_is_refused(client, organization):
    response = keyed(client, published(approval_flow(), organization), key="k" * 121)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_key_start_one_run(organization):
    workflow = published(approval_flow(), organization)
    actor = actor_in(organization, "builder")
    barrier, found = threading.Barrier(4), []

    def start():
        try:
            barrier.wait(5)
            run = start_run(
                actor=actor,
                workflow_id=workflow.pk,
                inputs={"what": "x"},
                idempotency_key="order-7",
            )
            found.append(run.public_id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(found) == 4
    assert len(set(found)) == 1
    assert (Run.objects.count(), Event.objects.count()) == (1, 1)


# -- who may run what


def test_a_member_runs_what_is_published_but_no_draft(organization):
    client = client_of(organization, "member")
    draft = VersionFactory(workflow__organization=organization)
    live = published(approval_flow(), organization)
    newer = VersionFactory(workflow=live, number=2)

    refused = [
        client.post(runs_of(draft.workflow), {"inputs": {"what": "x"}}, format="json"),
        client.post(
            runs_of(live), {"inputs": {"what": "x"}, "version": str(newer.pk)}, format="json"
        ),
    ]

    assert [(r.status_code, r.json()["code"]) for r in refused] == [(409, "not_published")] * 2
    assert not Run.objects.exists()
    assert keyed(client, live).status_code == 201


def test_a_builder_runs_the_latest_draft(client, organization):
    draft = VersionFactory(workflow__organization=organization)

    response = keyed(client, draft.workflow)

    assert (response.status_code, response.json()["version"]) == (201, str(draft.pk))


@pytest.mark.parametrize(("right", "status"), [("view", 403), ("run", 201), ("edit", 201)])
def test_a_guest_runs_what_was_shared_for_running(organization, right, status):
    workflow, hidden = (published(approval_flow(), organization) for _ in range(2))
    user, _ = person_in(organization, "guest")
    grant(
        actor=actor_in(organization),
        obj=workflow,
        user_id=user.pk,
        right=right,
        verb="workflow.edit",
    )
    client = client_for(user)

    response = keyed(client, workflow)

    assert response.status_code == status
    assert Run.objects.count() == (status == 201)
    assert keyed(client, hidden, key="two").status_code == 404
    listed = client.get("/api/v1/workflows/").json()["results"]
    assert [row["id"] for row in listed] == [str(workflow.pk)]
    assert len(client.get("/api/v1/runs/").json()["results"]) == (status == 201)


def test_a_key_starts_runs_in_its_own_name(organization):
    workflow = published(approval_flow(), organization)
    token = key_in(organization, "workflow.run", "workflow.view")
    client = APIClient(headers={"Authorization": f"Bearer {token}"})

    response = keyed(client, workflow)

    run = Run.objects.get(public_id=response.json()["id"])
    assert run.started_by_id is None
    assert run.api_key_id is not None
