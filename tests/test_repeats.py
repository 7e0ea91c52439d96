"""What is meant to be said once and comes twice is refused, whichever door it comes through."""

import json

import pytest
from django.test import Client

from accounts.tests.factories import UserFactory
from core.documented import operations
from orgs.actions import create_team
from orgs.models import ApiKey, Invitation, Project
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from tests.worlds import make_world

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "b0undary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    user, _ = person_in(organization, "owner")
    client = Client()
    client.force_login(user)
    return client


def refused(response, *names):
    assert response.status_code == 400, response.content[:300]
    body = response.json()
    assert (body["code"], body["detail"]) == ("repeated_parameter", {"repeated": list(names)})


def parts(*fields):
    body = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    return f"{body}--{BOUNDARY}--\r\n".encode()


def test_every_documented_parameter_that_is_no_list(client):
    world = make_world("ALPHA-A")
    client.force_login(world.people["owner"])
    wrong, asked = {}, 0
    for (address, method), taken in operations().items():
        names = sorted(taken.query - taken.lists)
        if "{" in address or method != "GET" or not names:
            continue
        for name in names:
            asked += 1
            answer = client.get(f"{address}?{name}=1&{name}=2")
            if (answer.status_code, answer.json().get("code")) != (400, "repeated_parameter"):
                wrong[address, name] = answer.status_code

    assert wrong == {}
    assert asked > 30


def test_a_list_of_the_query_may_hold_several(client):
    trace = "0af7651916cd43dd8448eb211c80319c"

    answer = client.get(f"/api/v1/trace/{trace}/?kind=run&kind=event")

    assert answer.status_code in {200, 404}
    refused(client.get(f"/api/v1/trace/{trace}/?kind=run&limit=1&limit=2"), "limit")


def test_a_key_of_json_at_any_depth(client):
    for body in (
        b'{"name": "a", "name": "b", "scopes": ["run.view"]}',
        b'{"name": "a", "scopes": ["run.view"], "x": [{"name": 1, "name": 2}]}',
        b'{"name": "a", "n\\u0061me": "b", "scopes": ["run.view"]}',
    ):
        answer = client.generic("POST", "/api/v1/keys/", body, content_type="application/json")
        refused(answer, "name")
    assert not ApiKey.objects.exists()


def test_json_that_repeats_nothing_is_read(client):
    body = json.dumps({"name": "a", "scopes": ["run.view", "run.view"]})

    answer = client.generic("POST", "/api/v1/keys/", body, content_type="application/json")

    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"name=a&name=b&scopes=run.view", FORM),
        (parts(("name", "a"), ("name", "b"), ("scopes", "run.view")), MULTIPART),
    ],
)
@pytest.mark.parametrize("checked", [True, False])
def test_a_field_of_a_form(organization, body, kind, checked):
    """`checked`: the form is read for its CSRF token before DRF reads it."""
    user, _ = person_in(organization, "owner")
    client = Client(enforce_csrf_checks=checked)
    client.force_login(user)
    client.get("/keys/new/")
    token = client.cookies["loomwork_csrf"].value

    answer = client.generic(
        "POST", "/api/v1/keys/", body, content_type=kind, headers={"X-CSRFToken": token}
    )

    refused(answer, "name")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"name=a&scopes=run.view&scopes=model.view", FORM),
        (parts(("name", "a"), ("scopes", "run.view"), ("scopes", "model.view")), MULTIPART),
    ],
)
def test_a_list_of_a_form_may_hold_several(client, body, kind):
    answer = client.generic("POST", "/api/v1/keys/", body, content_type=kind)

    assert answer.status_code == 201, answer.content
    assert set(ApiKey.objects.get().scopes) == {"run.view", "model.view"}


def test_whoever_may_not_is_told_that_first(organization):
    user, _ = person_in(organization, "member")
    client = Client()
    client.force_login(user)

    answer = client.generic("POST", "/api/v1/projects/", b"name=a&name=b", content_type=FORM)

    assert answer.json()["code"] == "permission_denied"


def test_a_program_that_signs_in(client):
    UserFactory(email="ada@example.test")
    sign_in = "/api/v1/auth/app/v1/auth/login"
    body = b'{"email": "ada@example.test", "email": "bob@example.test", "password": "x"}'

    for kind in ("application/json", "text/plain"):
        refused(Client().generic("POST", sign_in, body, content_type=kind), "email")
    refused(Client().post(f"{sign_in}?a=1&a=2", {}, content_type="application/json"), "a")
    form = parts(("email", "ada@example.test"))
    assert Client().generic("POST", sign_in, form, content_type=MULTIPART).status_code == 400
    malformed = Client().generic("POST", sign_in, b"{", content_type="application/json")
    assert malformed.status_code == 400


def test_a_page(client):
    before = Project.objects.count()

    for answer in (
        client.get("/keys/?state=active&state=revoked"),
        client.get("/audit/?q=a&q=b"),
        client.generic("POST", "/organization/projects/", b"name=a&name=b", content_type=FORM),
        client.generic("POST", "/accounts/login/", b"login=a&login=b", content_type=FORM),
    ):
        assert answer.status_code == 400
        assert b"<html" in answer.content
    assert Project.objects.count() == before


def test_pages_with_several_choices_take_them(client, organization):
    owner = actor_in(organization, "owner")
    teams = [create_team(actor=owner, name=name, description="").pk for name in ("A", "B")]

    answer = client.post(
        "/organization/invitations/",
        {"email": "new@example.test", "role": "member", "teams": teams},
    )

    assert answer.status_code == 302, answer.content
    assert len(Invitation.objects.get().teams) == 2
    scopes = {"name": "k", "scopes": ["run.view", "model.view"], "lifetime": "90"}
    client.post("/keys/new/", scopes)
    assert set(ApiKey.objects.get().scopes) == {"run.view", "model.view"}
    assert client.get("/trace/?id=x&kind=run&kind=event").status_code == 200
