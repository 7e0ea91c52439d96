"""However a REST request goes wrong, the answer has one shape and is no 500."""

import base64

import pytest
from django.test import Client

from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db

LISTS = ("members", "keys", "audit", "tasks", "files", "workflows", "runs", "models", "providers")
SHAPE = {"code", "message", "detail", "trace_id"}


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    user, _ = person_in(organization, "owner")
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def refused(response, status, code):
    assert response.headers["Content-Type"].startswith("application/json"), response.content[:200]
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == SHAPE


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("address", ["/api/nowhere", "/api/v1/nowhere/", "/api/v1/tasks/abc/"])
def test_an_unknown_address(client, method, address):
    refused(getattr(client, method)(address), 404, "not_found")


def test_an_unknown_page_stays_a_page(client):
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert b"<html" in response.content


def test_a_method_that_is_not_offered(client):
    refused(client.delete("/api/v1/me/"), 405, "method_not_allowed")


def test_a_type_nobody_reads(client):
    response = client.generic("POST", "/api/v1/keys/", b"<x/>", content_type="application/xml")

    refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000, b'{"name":' * 100_000]
)
def test_a_body_that_is_no_json(client, body):
    response = client.generic("POST", "/api/v1/keys/", body, content_type="application/json")

    refused(response, 400, "malformed_body")


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"null", b'{"name": {"a": 1}}'])
def test_json_of_another_form(client, body):
    response = client.generic("POST", "/api/v1/keys/", body, content_type="application/json")

    refused(response, 400, "invalid_input")


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800"])
def test_text_no_database_keeps(client, text):
    body = f'{{"name": "{text}", "scopes": ["run.view"]}}'

    response = client.generic("POST", "/api/v1/keys/", body, content_type="application/json")

    refused(response, 400, "invalid_input")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"],
)
def test_a_body_beyond_the_limit_is_not_read(client, settings, kind):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.MAX_UPLOAD_SIZE = 1000

    response = client.generic("POST", "/api/v1/keys/", b"x" * 1001, content_type=kind)

    refused(response, 413, "request_too_large")


def test_a_page_says_too_large_as_a_page(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    response = client.generic(
        "POST", "/keys/new/", b"x" * 1001, content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code == 413
    assert b"<html" in response.content


def test_more_fields_than_anybody_needs(client):
    body = "&".join(["scopes=run.view"] * 2000)

    response = client.generic(
        "POST", "/api/v1/keys/", body, content_type="application/x-www-form-urlencoded"
    )

    refused(response, 400, "bad_request")


def test_a_foreign_host(client, settings):
    settings.ALLOWED_HOSTS = ["loomwork.example"]

    refused(client.get("/api/v1/me/", headers={"Host": "evil.example"}), 400, "bad_request")


def test_a_session_without_its_csrf_token(organization):
    user, _ = person_in(organization, "owner")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    refused(client.post("/api/v1/keys/", {}), 403, "permission_denied")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "position", [b"p=abc", b"p=%00", b"p=" + b"9" * 40, b"o=" + b"9" * 40, b"\xff", "p=你".encode()]
)
def test_an_invented_cursor(client, name, position):
    cursor = base64.b64encode(position).decode()

    response = client.get(f"/api/v1/{name}/", {"cursor": cursor})

    refused(response, 400, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "9" * 40, "٣"])
def test_an_odd_limit_gives_an_ordinary_page(client, limit):
    response = client.get("/api/v1/members/", {"limit": limit})

    assert response.status_code == 200
    assert len(response.json()["results"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "audit/?actor_id=abc", "audit/?target_id=%00", "tasks/?subject_id=%00", "tasks/?status=x",
        "files/?kind=%00",
    ],
)  # fmt: skip
def test_a_filter_that_fits_nothing(client, query):
    refused(client.get(f"/api/v1/{query}"), 400, "invalid_input")


def test_a_key_does_not_act_where_its_caller_did_not_mean_to(organization):
    token, other = key_in(organization, "org.view"), OrganizationFactory()
    key = Client(headers={"Authorization": f"Bearer {token}"})

    named = key.get("/api/v1/organization/", headers={"X-Organization": str(organization.pk)})
    foreign = key.get("/api/v1/organization/", headers={"X-Organization": str(other.pk)})

    assert named.json()["id"] == str(organization.pk)
    refused(foreign, 403, "no_organization")


def test_the_documentation_page_lives_with_the_content_policy(client):
    page = client.get("/api/docs/")

    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"<script>" not in page.content
    assert client.get("/api/docs/?script=").headers["Content-Type"] == "application/javascript"
