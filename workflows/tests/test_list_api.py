"""Lists over REST: pages, filters, odd questions, what they cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orgs.tests.factories import OrganizationFactory
from workflows.tests.factories import VersionFactory, approval_flow, make_runs, published
from workflows.tests.test_api import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


# -- lists


def test_runs_are_listed_newest_first_page_by_page(client, organization):
    made = make_runs(organization, 7)
    make_runs(OrganizationFactory(), 3)

    seen, address = [], "/api/v1/runs/?limit=3"
    while address:
        page = client.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]

    assert seen == [str(run.public_id) for run in reversed(made)]


def test_a_list_of_runs_can_be_narrowed(client, organization):
    wanted = published(approval_flow(), organization)
    make_runs(organization, 2, state="failed")
    (one,) = make_runs(organization, 1, wanted, state="succeeded")

    for query in (
        {"state": "succeeded"},
        {"workflow": str(wanted.pk)},
        {"trace_id": one.trace_id, "state": "succeeded"},
    ):
        rows = client.get("/api/v1/runs/", query).json()["results"]
        assert [row["id"] for row in rows] == [str(one.public_id)], query


@pytest.mark.parametrize(
    "query",
    [
        {"workflow": "x"},
        {"state": "a\x00b"},
        {"trace_id": "\x00"},
        {"cursor": "%%%"},
        {"limit": "x"},
    ],
)
def test_an_odd_filter_is_refused_or_finds_nothing(client, organization, query):
    make_runs(organization, 1)

    response = client.get("/api/v1/runs/", query)

    assert response.status_code in {200, 400, 404}


def test_an_odd_name_finds_no_workflow(client, organization):
    published(approval_flow(), organization)

    response = client.get("/api/v1/workflows/", {"name": "a\x00b"})

    assert response.status_code in {200, 400}


@pytest.mark.parametrize("address", ["/api/v1/runs/", "/api/v1/workflows/"])
def test_a_longer_list_takes_no_more_queries(client, organization, address):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert client.get(address).status_code == 200
        return len(found)

    make_runs(organization, 1)
    client.get("/api/v1/me/")  # the first request of a session notes where it is used
    few = queries()
    for _ in range(5):
        make_runs(organization, 3)

    assert queries() == few


def test_the_list_does_not_fetch_definitions(client, organization):
    make_runs(organization, 3)

    with CaptureQueriesContext(connection) as found:
        client.get("/api/v1/runs/")

    assert not any('"definition"' in query["sql"] for query in found)


def test_workflows_are_found_by_name(client, organization):
    wanted = VersionFactory(workflow__organization=organization, workflow__name="Refunds").workflow
    VersionFactory(workflow__organization=organization)

    rows = client.get("/api/v1/workflows/", {"name": "fund"}).json()["results"]

    assert [row["id"] for row in rows] == [str(wanted.pk)]


@pytest.mark.parametrize("pk", ["x", "0192f0c1-0000-7000-8000-000000000001", "%00"])
def test_an_id_that_is_none_is_not_found(client, pk):
    for address in (f"/api/v1/workflows/{pk}/", f"/api/v1/versions/{pk}/", f"/api/v1/runs/{pk}/"):
        assert client.get(address).status_code == 404
