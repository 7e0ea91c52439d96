"""Which passwords are refused, and how they are kept."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest
from aiohttp import web
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.breaches import leaked
from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.servers import LocalServer
from orgs.tests.factories import MembershipFactory, OrganizationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    user = UserFactory(name="Ada Lovelace", email="ada.byron@analytical.example")
    MembershipFactory(user=user, organization=OrganizationFactory(name="Northwind Traders"))
    return user


@pytest.mark.parametrize(
    "bad",
    [
        "short-one",
        "password123",
        "1234567890",
        "qwertyuiop",
        "lovelace-2026",
        "Ada-Lovelace-1815",
        "analytical!!99",
        "northwind2026!",
        "TradersNorthwind",
        "Loomwork-2026",
        "x" * 257,
    ],
)
def test_a_weak_password_is_refused(person, bad):
    with pytest.raises(ValidationError):
        validate_password(bad, person)


@pytest.mark.parametrize(
    "good",
    [
        "correct-horse-battery",
        "zzzzzzzzzzzzzzzz q",
        "四个随机的词语放在一起",
        "7391 5520 8846 1023",
        "k" * 64 + "!",
    ],
)
def test_any_composition_will_do(person, good):
    validate_password(good, person)


def test_the_words_of_the_sign_up_form_are_refused_at_once(client):
    sent = {
        "name": "Mei Lin",
        "organization": "Silverbrook",
        "email": "mei@example.com",
        "password1": "silverbrook2026",
        "password2": "silverbrook2026",
    }

    page = client.post("/accounts/signup/", sent)

    assert "words that belong to you" in page.content.decode()
    assert not User.objects.exists()


def ask(settings, url="", path=""):
    settings.BREACHED_PASSWORDS_URL, settings.BREACHED_PASSWORDS_LIST = url, str(path)
    settings.AUTH_PASSWORD_VALIDATORS = [
        *settings.AUTH_PASSWORD_VALIDATORS,
        {"NAME": "accounts.passwords.BreachedValidator"},
    ]


def leaks(password):
    digest = hashlib.sha1(password.encode()).hexdigest().upper()

    async def answer(request):
        rows = ["0" * 35 + ":3", f"{digest[5:]}:12", "F" * 35 + ":0"]
        known = request.path == f"/range/{digest[:5]}"
        return web.Response(text="\r\n".join(rows) if known else "0" * 35 + ":3")

    return LocalServer(answer)


def test_a_leaked_password_is_found_and_only_five_digits_leave(person, settings):
    with leaks("a-leaked-passphrase") as server:
        ask(settings, f"{server.url}/range/")
        with pytest.raises(ValidationError, match="data leak"):
            validate_password("a-leaked-passphrase", person)
        validate_password("another-passphrase", person)

    assert all(len(seen.path) == len("/range/") + 5 for seen in server.requests)


@pytest.mark.parametrize("trouble", ["down", "error"])
def test_a_service_that_fails_keeps_nobody_out(person, settings, caplog, trouble):
    async def fail(request):
        return web.Response(status=503)

    with LocalServer(fail) as server:
        ask(settings, server.url if trouble == "error" else "http://127.0.0.1:9")
        validate_password(PASSWORD, person)

    assert "cannot be looked up" in caplog.text


@pytest.mark.parametrize("trouble", ["down", "error", "no file"])
def test_strictly_nobody_gets_a_password_that_was_not_looked_up(
    client, settings, tmp_path, trouble
):
    async def fail(request):
        return web.Response(status=503)

    settings.BREACHED_PASSWORDS_STRICT = True
    sent = {"name": "Mei", "email": "mei@example.com", "password1": PASSWORD, "password2": PASSWORD}
    with LocalServer(fail) as server:
        if trouble == "no file":
            ask(settings, path=tmp_path / "missing.txt")
        else:
            ask(settings, server.url if trouble == "error" else "http://127.0.0.1:9")
        page = client.post("/accounts/signup/", sent)

    assert "cannot be checked" in page.content.decode()
    assert not User.objects.exists()


@pytest.fixture
def listed(tmp_path):
    """Of 500 passwords every other one, as Pwned Passwords are downloaded: ordered, with counts."""
    words = [f"pass-phrase-{number}" for number in range(500)]
    lines = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in words[::2])
    path = tmp_path / "leaked.txt"
    path.write_text("".join(f"{line}:{number}\r\n" for number, line in enumerate(lines, 1)))
    return path, words


def test_a_list_here_is_searched_and_nothing_leaves(person, settings, listed):
    path, words = listed
    ask(settings, path=path)

    assert [leaked(word) for word in words] == [True, False] * 250
    assert leaked("") is False
    with pytest.raises(ValidationError, match="data leak"):
        validate_password(words[0], person)


@pytest.mark.parametrize("content", ["", "\n", "F" * 40, "x" * 5000])
def test_a_list_that_is_odd_is_survived(settings, tmp_path, content):
    (tmp_path / "odd.txt").write_text(content)
    ask(settings, path=tmp_path / "odd.txt")

    assert leaked("pass-phrase") is False


def test_what_the_list_does_not_know_the_service_may(settings, listed):
    path, words = listed
    with leaks("only-the-service") as server:
        ask(settings, f"{server.url}/range/", path)
        assert [leaked("only-the-service"), leaked(words[0]), leaked(words[1])] == [
            True, True, False,
        ]  # fmt: skip

    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("set_to", "expected"),
    [
        ({"PRODUCTION": "1"}, [True, "staff", "https://api.pwnedpasswords.com/range/"]),
        ({"PRODUCTION": "1", "BREACHED_PASSWORDS_URL": ""}, [False, "staff", ""]),
        ({"PRODUCTION": "1", "BREACHED_PASSWORDS_LIST": "/srv/l.txt"}, [True, "staff", ""]),
        ({"PRODUCTION": "1", "STAFF_SECOND_FACTOR": "0"}, [True, "none", None]),
        ({"STAFF_SECOND_FACTOR": "1"}, [False, "staff", ""]),
        ({"REQUIRE_SECOND_FACTOR": "everyone"}, [False, "everyone", ""]),
        ({}, [False, "none", ""]),
        ({"REQUIRE_SECOND_FACTOR": "some"}, None),
    ],
)
def test_what_production_asks_for_by_default(set_to, expected):
    """In a process of its own: settings are read once. None: it does not start, or no matter."""
    told = (
        "import json; from config.settings import sign_in as read;"
        "print(json.dumps([any('Breached' in row['NAME'] for row in read.AUTH_PASSWORD_VALIDATORS),"
        "read.REQUIRE_SECOND_FACTOR, read.BREACHED_PASSWORDS_URL]))"
    )
    around = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", told],
        env=around | set_to,
        capture_output=True,
        check=False,
        timeout=60,
    )

    if expected is None:
        assert b"ImproperlyConfigured" in done.stderr
        return
    found = json.loads(done.stdout)
    assert found[:2] == expected[:2]
    assert expected[2] in {None, found[2]}


def test_passwords_are_kept_with_argon2_and_older_hashes_renewed_at_sign_in(client, settings):
    from config.settings import base  # noqa: PLC0415 - the suite itself hashes quickly

    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))

    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})

    user.refresh_from_db()
    assert identify_hasher(user.password).algorithm == "argon2"
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize(
    ("path", "kinds"),
    [("/accounts/login/", {"current-password"}), ("/accounts/signup/", {"new-password"})],
)
def test_passwords_are_masked_and_open_to_password_managers(client, path, kinds):
    page = client.get(path).content.decode()

    fields = re.findall(r"<input[^>]*password[^>]*>", page)
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert "onpaste" not in field
        assert re.search(r'autocomplete="([^"]+)"', field)[1] in kinds
