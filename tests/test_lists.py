"""Lists: pages by key in every declared order, filters that are named, and nothing else."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from core.documented import query_names
from llm.models import Model, Provider
from llm.tests.factories import ModelFactory, ProviderFactory
from orgs.tests.factories import MembershipFactory, OrganizationFactory, person_in
from tests.doors import DOORS
from tests.fuzz.place import door_of
from tests.worlds import make_world

pytestmark = pytest.mark.django_db
NAMES = ["b", "a", "d", "c", "e"]


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    client = Client(raise_request_exception=False)
    client.force_login(person_in(organization)[0])
    return client


@pytest.fixture
def models(organization):
    provider = ProviderFactory(organization=organization)
    return [ModelFactory(provider=provider, name=name) for name in NAMES]


def walked(client, address, **query):
    """Names in the order the pages give them, and the addresses of the pages."""
    found, pages = [], []
    answer = client.get(address, {"limit": 2} | query).json()
    while True:
        found += [row["name"] for row in answer["results"]]
        pages.append(answer)
        if answer["next"] is None:
            return found, pages
        answer = client.get(answer["next"]).json()


ORDERS = [
    ("", NAMES[::-1]),
    ("created_at", NAMES),
    ("-created_at", NAMES[::-1]),
    ("name", sorted(NAMES)),
    ("-name", sorted(NAMES)[::-1]),
]


@pytest.mark.parametrize(("ordering", "expected"), ORDERS)
def test_pages_hold_every_row_once_in_the_order_asked(client, models, ordering, expected):
    client.get("/api/v1/models/")  # makes the built-in model
    Model.objects.filter(provider__kind="offline").delete()
    query = {"ordering": ordering} if ordering else {}
    given = [name for name in walked(client, "/api/v1/models/", **query)[0] if name in NAMES]

    assert given == expected


@pytest.mark.parametrize("ordering", ["", "name", "-name"])
def test_one_can_turn_back(client, models, ordering):
    query = {"ordering": ordering} if ordering else {}
    _, pages = walked(client, "/api/v1/models/", **query)

    assert pages[0]["previous"] is None
    back = client.get(pages[-1]["previous"]).json()
    assert back["results"] == pages[-2]["results"]
    first = client.get(back["previous"]).json()
    assert first["results"] == pages[-3]["results"]
    assert client.get(first["next"]).json()["results"] == pages[-2]["results"]


def test_rows_of_one_value_are_told_apart_by_their_id(client, organization):
    for _ in range(7):
        MembershipFactory(organization=organization)
    seen, address = [], "/api/v1/members/?limit=3&ordering=created_at"
    while address:
        answer = client.get(address).json()
        seen += [row["id"] for row in answer["results"]]
        address = answer["next"]

    assert len(seen) == len(set(seen)) == 8


def test_rows_that_come_and_go_move_no_others(client, models):
    first = client.get("/api/v1/models/?limit=2&ordering=name").json()
    ModelFactory(provider=models[0].provider, name="0")
    Model.objects.filter(name=first["results"][1]["name"]).delete()

    second = client.get(first["next"]).json()

    names = [row["name"] for row in first["results"] + second["results"]]
    assert names == sorted(set(names))
    assert "0" not in names


def cursor_of(address):
    return parse_qs(urlsplit(address).query)["cursor"][0]


def refused(response, code, status=400):
    assert (response.status_code, response.json()["code"]) == (status, code), response.content


def test_a_cursor_holds_for_its_list_order_and_filters_alone(client, models):
    cursor = cursor_of(client.get("/api/v1/models/?limit=2&ordering=name").json()["next"])

    for address in (
        f"/api/v1/models/?cursor={cursor}",
        f"/api/v1/models/?ordering=-name&cursor={cursor}",
        f"/api/v1/providers/?ordering=name&cursor={cursor}",
    ):
        refused(client.get(address), "invalid_cursor")
    assert client.get(f"/api/v1/models/?ordering=name&limit=1&cursor={cursor}").status_code == 200


def test_a_cursor_of_other_filters_is_refused(client, organization):
    world = make_world("ALPHA-A")
    client.force_login(world.people["owner"])
    page = client.get("/api/v1/tasks/?limit=1").json()
    cursor = cursor_of(page["next"])

    refused(client.get(f"/api/v1/tasks/?status=open&cursor={cursor}"), "invalid_cursor")


@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_cursor_that_was_altered_is_refused(client, models, at):
    cursor = cursor_of(client.get("/api/v1/models/?limit=2").json()["next"])
    changed = list(cursor)
    changed[at] = "A" if changed[at] != "A" else "B"

    refused(client.get("/api/v1/models/", {"cursor": "".join(changed)}), "invalid_cursor")
    refused(
        client.get("/api/v1/models/", {"cursor": base64.b64encode(b"p=1").decode()}),
        "invalid_cursor",
    )


@pytest.mark.parametrize("ordering", ["password", "provider__name", "-pk", "name,-pk", "\x00"])
def test_an_order_nobody_declared_is_refused(client, ordering):
    refused(client.get("/api/v1/models/", {"ordering": ordering}), "unknown_ordering")


def lists():
    return sorted(path for (path, method), names in query_names().items() if "cursor" in names)


def test_every_list_answers_in_each_order_it_declares(client):
    world = make_world("ALPHA-A")
    client.force_login(world.people["owner"])
    for address in lists():
        door = door_of("GET", address)
        row = getattr(world.rows, door.target, None)
        path = address.replace("{}", str(getattr(row, "pk", world.trace_id)))
        assert client.get(path, {"limit": 1}).status_code == 200, path
        if "ordering" not in query_names()[address, "GET"]:
            continue
        known = client.get(path, {"ordering": "x"}).json()["detail"]["known"]
        for name in known:
            for sign in ("", "-"):
                answer = client.get(path, {"ordering": sign + name, "limit": 1})
                assert answer.status_code == 200
                if answer.json()["next"]:
                    assert client.get(answer.json()["next"]).status_code == 200


def test_a_parameter_nobody_documents_is_refused_everywhere(client):
    world = make_world("ALPHA-A")
    client.force_login(world.people["owner"])
    wrong = {}
    for name, door in DOORS.items():
        method, address = name.split(" ")
        if not address.startswith("/api/v1/") or method == "DELETE":
            continue
        row = getattr(world.rows, door.target, None)
        pk = str(getattr(row, "public_id", None) or getattr(row, "pk", ""))
        path = address.replace("<pk>", pk).replace("<trace_id>", world.trace_id)
        response = client.generic(
            method, f"{path}?surprise=1", b"{}", content_type="application/json"
        )
        if (response.status_code, response.json().get("code")) != (400, "unknown_parameter"):
            wrong[name] = response.status_code

    assert wrong == {}


def test_the_refusal_names_what_is_known(client):
    answer = client.get("/api/v1/models/?limit=1&nmae=x")

    refused(answer, "unknown_parameter")
    assert answer.json()["detail"] == {
        "unknown": ["nmae"],
        "known": ["cursor", "limit", "ordering"],
    }


def test_a_page_deep_down_costs_what_the_first_does(
    client, organization, django_assert_max_num_queries
):
    for number in range(30):
        Provider.objects.create(
            organization=organization, name=f"{number:03}", base_url="http://127.0.0.1:9/v1"
        )
    address = "/api/v1/providers/?limit=5&ordering=name"
    client.get(address)  # makes the built-in model
    while address:
        with django_assert_max_num_queries(8):
            address = client.get(address).json()["next"]
