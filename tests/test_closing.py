"""The end of an organization: what goes, what stays, what is handed out before, what is stopped."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core import mail
from django.core.files.storage import default_storage
from django.test import Client
from django.utils.timezone import now
from viewflow.workflow.models import Process, Task

from accounts.models import Letter
from accounts.tasks import tend_letters
from audit.models import Chain, DailyCount, Entry, Seal, SealedEntry
from billing.models import Hold, LedgerEntry, Price, UsageRecord, Wallet
from billing.proof import prove_wallet
from core.errors import InvalidInput, PermissionRefused
from files.archives import drop_expired, request_archive, write_archive
from files.errors import ArchiveUnderWay
from files.models import Archive, StoredFile
from orgs.actions import (
    add_member,
    close_due,
    close_organization,
    create_invitation,
    create_key,
    keep_organization,
)
from orgs.errors import NotConfirmed, OrganizationClosing
from orgs.keys import verify_key
from orgs.models import Membership, Organization
from orgs.tasks import close_organizations
from orgs.tests.factories import actor_in
from tests.worlds import make_world, snapshot_of
from workflows.models import Run, Workflow

pytestmark = pytest.mark.django_db
KEPT = {Wallet, Hold, LedgerEntry, UsageRecord, Price, Entry, Chain, DailyCount, Seal, SealedEntry}
KEPT |= {apps.get_model("orgs", "SupportAccess")}
"""What outlives an organization, beside its own row."""


@pytest.fixture
def world():
    return make_world("ALPHA-A")


@pytest.fixture
def other():
    return make_world("BETA-B")


def closed(world):
    """Announced, and the days of grace are over."""
    close_organization(actor=world.owner, name=world.organization.name, reason="We have moved.")
    Organization.objects.filter(pk=world.organization.pk).update(closing_at=now())
    close_organizations()


def remaining(organization_id):
    """Every row that names the organization, by model."""
    found = {}
    for model in apps.get_models():
        names = {field.attname for field in model._meta.concrete_fields}
        if "organization_id" in names:
            found[model] = model._base_manager.filter(organization_id=organization_id).count()
    return {model for model, n in found.items() if n}


def test_everything_goes_but_the_money_and_the_trail(world, other):
    organization = world.organization
    before, theirs = prove_wallet(organization.wallet), snapshot_of(other)
    ledger = list(LedgerEntry.objects.of(organization.pk).order_by("pk").values())
    usage = list(UsageRecord.objects.of(organization.pk).order_by("pk").values())
    entries = set(Entry.objects.of(organization.pk).values_list("pk", flat=True))
    keys = list(StoredFile.objects.of(organization.pk).values_list("key", flat=True))
    keys.append(world.rows.value.key)
    assert all(default_storage.exists(key) for key in keys)

    closed(world)

    assert remaining(organization.pk) <= KEPT
    assert remaining(organization.pk) >= {Wallet, Hold, LedgerEntry, UsageRecord, Entry}
    assert list(LedgerEntry.objects.of(organization.pk).order_by("pk").values()) == ledger
    assert list(UsageRecord.objects.of(organization.pk).order_by("pk").values()) == usage
    assert entries < set(Entry.objects.of(organization.pk).values_list("pk", flat=True))
    assert prove_wallet(organization.wallet) == before
    assert not any(default_storage.exists(key) for key in keys)
    assert Process.objects.count() == Process.objects.filter(info__isnull=False).count()
    assert Task.objects.count() == Task.objects.filter(process__info__isnull=False).count()
    assert Group.objects.count() == 1  # the other's team
    organization.refresh_from_db()
    assert organization.closed_at
    assert organization.closing_at is None
    assert snapshot_of(other) == theirs


def test_nobody_acts_in_what_is_closed(world):
    client = Client()
    client.force_login(world.people["owner"])
    assert client.get("/workflows/").status_code == 200

    closed(world)

    assert client.get("/workflows/").status_code == 403
    assert client.get("/api/v1/me/").json()["code"] == "no_organization"
    assert verify_key(world.rows.token) is None


def test_steps_are_bounded_and_what_was_interrupted_goes_on(world, monkeypatch):
    close_organization(actor=world.owner, name=world.organization.name, reason="r")
    Organization.objects.filter(pk=world.organization.pk).update(closing_at=now())
    monkeypatch.setattr("orgs.actions.closing.STEP", 1)

    taken = [close_due(world.organization.pk) for _ in range(4)]
    assert taken[0] > 0  # everybody is out first
    assert set(taken[1:]) == {1}
    assert not Membership.objects.filter(organization=world.organization).exists()
    while close_due(world.organization.pk):
        pass

    assert remaining(world.organization.pk) <= KEPT
    assert close_due(world.organization.pk) == 0
    ended = Entry.objects.filter(action="orgs.organization.erased")
    assert ended.count() == 1


def test_it_is_announced_to_every_owner_and_can_be_kept(world):
    second = actor_in(world.organization)
    close_organization(actor=world.owner, name=world.organization.name, reason="r")
    tend_letters()
    assert len([each for each in mail.outbox if "will be deleted" in each.subject]) == 2
    client = Client()
    client.force_login(world.people["member"])
    assert b"is deleted on" in client.get("/").content

    keep_organization(actor=second)
    tend_letters()
    Organization.objects.filter(pk=world.organization.pk).update(updated_at=now())
    close_organizations()

    assert len([each for each in mail.outbox if "is kept" in each.subject]) == 2
    assert b"is deleted on" not in client.get("/").content
    assert Workflow.objects.of(world.organization.pk).exists()
    assert verify_key(world.rows.token)


def test_news_of_an_end_that_was_called_off_meanwhile_is_not_sent(world):
    close_organization(actor=world.owner, name=world.organization.name, reason="r")
    keep_organization(actor=world.owner)

    tend_letters()

    ending = Letter.objects.filter(kind="organization_ending")
    assert sorted(ending.values_list("template", "state")) == [
        ("orgs/mail/closing", "dropped"),
        ("orgs/mail/kept", "sent"),
    ]
    assert not [each for each in mail.outbox if "will be deleted" in each.subject]


def test_nothing_is_erased_before_the_time(world):
    close_organization(actor=world.owner, name=world.organization.name, reason="r")
    before = snapshot_of(world)

    close_organizations()

    world.organization.refresh_from_db()
    assert world.organization.closing_at > now() + timedelta(days=13)
    assert snapshot_of(world) == before


def test_while_it_closes_nobody_joins_and_no_key_is_made(world):
    close_organization(actor=world.owner, name=world.organization.name, reason="r")
    world.rows.invitation.refresh_from_db()
    before = snapshot_of(world)

    for refused in (
        lambda: create_invitation(actor=world.owner, email="x@example.com", role="guest"),
        lambda: add_member(actor=world.owner, email="x@example.com", role="guest"),
        lambda: create_key(actor=world.owner, name="n", scopes=["run.view"]),
        lambda: close_organization(actor=world.owner, name=world.organization.name, reason="again"),
    ):
        with pytest.raises(OrganizationClosing):
            refused()

    assert world.rows.invitation.state == "revoked"
    assert snapshot_of(world) == before


def test_closing_asks_for_the_name_the_reason_and_an_owner(world):
    before = snapshot_of(world)
    name = world.organization.name

    with pytest.raises(NotConfirmed):
        close_organization(actor=world.owner, name=name.lower(), reason="r")
    with pytest.raises(InvalidInput):
        close_organization(actor=world.owner, name=name, reason=" ")
    with pytest.raises(PermissionRefused):
        close_organization(actor=world.actor("admin"), name=name, reason="r")

    assert snapshot_of(world) == before


def test_the_page_closes_and_keeps(world):
    client = Client()
    client.force_login(world.people["owner"])
    wrong = {"name": "Something else", "reason": "r"}

    client.post("/organization/close/", wrong)
    world.organization.refresh_from_db()
    assert world.organization.closing_at is None
    client.post("/organization/close/", wrong | {"name": world.organization.name})
    world.organization.refresh_from_db()
    assert world.organization.closing_at
    client.post("/organization/keep/")
    world.organization.refresh_from_db()
    assert world.organization.closing_at is None


# -- the archive


def archive_of(world):
    row = request_archive(actor=world.owner)
    assert write_archive(row.pk)
    client = Client()
    client.force_login(world.people["owner"])
    response = client.get(f"/api/v1/archives/{row.pk}/download/")
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_the_archive_holds_all_of_one_organization_and_no_secret(world, other):
    world.rows.provider.api_key = "sk-CANARY-SECRET"
    world.rows.provider.save()

    archive = archive_of(world)

    rows = {
        name: [json.loads(line) for line in archive.read(name).splitlines()]
        for name in archive.namelist()
        if name.endswith(".jsonl")
    }
    assert {
        "organization.jsonl", "members.jsonl", "teams.jsonl", "projects.jsonl", "workflows.jsonl",
        "versions.jsonl", "runs.jsonl", "steps.jsonl", "tasks.jsonl", "decisions.jsonl",
        "ledger.jsonl", "usage.jsonl", "audit.jsonl", "files.jsonl", "keys.jsonl",
    } <= set(rows)  # fmt: skip
    assert all(rows[name] for name in rows if name != "prices.jsonl"), rows
    assert archive.read(f"files/{world.rows.file.pk}") == world.mark.encode()
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert other.mark.encode() not in everything
    for secret in ("sk-CANARY", world.rows.token, world.rows.key.digest, "digest"):
        held = secret.encode() in everything
        assert not held, secret
    assert str(Run.objects.of(world.organization.pk).get().public_id).encode() in everything


def test_an_archive_is_for_owners_alone_and_not_among_the_files(world):
    archive_of(world)
    client = Client()
    client.force_login(world.people["admin"])

    listed = client.get("/api/v1/files/").json()["results"]

    assert "archive" not in {row["kind"] for row in listed}
    assert client.get("/api/v1/archives/").status_code == 403
    with pytest.raises(PermissionRefused):
        request_archive(actor=world.actor("admin"))


def test_one_is_written_at_a_time(world):
    row = request_archive(actor=world.owner)

    with pytest.raises(ArchiveUnderWay):
        request_archive(actor=world.owner)

    assert write_archive(row.pk)
    assert not write_archive(row.pk)
    assert request_archive(actor=world.owner).pk != row.pk


def test_it_expires_with_its_content(world):
    archive_of(world)
    row = Archive.objects.of(world.organization.pk).order_by("-pk").first()
    key = row.file.key
    Archive.objects.filter(pk=row.pk).update(expires_at=now())

    client = Client()
    client.force_login(world.people["owner"])
    assert client.get(f"/api/v1/archives/{row.pk}/download/").json()["code"] == "file_gone"
    assert drop_expired() == 1

    row.refresh_from_db()
    assert (row.state, row.file) == ("expired", None)
    assert not StoredFile.objects.filter(key=key).exists()
