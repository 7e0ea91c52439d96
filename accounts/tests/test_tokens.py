"""Access and refresh tokens for programs that sign in as a person."""

import pytest
from rest_framework.test import APIClient

from accounts.tests.factories import PASSWORD
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = pytest.mark.django_db
AUTH = "/api/v1/auth/app/v1"


def sign_in(client, user, password=PASSWORD):
    return client.post(f"{AUTH}/auth/login", {"email": user.email, "password": password})


@pytest.fixture
def person():
    return person_in(OrganizationFactory(), "builder")[0]


def bearer(token):
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def test_an_access_token_opens_the_api_with_the_persons_role(person):
    meta = sign_in(APIClient(), person).json()["meta"]

    answer = bearer(meta["access_token"]).get("/api/v1/me/")

    assert answer.status_code == 200
    assert (answer.json()["email"], answer.json()["role"]) == (person.email, "builder")


def test_a_wrong_password_gives_no_token(person):
    answer = sign_in(APIClient(), person, "wrong-password-here")

    assert answer.status_code == 400
    assert "access_token" not in answer.content.decode()


def test_a_disabled_person_is_out_at_once(person):
    token = sign_in(APIClient(), person).json()["meta"]["access_token"]
    person.is_active = False
    person.save()

    assert bearer(token).get("/api/v1/me/").status_code == 401


def test_cors_opens_the_api_to_named_origins_only(settings, person):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    client = APIClient()

    good = client.options(
        "/api/v1/me/",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"},
    )
    bad = client.options(
        "/api/v1/me/",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"},
    )

    assert good.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in bad.headers
