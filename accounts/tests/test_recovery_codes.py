"""Recovery codes are shown once, and the database holds hashes of them alone from then on."""

import html
import io
import json
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.auth.hashers import identify_hasher
from django.core.management import call_command
from django.test import Client
from django.utils.timezone import now

from accounts.adapter import FactorAdapter
from accounts.recovery import HashedCode, hash_left_codes
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import AUTH, Program
from accounts.tests.test_factors import add_totp

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
PAGE = "/accounts/2fa/recovery-codes/"


@pytest.fixture
def person():
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def page(person):
    browser = Client()
    browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    add_totp(person)
    return browser


def codes_in(answer):
    return re.findall(r"(?<!\d)\d{8}(?!\d)", html.unescape(answer.content.decode()))


def stored(person):
    return Authenticator.objects.get(user=person, type="recovery_codes").data


def enters(person, code):
    """Whether somebody with the password gets in by this code."""
    browser = Client()
    browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    browser.post("/accounts/2fa/authenticate/", {"code": code})
    return "_auth_user_id" in browser.session


def test_a_page_shows_them_once_and_then_nobody_can(page, person, settings):
    from config.settings import base  # noqa: PLC0415 - the suite itself hashes quickly

    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS[:1]
    page.post(f"{PAGE}generate/")

    first = codes_in(page.get(PAGE))
    again = page.get(PAGE)
    download = page.get(f"{PAGE}download/")

    assert len(set(first)) == 10
    assert (again.status_code, codes_in(again), download.status_code) == (200, [], 403)
    assert stored(person).keys() == {"migrated_codes", "viewed_at"}
    hashes = [text.removeprefix("hash:") for text in stored(person)["migrated_codes"]]
    assert {identify_hasher(each).algorithm for each in hashes} == {"argon2"}
    assert len({each.split("$")[4] for each in hashes}) == 10  # a salt each
    assert not any(code in json.dumps(stored(person)) for code in first)


def test_each_still_opens_the_door_once(page, person):
    page.post(f"{PAGE}generate/")
    codes = codes_in(page.get(PAGE))

    assert enters(person, codes[3])
    assert not enters(person, codes[3])
    assert enters(person, f" {codes[7][:4]}-{codes[7][4:]} ")
    assert len(stored(person)["migrated_codes"]) == 8


@pytest.mark.parametrize("code", ["", "•" * 8, "00000000", "123456", "hash:x", "٠١٢٣٤٥٦٧"])
def test_what_is_no_code_opens_nothing(page, person, code):
    page.post(f"{PAGE}generate/")
    page.get(PAGE)

    assert not enters(person, code)
    assert len(stored(person)["migrated_codes"]) == 10


def test_the_stored_hash_is_no_code(page, person):
    page.post(f"{PAGE}generate/")
    page.get(PAGE)

    assert not enters(person, stored(person)["migrated_codes"][0])


def test_a_program_is_shown_them_once(person):
    program = Program(person)
    program.reauthenticate()
    add_totp(person)
    path = f"{AUTH}/account/authenticators/recovery-codes"

    made = program.api().post(path).json()["data"]
    again = program.api().get(path).json()["data"]
    listed = program.api().get(f"{AUTH}/account/authenticators").json()["data"]

    assert len(made["unused_codes"]) == 10
    assert "unused_codes" not in again
    assert again["unused_code_count"] == 10
    assert "seed" not in stored(person)
    assert [row["type"] for row in listed] == ["totp", "recovery_codes"]
    assert enters(person, made["unused_codes"][0])


def test_used_codes_are_not_hashed_anew(page, person):
    page.post(f"{PAGE}generate/")
    row = Authenticator.objects.get(user=person, type="recovery_codes")
    used = RecoveryCodes(row).generate_codes()[0]
    assert enters(person, used)

    codes = codes_in(page.get(PAGE))

    assert used not in codes
    assert len(stored(person)["migrated_codes"]) == 9
    assert not enters(person, used)


def test_those_nobody_came_for_are_hashed_in_time(person, settings):
    add_totp(person)
    codes = RecoveryCodes.activate(person).generate_codes()
    assert hash_left_codes() == 0

    Authenticator.objects.filter(user=person).update(created_at=now() - timedelta(days=2))

    assert (hash_left_codes(), hash_left_codes()) == (1, 0)
    assert enters(person, codes[0])


def test_a_seed_that_cannot_be_read_stops_nobody_elses(person):
    old = now() - timedelta(days=2)
    broken, whole = UserFactory(), UserFactory()
    for user in (broken, whole):
        RecoveryCodes.activate(user)
    Authenticator.objects.filter(user=broken).update(data={"seed": "no:such", "used_mask": 0})
    Authenticator.objects.update(created_at=old)

    assert hash_left_codes() == 1
    assert "seed" not in stored(whole)


def test_rotation_of_keys_leaves_hashes_alone(page, person):
    page.post(f"{PAGE}generate/")
    page.get(PAGE)
    before = stored(person)

    call_command("rotate_secrets", stdout=io.StringIO())

    assert stored(person) == before


def test_a_hash_shows_no_code():
    made = FactorAdapter().decrypt("hash:md5$salt$0123")

    assert isinstance(made, HashedCode)
    assert str(made) == "•" * 8
    assert made != "•" * 8
