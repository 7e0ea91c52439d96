"""Addresses are proven, changed with proof of the new and word to the old, and tell nothing."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail

from accounts.letters import deliver_due
from accounts.models import SecurityEvent, User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import AUTH, Program, mails_to

pytestmark = pytest.mark.django_db
FORM = {"name": "Mei Lin", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture(autouse=True)
def mandatory(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True


@pytest.fixture
def person():
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def code_in(message):
    return re.search(r"^([A-Z0-9-]{6,9})$", message.body, re.MULTILINE)[1]


def test_a_new_address_is_proven_before_it_counts_and_the_old_one_is_told(client, person):
    old, new = person.email, "new@example.com"
    client.post("/accounts/login/", {"login": old, "password": PASSWORD})
    asked = client.post("/accounts/email/", {"action_add": "", "email": new})
    assert "reauthenticate" in asked.url
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.post("/accounts/email/", {"action_add": "", "email": new})
    assert not EmailAddress.objects.filter(email=new).exists()

    client.post(page.url, {"code": code_in(mail.outbox[-1])})
    client.post("/accounts/email/", {"action_primary": "", "email": new})

    person.refresh_from_db()
    assert person.email == new
    assert EmailAddress.objects.get(user=person, primary=True).email == new
    deliver_due()
    assert [each.to for each in mail.outbox if "hanged" in each.subject] == [[old]]
    kinds = set(SecurityEvent.objects.of_user(person.pk).values_list("kind", flat=True))
    assert {"email_confirmed", "email_changed"} <= kinds


def test_a_wrong_code_proves_nothing_and_three_end_it(client):
    client.post("/accounts/signup/", FORM | {"email": "mei@example.com"})
    for _ in range(3):
        client.post("/accounts/confirm-email/", {"code": "AAAAAA"})

    client.post("/accounts/confirm-email/", {"code": code_in(mail.outbox[0])})

    assert "_auth_user_id" not in client.session
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_signing_up_under_a_known_address_looks_the_same_and_changes_nothing(client, person):
    fresh = client.post("/accounts/signup/", FORM | {"email": "fresh@example.com"})
    client.cookies.clear()
    known = client.post("/accounts/signup/", FORM | {"email": person.email})

    assert (fresh.status_code, fresh.url) == (known.status_code, known.url)
    assert User.objects.filter(email=person.email).count() == 1
    assert "_auth_user_id" not in client.session
    assert any("already" in each.subject.lower() for each in mails_to(person))


@pytest.mark.parametrize("door", ["page", "api"])
def test_signing_in_tells_no_known_address_from_an_unknown_one(client, person, door):
    def answer(email):
        sent = {"password": "wrong-password"}
        if door == "page":
            page = client.post("/accounts/login/", sent | {"login": email})
            text = page.content.decode().replace(email, "")
            return page.status_code, re.search(r'role="alert">(.*?)<', text)[1]
        said = Program(person).client().post(f"{AUTH}/auth/login", sent | {"email": email})
        return said.status_code, said.json()["errors"]

    assert answer(person.email) == answer("nobody@example.com")
    failed = SecurityEvent.objects.filter(kind="sign_in_failed").order_by("pk")
    assert [row.user_id for row in failed] == [person.pk, None]


def test_the_headless_api_describes_itself(client):
    document = client.get("/api/v1/auth/openapi.json").json()

    assert "/api/v1/auth/app/v1/tokens/refresh" in str(document) or "tokens/refresh" in str(
        document
    )
