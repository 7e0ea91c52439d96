"""How runs queue and how often nodes work, as people and programs say it."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from audit.models import Entry
from core.errors import InvalidInput
from orgs.models import Role
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.actions import set_run_policy
from workflows.models import NodeRateLimit, Run, RunPolicy
from workflows.tests.factories import approval_flow, published

pytestmark = pytest.mark.django_db
LIMIT = {"scope": "connector", "name": "API.example.com", "limit": 60, "per_seconds": 30}
NOTHING = {
    "run_timeout_seconds": None, "max_concurrent": None, "concurrency_key": "",
    "on_conflict": "queue", "priority": 0,
}  # fmt: skip
POLICY = {
    "run_timeout_seconds": 60, "max_concurrent": 2, "concurrency_key": "{{ inputs.what }}",
    "on_conflict": "skip", "priority": 3,
}  # fmt: skip


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def workflow(organization):
    return published(approval_flow(), organization)


def api(organization, role=Role.OWNER):
    """A session that speaks both ways: `format="json"` for the API, forms for pages."""
    client = APIClient()
    client.force_login(person_in(organization, role)[0])
    return client


def test_a_policy_is_read_replaced_and_told(organization, workflow):
    client, address = api(organization), f"/api/v1/workflows/{workflow.pk}/run-policy/"
    assert client.get(address).json() == NOTHING
    assert not RunPolicy.objects.exists()

    assert client.put(address, POLICY, format="json").json() == POLICY
    client.put(address, POLICY, format="json")
    assert client.get(address).json() == POLICY
    assert client.put(address, {"priority": 1}, format="json").json() == NOTHING | {"priority": 1}
    told = Entry.objects.filter(action="workflows.workflow.run_policy_changed").order_by("pk")
    assert [(entry.before["priority"], entry.after["priority"]) for entry in told] == [
        (0, 3),
        (3, 1),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_timeout_seconds": 0}, {"run_timeout_seconds": 31_536_001}, {"max_concurrent": 0},
        {"max_concurrent": 1001}, {"priority": 11}, {"priority": -11}, {"on_conflict": "hope"},
        {"concurrency_key": "{{ env.secret }}"}, {"concurrency_key": "{{ inputs.a"},
        {"concurrency_key": "{{ inputs.a.__class__() }}"}, {"concurrency_key": "x" * 501},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_either_door(organization, workflow, wrong):
    client, address = api(organization), f"/api/v1/workflows/{workflow.pk}/run-policy/"
    assert client.put(address, wrong, format="json").status_code == 400
    with pytest.raises(InvalidInput):
        set_run_policy(
            actor=actor_in(organization, "builder"), workflow_id=workflow.pk, **NOTHING | wrong
        )
    page = client.post(
        reverse("workflow_run_policy", args=[workflow.pk]),
        {name: value for name, value in (NOTHING | wrong).items() if value is not None},
        format="multipart",
        follow=True,
    )
    assert page.status_code == 200
    assert not RunPolicy.objects.exists()


def test_a_run_starts_with_key_priority_and_deadline_or_is_refused(organization, workflow):
    client = api(organization)
    client.put(f"/api/v1/workflows/{workflow.pk}/run-policy/", POLICY, format="json")
    address = f"/api/v1/workflows/{workflow.pk}/runs/"
    body = {"inputs": {"what": "acme"}}

    first = client.post(address, body, format="json").json()
    assert (first["state"], first["priority"], first["concurrency_key"]) == ("queued", 3, "acme")
    assert first["deadline_at"]
    second = client.post(address, body | {"priority": -2}, format="json").json()
    assert second["priority"] == -2
    refused = client.post(address, body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "concurrency_conflict")
    assert refused.json()["detail"]["key"] == "acme"
    assert client.post(address, body | {"priority": 99}, format="json").status_code == 400
    assert Run.objects.count() == 2


def test_limits_are_made_changed_and_deleted_and_told(organization):
    client = api(organization)
    made = client.post("/api/v1/rate-limits/", LIMIT, format="json")
    assert made.status_code == 201
    row = made.json()
    assert (row["name"], row["burst"]) == ("api.example.com", 60)
    again = client.post("/api/v1/rate-limits/", LIMIT, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "limit_taken")

    address = f"/api/v1/rate-limits/{row['id']}/"
    assert client.patch(address, {"limit": 5}, format="json").json()["limit"] == 5
    assert client.patch(address, {"per_seconds": 0}, format="json").status_code == 400
    assert client.get(address).json()["per_seconds"] == 30
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    told = Entry.objects.filter(action__startswith="workflows.rate_limit.").order_by("pk")
    assert [entry.action.rpartition(".")[2] for entry in told] == ["created", "changed", "deleted"]


def test_who_only_runs_workflows_sees_limits_and_changes_none(organization):
    api(organization).post("/api/v1/rate-limits/", LIMIT, format="json")
    client = api(organization, Role.BUILDER)

    assert len(client.get("/api/v1/rate-limits/").json()["results"]) == 1
    assert client.post("/api/v1/rate-limits/", LIMIT, format="json").status_code == 403
    assert client.post(reverse("rate_limits"), LIMIT, format="multipart").status_code == 403
    assert "api.example.com" in client.get(reverse("rate_limits")).content.decode()


def test_pages_set_limits_and_policies(organization, workflow):
    client = api(organization)
    client.post(reverse("rate_limits"), LIMIT, format="multipart")
    row = NodeRateLimit.objects.get()
    client.post(
        reverse("rate_limit", args=[row.pk]), LIMIT | {"limit": 7, "burst": 2}, format="multipart"
    )
    row.refresh_from_db()
    assert (row.limit, row.burst) == (7, 2)
    assert (
        "There is a limit"
        in client.post(reverse("rate_limits"), LIMIT, format="multipart").content.decode()
    )
    client.post(reverse("rate_limit_delete", args=[row.pk]))
    assert not NodeRateLimit.objects.exists()

    client.post(reverse("workflow_run_policy", args=[workflow.pk]), POLICY, format="multipart")
    assert RunPolicy.objects.get().concurrency_key == "{{ inputs.what }}"
    page = client.get(reverse("workflow", args=[workflow.pk])).content.decode()
    assert "{{ inputs.what }}" in page


def test_a_list_costs_the_same_however_long(organization, django_assert_max_num_queries):
    NodeRateLimit.objects.bulk_create(
        NodeRateLimit(
            organization=organization, scope="kind", name=f"k{n}", limit=1, per_seconds=1, burst=1
        )
        for n in range(60)
    )
    client = api(organization)
    with django_assert_max_num_queries(10):
        assert len(client.get("/api/v1/rate-limits/?limit=50").json()["results"]) == 50
    with django_assert_max_num_queries(16):
        page = client.get(reverse("rate_limits"))
    assert page.content.decode().count("k5") >= 1
