"""Limits at the doors of the API: who is counted, what is told, and that it costs no query."""

from uuid import uuid4

import pytest
from django.test import Client

from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, key_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


def bearer(token):
    return Client(headers={"Authorization": f"Bearer {token}"})


def elsewhere():
    """An address that no other test has used up."""
    part = uuid4().hex
    return f"2001:db8::{part[:4]}:{part[4:8]}"


def test_a_key_is_told_what_is_left_and_then_to_wait(organization, settings):
    settings.API_RATE = 2
    client = bearer(key_in(organization, "org.view", "key.create"))

    answers = [client.get("/api/v1/organization/") for _ in range(2)]
    refused = client.post(
        "/api/v1/keys/", {"name": "n", "scopes": ["org.view"]}, content_type="application/json"
    )

    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["1", "0"]
    assert answers[0].headers["RateLimit-Limit"] == "2"
    assert answers[0].headers["RateLimit-Policy"] == "2;w=60"
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert ApiKey.objects.count() == 1


def test_each_key_and_person_has_a_limit_of_their_own(organization, settings):
    settings.API_RATE = 1
    one, other = (bearer(key_in(organization, "org.view")) for _ in range(2))
    person = Client()
    person.force_login(person_in(organization)[0])

    assert one.get("/api/v1/organization/").status_code == 200
    assert one.get("/api/v1/organization/").status_code == 429
    assert other.get("/api/v1/organization/").status_code == 200
    assert person.get("/api/v1/organization/").status_code == 200


@pytest.mark.parametrize("token", [None, "lw_aaaaaaaa_" + "x" * 43])
def test_strangers_and_guessers_are_counted_by_address(organization, settings, token):
    settings.API_RATE_ANONYMOUS = 2
    client = bearer(token) if token else Client()
    address = elsewhere()

    found = [client.get("/api/v1/me/", REMOTE_ADDR=address) for _ in range(3)]

    assert [each.status_code for each in found] == [401, 401, 429]
    assert found[2].json()["code"] == "rate_limited"
    assert client.get("/api/v1/me/", REMOTE_ADDR=elsewhere()).status_code == 401


def test_an_address_behind_a_proxy_is_the_one_it_passes_on(settings):
    settings.API_RATE_ANONYMOUS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1, 1
    client, proxy = Client(), elsewhere()

    def ask(address):
        return client.get(
            "/api/v1/me/", REMOTE_ADDR=proxy, headers={"X-Forwarded-For": f"1.1.1.1, {address}"}
        ).status_code

    one, other = elsewhere(), elsewhere()
    assert [ask(one), ask(one), ask(other)] == [401, 429, 401]


def test_one_address_counts_once_however_it_is_written(settings):
    settings.API_RATE_ANONYMOUS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1, 1
    client, address = Client(), elsewhere()

    def ask(written):
        return client.get("/api/v1/me/", headers={"X-Forwarded-For": written}).status_code

    assert ask(f"[{address}]:4711") == 401
    assert [ask(each) for each in (address, f"[{address}]:4712", address.upper())] == [429] * 3


def test_callers_whose_address_cannot_be_told_share_one_count(settings):
    settings.API_RATE_ANONYMOUS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1, 1
    client = Client()

    def ask(written):
        return client.get("/api/v1/me/", headers={"X-Forwarded-For": written}).status_code

    ask("unknown")
    assert [ask(each) for each in ("unknown", "_hidden", "another")] == [429] * 3


def test_the_stream_and_the_schema_are_counted_too(organization, settings):
    settings.API_RATE = settings.API_RATE_ANONYMOUS = 1
    client = bearer(key_in(organization, "run.view"))
    address = f"/api/v1/runs/{uuid4()}/stream/"

    assert [client.get(address).status_code for _ in range(2)] == [404, 429]
    assert "Retry-After" in client.get(address).headers
    stranger = elsewhere()
    found = [Client().get("/api/schema/", REMOTE_ADDR=stranger).status_code for _ in range(2)]
    assert found == [200, 429]


def test_counting_asks_the_database_nothing(organization, settings, django_assert_num_queries):
    client = bearer(key_in(organization, "org.view"))
    client.get("/api/v1/organization/")  # writes the key's last use

    with django_assert_num_queries(2):
        client.get("/api/v1/organization/")
    settings.API_RATE = 5
    with django_assert_num_queries(2):
        client.get("/api/v1/organization/")


def test_no_limit_is_no_header(organization):
    response = bearer(key_in(organization, "org.view")).get("/api/v1/organization/")

    assert "RateLimit-Limit" not in response.headers
