"""What only its owner should know: how it is made, how long it is, where it does not show."""

import math
import random
import re

import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.forms import SignupDetails
from accounts.models import User
from accounts.tests.factories import UserFactory
from orgs.tests.factories import OrganizationFactory, actor_in
from orgs.tests.test_invitations import invite

pytestmark = pytest.mark.django_db
MAKERS = {
    "totp seed": generate_totp_secret,
    "recovery seed": RecoveryCodes.generate_seed,
    "mailed code": lambda: get_adapter().generate_email_verification_code(),
    "reset code": lambda: get_adapter().generate_password_reset_code(),
}


@pytest.mark.parametrize("name", MAKERS)
def test_secrets_do_not_follow_a_generator_that_can_be_wound_back(name):
    """Drawn after the same seed, anything of `random` would repeat itself."""
    make, state = MAKERS[name], random.getstate()
    try:
        drawn = []
        for _ in range(50):
            random.seed(20260101)
            drawn.append(make())
    finally:
        random.setstate(state)

    assert len(set(drawn)) == 50


@pytest.mark.parametrize("name", MAKERS)
def test_secrets_have_twenty_bits_and_more(name):
    """By the characters that really occur; the seeds have to be longer still."""
    drawn = [MAKERS[name]().replace("-", "") for _ in range(400)]

    bits = min(len(one) for one in drawn) * math.log2(len(set("".join(drawn))))

    assert bits >= (128 if "seed" in name else 20)


def test_recovery_codes_have_twenty_bits_and_more():
    user = UserFactory()
    drawn = [code for _ in range(40) for code in _fresh_codes(user)]

    assert len(set(drawn)) > 0.99 * len(drawn)
    assert min(len(code) for code in drawn) * math.log2(len(set("".join(drawn)))) >= 20
    assert len({code[0] for code in drawn}) == 10


def _fresh_codes(user):
    made = RecoveryCodes.activate(user)
    codes = made.generate_codes()
    made.instance.delete()
    return codes


ASKED = re.compile(r"<(?:input|select|textarea)\b[^>]*\bname=\"([^\"]+)\"", re.IGNORECASE)
HARMLESS = {"csrfmiddlewaretoken", "next", "language", "remember", "credential"}


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("account_login", {"login", "password"}),
        ("account_signup", {"name", "organization", "email", "password1", "password2"}),
        ("account_reset_password", {"email"}),
    ],
)
def test_nobody_is_asked_for_a_hint_or_a_secret_question(client, page, fields):
    """The pages ask for this and nothing else, and there is no place to keep an answer."""
    asked = set(ASKED.findall(client.get(reverse(page)).content.decode()))

    assert asked - HARMLESS == fields
    assert set(SignupDetails().fields) == {"name", "organization"}
    columns = {field.name for field in User._meta.get_fields()}
    assert not {name for name in columns if re.search(r"hint|question|answer|secret", name)}


def test_a_new_password_is_chosen_by_the_link_alone(client):
    user = UserFactory()
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[0].body)[1]

    page = client.get(link, follow=True)

    asked = set(ASKED.findall(page.content.decode()))
    assert asked - HARMLESS == {"password1", "password2"}


# -- links that hold a secret


def check_clean(first, page, secret):
    """The link leads on at once, and neither address nor page nor cache nor referrer keeps it."""
    assert first.status_code == 302
    assert secret not in first.url
    assert secret not in page.request["PATH_INFO"] + page.request["QUERY_STRING"]
    assert secret not in page.content.decode()
    for answer in (first, page):
        assert answer.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
        assert "no-store" in answer.headers["Cache-Control"]


def test_the_secret_of_a_reset_leaves_the_address_at_once(client):
    user = UserFactory()
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[0].body)[1]
    secret = re.search(r"reset/key/[^-]+-([^/]+)/", link)[1]

    check_clean(client.get(link), client.get(link, follow=True), secret)


def test_the_secret_of_a_reset_works_once(client):
    user = UserFactory()
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[0].body)[1]
    page = client.get(link, follow=True)
    new = {"password1": "a-brand-new-pass", "password2": "a-brand-new-pass"}
    client.post(page.request["PATH_INFO"], new)

    other = Client()
    again = other.get(link, follow=True)
    newer = {"password1": "an-even-newer-pass", "password2": "an-even-newer-pass"}
    other.post(again.request["PATH_INFO"], newer)

    user.refresh_from_db()
    assert user.check_password("a-brand-new-pass")


def test_the_secret_of_an_invitation_leaves_the_address_at_once(client):
    _, path = invite(actor_in(OrganizationFactory()))
    secret = path.strip("/").rpartition("/")[2]

    check_clean(client.get(path), client.get(path, follow=True), secret)
