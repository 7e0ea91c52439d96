"""Secrets of every kind, used as people and programs use them, and then looked for everywhere.

In the log at its most talkative, in every answer of pages, API and console, in exports and
archives, in error pages, in the trail and in the rows themselves: nowhere may one of them stand.
"""

import logging
import re
from zipfile import ZipFile

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import PASSWORD, UserFactory
from audit.models import Entry
from core.tests.test_logs import Lines
from files.actions import download_export, run_export, start_export
from files.archives import open_archive, request_archive, write_archive
from files.models import Export
from orgs.models import Role
from tests.doors import DOORS
from tests.matrix.knocking import ask, signed_in, text_of, undone
from tests.worlds import make_world

pytestmark = pytest.mark.django_db

PROVIDER, CLIENT = "prov-Zq7Rkw2Xv9TtB4", "clnt-Hy5Nmd8Pc3LsW1"
NEW_PASSWORD, WRONG_PASSWORD = "Vex-marble-42-lantern", "Mistyped-quartz-77-orchid"
TOTP_SECRET = "JBSWY3DPEHPK3PXPKRUGS4ZAMNQW4YLS"
AUTH = "/api/v1/auth/app/v1"


@pytest.fixture
def log():
    """Everything any logger says, as the product writes it."""
    lines = Lines("json")
    root = logging.getLogger()
    level = root.level
    root.addHandler(lines.handler)
    root.setLevel(logging.DEBUG)
    yield lines.stream
    root.removeHandler(lines.handler)
    root.setLevel(level)


@pytest.fixture
def world():
    return make_world("PLANTED")


@pytest.fixture
def secrets(world, log):
    """What each is called, and its text, after each was given, used, mistyped and renewed."""
    owner = world.people[Role.OWNER]
    client = signed_in(owner)
    client.patch(
        f"/api/v1/providers/{world.rows.provider.pk}/",
        {"api_key": PROVIDER},
        content_type="application/json",
    )
    client.patch(
        f"/api/v1/sso/connections/{world.rows.sso_connection.pk}/",
        {"client_secret": CLIENT},
        content_type="application/json",
    )
    made = client.post(
        "/api/v1/keys/",
        {"name": "planted", "scopes": ["run.view"]},
        content_type="application/json",
        headers={"Idempotency-Key": "planted-once"},
    ).json()
    with_key = Client(headers={"Authorization": f"Bearer {made['token']}"})
    assert with_key.get("/api/v1/runs/").status_code == 200
    found = {"key of a provider": PROVIDER, "secret of sign-on": CLIENT, "API key": made["token"]}
    return found | _of_a_person(owner, client)


def _of_a_person(owner, client):
    for given in (WRONG_PASSWORD, PASSWORD):
        form = {"login": owner.email, "password": given}
        Client().post("/accounts/login/", form)
        body = {"email": owner.email, "password": given}
        meta = Client().post(f"{AUTH}/auth/login", body, "application/json").json().get("meta", {})
    Client().post(f"{AUTH}/tokens/refresh", {"refresh_token": meta["refresh_token"]})
    changed = client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )
    assert changed.status_code in {200, 302}
    TOTP.activate(owner, TOTP_SECRET)
    codes = RecoveryCodes.activate(owner).get_unused_codes()
    return {
        "password": NEW_PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "password before": PASSWORD,
        "seed of one-time passwords": TOTP_SECRET,
        "recovery code": codes[0],
        "access token": meta["access_token"],
        "refresh token": meta["refresh_token"],
        "session token": meta["session_token"],
    }


def sightings(secrets, where, text):
    return [f"{name} in {where}" for name, secret in secrets.items() if secret in text]


def test_no_log_line_holds_one(secrets, log):
    assert sightings(secrets, "the log", log.getvalue()) == []


def test_no_answer_holds_one_nor_what_is_logged_of_it(world, secrets, log):
    client = signed_in(world.people[Role.ADMIN])
    seen = []
    for name, door in DOORS.items():
        with undone():
            seen += sightings(secrets, name, text_of(ask(client, name, door, world)))

    assert seen == []
    assert log.getvalue().count("\n") > 20
    assert sightings(secrets, "the log", log.getvalue()) == []


def test_no_page_of_the_console_holds_one(secrets):
    client = signed_in(UserFactory(is_staff=True, is_superuser=True))
    seen = []
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._base_manager.order_by("-pk").first()
        pages = [reverse(f"{name}_changelist")]
        pages += [reverse(f"{name}_{kind}", args=[row.pk]) for kind in ("change", "history") if row]
        for page in pages:
            with undone():
                seen += sightings(secrets, page, text_of(client.get(page)))

    assert seen == []


def test_no_entry_and_no_export_holds_one(world, secrets):
    assert Entry.objects.filter(organization_id=world.organization.pk).count() > 5
    seen = []
    for fmt in Export.Format.values:
        export = start_export(actor=world.owner, source="audit", fmt=fmt, filters={})
        assert run_export(export_id=export.pk)
        with download_export(actor=world.owner, export_id=export.pk)[1] as content:
            text = content.read().decode("utf-8-sig")
        assert "provider" in text
        seen += sightings(secrets, f"an export as {fmt}", text)

    assert seen == []


def test_no_archive_of_the_organization_holds_one(world, secrets):
    row = request_archive(actor=world.owner)
    assert write_archive(row.pk)
    with open_archive(actor=world.owner, archive_id=row.pk)[1] as stored, ZipFile(stored) as packed:
        assert len(packed.namelist()) > 10
        seen = [
            sighting
            for name in packed.namelist()
            for sighting in sightings(secrets, name, packed.read(name).decode(errors="replace"))
        ]

    assert seen == []


def test_no_row_holds_one_in_clear(secrets):
    """Sessions apart: a session's key is what its cookie says, and its row is the session."""
    by_key = {name: text for name, text in secrets.items() if name != "session token"}
    seen = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            seen += sightings(by_key, table, repr(cursor.fetchall()))

    assert seen == []


def test_an_error_tells_its_trace_and_nothing_else(world, secrets, log, monkeypatch):
    """Something breaks that has the secret in hand."""

    def broken(*args, **kwargs):
        raise RuntimeError(f"no answer from upstream, api_key={PROVIDER}")

    monkeypatch.setattr("orgs.api.access.actor_of", broken)
    client = signed_in(world.people[Role.ADMIN])

    answer = client.get("/api/v1/me/")

    assert answer.status_code == 500
    assert set(answer.json()) == {"code", "message", "detail", "trace_id"}
    assert answer.json()["code"] == "internal_error"
    assert re.search("RuntimeError|Traceback|orgs", answer.content.decode()) is None
    assert "RuntimeError" in log.getvalue()
    assert sightings(secrets, "the log or the answer", log.getvalue() + text_of(answer)) == []
