"""Guessing ends; whoever is guessed at still gets in."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.lockout import COOKIE
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import AUTH

pytestmark = pytest.mark.django_db
ATTACKER, HOME = "203.0.113.66", "198.51.100.5"


def at(address):
    return Client(REMOTE_ADDR=address)


def sign_in(client, user, password=PASSWORD):
    client.post("/accounts/login/", {"login": user.email, "password": password})
    return "_auth_user_id" in client.session


def guess(user, times, address=ATTACKER):
    for _ in range(times):
        assert not sign_in(at(address), user, "wrong")


def test_the_attacker_is_out_and_the_owner_gets_in_from_elsewhere():
    user = UserFactory()
    guess(user, 6)

    assert not sign_in(at(ATTACKER), user)
    assert sign_in(at(HOME), user)


def test_guesses_from_everywhere_leave_a_known_device_alone(settings):
    settings.SIGN_IN_LIMITS = settings.SIGN_IN_LIMITS | {"strangers": "8/h/key"}
    user, laptop = UserFactory(), at(HOME)
    assert sign_in(laptop, user)
    laptop.post("/accounts/logout/")
    for number in range(9):
        guess(user, 1, f"203.0.113.{number}")

    assert not sign_in(at("192.0.2.1"), user)
    assert sign_in(laptop, user)


def test_a_known_device_gets_in_from_the_attackers_own_network():
    user, laptop = UserFactory(), at(ATTACKER)
    assert sign_in(laptop, user)
    laptop.post("/accounts/logout/")
    guess(user, 12)

    assert sign_in(laptop, user)


def test_a_device_is_known_for_its_people_alone_and_is_limited_too(settings):
    user, other, laptop = UserFactory(), UserFactory(), at(HOME)
    sign_in(laptop, user)
    laptop.post("/accounts/logout/")
    for _ in range(6):
        sign_in(laptop, other, "wrong")
    assert not sign_in(laptop, other)
    for _ in range(11):
        sign_in(laptop, user, "wrong")
    assert not sign_in(laptop, user)


def test_a_forged_device_cookie_is_no_device():
    user, client = UserFactory(), at(ATTACKER)
    client.cookies[COOKIE] = "eyJpZCI6ICJ4In0:1abc:invented"
    for _ in range(6):
        sign_in(client, user, "wrong")

    assert not sign_in(client, user)


def test_somebody_signed_in_confirms_the_password_whatever_others_guess():
    user, laptop = UserFactory(), at(HOME)
    sign_in(laptop, user)
    laptop.cookies.pop(COOKIE)
    guess(user, 6, HOME)

    answer = laptop.post("/accounts/reauthenticate/", {"password": PASSWORD})

    assert answer.status_code == 302


def test_programs_are_limited_in_the_same_way():
    user = UserFactory()

    def login(password, address):
        sent = {"email": user.email, "password": password}
        client = at(address)
        return client.post(f"{AUTH}/auth/login", sent, content_type="application/json").status_code

    assert {login("wrong", ATTACKER) for _ in range(6)} == {400}
    assert login(PASSWORD, ATTACKER) == 400
    assert login(PASSWORD, HOME) == 200


def test_the_console_has_no_other_door():
    user = UserFactory(is_staff=True, is_superuser=True)
    guess(user, 6)
    client = at(ATTACKER)

    answer = client.post("/admin/login/", {"username": user.email, "password": PASSWORD})

    assert "/accounts/login/" in answer.url
    assert "_auth_user_id" not in client.session
    assert not sign_in(client, user)


def test_codes_of_a_second_factor_are_limited():
    user, client = UserFactory(), at(HOME)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    for _ in range(6):
        page = client.post("/accounts/2fa/authenticate/", {"code": "000000"})

    assert "Too many failed" in page.content.decode()
    assert "_auth_user_id" not in client.session


def test_mails_for_a_new_password_are_limited_per_address_and_say_nothing(mailoutbox):
    user = UserFactory()
    for number in range(8):
        page = at(f"203.0.113.{number}").post("/accounts/password/reset/", {"email": user.email})
    strange = at(HOME).post("/accounts/password/reset/", {"email": "nobody@example.com"})

    assert len([mail for mail in mailoutbox if user.email in mail.to]) == 5
    assert strange.status_code == 302
    assert page.status_code == 429


def test_who_resets_the_password_by_mail_is_no_stranger_any_more(mailoutbox, settings):
    settings.SIGN_IN_LIMITS = settings.SIGN_IN_LIMITS | {"strangers": "5/h/key"}
    user = UserFactory()
    for number in range(6):
        guess(user, 1, f"203.0.113.{number}")
    client = at(HOME)
    assert not sign_in(client, user)
    client.post("/accounts/password/reset/", {"email": user.email})
    link = next(word for word in mailoutbox[-1].body.split() if "/reset/key/" in word)
    page = client.get("/" + link.split("/", 3)[3], follow=True)
    new = {"password1": "a-brand-new-pass", "password2": "a-brand-new-pass"}
    client.post(page.request["PATH_INFO"], new)

    assert sign_in(client, user, "a-brand-new-pass")
