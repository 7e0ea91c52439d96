"""Whoever is refused stands in the log once: who, what, why, from where; and no secret does."""

import asyncio
import logging
import logging.config

import pytest
import requests
from django.test import AsyncClient, Client

from accounts.tests.factories import UserFactory
from core.ids import uuid7
from core.logs import logging_config, redact
from llm.tests.factories import model_at
from llm.tests.servers import gateway
from orgs.actions import create_key
from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "0af7651916cd43dd8448eb211c80319c"
AT = "203.0.113.9"


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def guest(organization):
    return person_in(organization, "guest")[0]


@pytest.fixture
def lines(caplog):
    """What is logged on warning and above, and what Django adds to it."""
    caplog.set_level(logging.INFO)

    def told():
        rows = [each for each in caplog.records if each.name == "core.denials"]
        others = [each for each in caplog.records if each.name.startswith("django.")]
        assert others == [], "Django says it a second time"
        return [
            {name: value for name, value in vars(each).items() if name in FIELDS} for each in rows
        ]

    return told


FIELDS = {
    "status", "code", "reason", "method", "path", "ip", "user", "key", "key_prefix", "organization",
}  # fmt: skip


def browser(user=None, **options):
    client = Client(REMOTE_ADDR=AT, headers={"X-Request-ID": TRACE}, **options)
    if user is not None:
        client.force_login(user)
    return client


def line(status, code, path, method="GET", **who):
    return {"status": status, "code": code, "method": method, "path": path, "ip": AT} | {
        name: str(value) for name, value in who.items()
    }


def test_rest(lines, organization, guest):
    who = {"user": guest.pk, "organization": organization.pk}
    thing = f"/api/v1/workflows/{uuid7()}/"
    client = browser(guest)

    client.get("/api/v1/keys/")
    client.get(thing)
    client.get("/api/v1/me/", headers={"X-Organization": str(uuid7())})
    browser().get("/api/v1/keys/")

    assert lines() == [
        line(403, "permission_denied", "/api/v1/keys/", **who),
        line(404, "not_found", thing, **who),
        line(403, "no_organization", "/api/v1/me/", user=guest.pk),
        line(401, "not_authenticated", "/api/v1/keys/"),
    ]


def test_a_key(lines, organization):
    token = key_in(organization, "run.view")
    key = ApiKey.objects.get()
    wrong = token[:-8] + "00000000"

    browser().get("/api/v1/keys/", headers={"Authorization": f"Bearer {token}"})
    browser().get("/api/v1/keys/", headers={"X-API-Key": token})
    browser().get("/api/v1/keys/", headers={"Authorization": f"Bearer {wrong}"})

    who = {"key": key.pk, "key_prefix": key.prefix, "organization": organization.pk}
    told = lines()
    assert told[0] == told[1] == line(403, "permission_denied", "/api/v1/keys/", **who)
    assert told[2] == line(401, "authentication_failed", "/api/v1/keys/")
    assert redact(told[0]) == told[0], "what names the key is not taken for a secret"
    assert token not in str(told)


def test_a_key_from_elsewhere(lines, organization):
    key, token = create_key(
        actor=actor_in(organization, "owner"), name="k", scopes=["run.view"], ip_allow=["10.0.0.1"]
    )

    browser().get("/api/v1/runs/", headers={"Authorization": f"Bearer {token}"})

    assert lines() == [line(403, "key_address_refused", "/api/v1/runs/", key_prefix=key.prefix)]


def test_a_stream(lines, organization, guest):
    path = f"/api/v1/runs/{uuid7()}/stream/"
    client = AsyncClient(REMOTE_ADDR=AT)
    client.force_login(guest)

    status = asyncio.run(client.get(path)).status_code

    assert status == 404
    (told,) = lines()
    assert (told["status"], told["code"], told["user"]) == (404, "not_found", str(guest.pk))


def test_pages(lines, organization, guest):
    who = {"user": guest.pk, "organization": organization.pk}
    thing = f"/workflows/{uuid7()}/"
    client = browser(guest)

    client.get("/keys/")
    client.post("/keys/new/", {"name": "x"})
    client.get(thing)

    assert lines() == [
        line(403, "permission_denied", "/keys/", **who),
        line(403, "permission_denied", "/keys/new/", "POST", **who),
        line(404, "not_found", thing, **who),
    ]


def test_who_is_led_to_a_second_factor(lines, organization, guest):
    type(organization).objects.filter(pk=organization.pk).update(require_second_factor=True)

    answer = browser(guest).get("/workflows/")

    assert answer.status_code == 302
    assert lines() == [line(302, "second_factor_required", "/workflows/", user=guest.pk)]


def test_a_forged_form(lines, guest):
    client = browser(guest, enforce_csrf_checks=True)

    client.post("/organization/switch/", {})

    (told,) = lines()
    assert told.pop("reason").startswith("CSRF cookie not set")
    assert told == line(403, "csrf_failed", "/organization/switch/", "POST", user=guest.pk)


def test_the_console(lines, guest):
    helper = UserFactory(is_staff=True)

    browser(guest).get("/admin/orgs/organization/")
    browser(helper).get("/admin/orgs/organization/")
    browser(helper).get("/admin/trace/")

    assert lines() == [
        line(302, "no_operator", "/admin/orgs/organization/", user=guest.pk),
        line(403, "permission_denied", "/admin/orgs/organization/", user=helper.pk),
        line(403, "permission_denied", "/admin/trace/", user=helper.pk),
    ]


def test_what_works_as_a_password_in_an_address_is_left_out(lines, guest):
    secret = "s3cretInvitation4242"

    browser(guest).get(f"/invitation/{secret}/")
    browser(guest).get(f"/accounts/password/reset/key/ab-{secret}/")

    assert secret not in str(lines())


def test_who_is_let_in_is_not_in_it(lines, organization):
    owner, _ = person_in(organization, "owner")

    assert browser(owner).get("/api/v1/keys/").status_code == 200
    assert browser(owner).get("/keys/").status_code == 200
    assert browser().get("/keys/").status_code == 302

    assert lines() == []


def test_plain_http_where_tls_is_asked(lines, settings):
    settings.HTTPS = True

    browser().get("/api/v1/me/")

    assert lines() == [line(403, "https_required", "/api/v1/me/")]


def test_the_gateway(lines, organization):
    model_at("http://127.0.0.1:9/v1", organization=organization)
    caller, other = key_in(organization, "model.call"), key_in(organization, "run.view")
    rows = {each.scopes[0]: each for each in ApiKey.objects.all()}
    with gateway() as url:

        def ask(token, model="gpt-test"):
            body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            requests.post(
                f"{url}/v1/chat/completions", json=body, timeout=10,
                headers={"Authorization": f"Bearer {token}", "X-Request-ID": TRACE},
            )  # fmt: skip

        ask("nothing")
        ask(other)
        ask(caller, model="of-others")

    def at_gateway(status, code, scope=""):
        row = rows.get(scope)
        who = {"key": row.pk, "key_prefix": row.prefix, "organization": organization.pk}
        path = "/v1/chat/completions"
        return line(status, code, path, "POST", **(who if scope else {})) | {"ip": "127.0.0.1"}

    told = lines()
    assert told[1:] == [
        at_gateway(403, "permission_denied", "run.view"),
        at_gateway(404, "model_not_found", "model.call"),
    ]
    assert told[0] == line(401, "invalid_api_key", "/v1/chat/completions", "POST") | {
        "ip": "127.0.0.1"
    }
    assert caller not in str(told)


def test_the_line_carries_the_trace(guest):
    handler = logging.config.DictConfigurator(logging_config("INFO", "json"))
    formatter = handler.configure_formatter(dict(handler.config["formatters"]["line"]))
    heard = []
    listener = logging.Handler()
    listener.emit = lambda record: heard.append(formatter.format(record))
    logging.getLogger("core.denials").addHandler(listener)
    try:
        browser(guest).get("/api/v1/keys/")
    finally:
        logging.getLogger("core.denials").removeHandler(listener)

    assert f'"trace_id": "{TRACE}"' in heard[0]
    assert '"code": "permission_denied"' in heard[0]
