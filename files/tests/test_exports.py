"""Exports: who may, what is in them, and what becomes of them when things go wrong."""

import csv
import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now

import audit.tests.events  # noqa: F401 - these tests record them
from audit.models import Entry
from audit.tests.factories import entry_of
from core.errors import InvalidInput, NotFound, PermissionRefused
from files import sources
from files.actions import (
    cancel_export,
    download_export,
    expire_exports,
    hand_back_exports,
    run_export,
    start_export,
)
from files.actions.exports import AT_ONCE, ATTEMPTS, LEASE
from files.errors import ExportFinished, ExportNotReady, TooManyExports
from files.formats import LineStream, cell
from files.models import Export, StoredFile
from files.sources import Source, register_source
from files.tasks import export as export_task
from files.tasks import sweep
from orgs.access import Actor
from orgs.actions import create_key, revoke_key
from orgs.models import Membership, Organization, Role
from orgs.tests.factories import OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(tmp_path, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }


@pytest.fixture
def owner():
    return actor_in(OrganizationFactory(), Role.OWNER)


def content_of(actor, export):
    _, content = download_export(actor=actor, export_id=export.pk)
    with content:
        return content.read().decode("utf-8-sig")


def made(actor, fmt="csv", **filters):
    export = start_export(actor=actor, source="audit", fmt=fmt, filters=filters)
    assert run_export(export_id=export.pk)
    export.refresh_from_db()
    return export


def test_an_export_holds_the_entries_that_fit_oldest_first(owner):
    first = entry_of(owner, summary="one", data={"n": 1})
    entry_of(owner, "trial.refused")
    entry_of(actor_in(OrganizationFactory(), Role.OWNER), summary="of others")
    second = entry_of(owner, summary="two", before={"a": 1}, after={"a": 2})

    export = made(owner, event="trial.done")

    rows = list(csv.DictReader(StringIO(content_of(owner, export))))
    assert [row["id"] for row in rows] == [str(first.pk), str(second.pk)]
    assert (rows[0]["summary"], json.loads(rows[0]["data"])) == ("one", {"n": 1})
    assert json.loads(rows[1]["after"]) == {"a": 2}
    assert (export.state, export.done, export.total, export.percent) == ("succeeded", 2, 2, 100)


def test_json_lines_hold_the_same_as_values(owner):
    entry_of(owner, data={"n": 1})

    export = made(owner, "jsonl", category="trial")

    (line,) = content_of(owner, export).splitlines()
    row = json.loads(line)
    assert (row["data"], row["ip"], row["actor_id"]) == ({"n": 1}, None, str(owner.user_id))


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_a_formula(owner, text):
    entry_of(owner, summary=text)

    export = made(owner, event="trial.done")

    (row,) = csv.DictReader(StringIO(content_of(owner, export), newline=""))
    assert row["summary"] == f"'{text}"


def test_numbers_and_plain_texts_stay_as_they_are():
    assert [cell(value) for value in (-1, True, None, "a=b", "x", [1])] == [
        "-1", "true", "", "a=b", "x", "[1]",
    ]  # fmt: skip


def test_every_step_of_an_export_is_recorded(owner):
    export = made(owner)
    content_of(owner, export)

    names = Entry.objects.filter(target_id=str(export.pk)).values_list("action", flat=True)
    assert list(names.order_by("pk")) == [
        "files.export.started", "files.export.finished", "files.export.downloaded",
    ]  # fmt: skip


def test_who_may_not_see_the_trail_exports_none_of_it(owner):
    member = actor_in(Organization.objects.get(pk=owner.organization_id), Role.MEMBER)
    export = made(owner)
    entries = Entry.objects.count()

    with pytest.raises(PermissionRefused):
        start_export(actor=member, source="audit", fmt="csv")
    with pytest.raises(PermissionRefused):
        download_export(actor=member, export_id=export.pk)
    with pytest.raises(PermissionRefused):
        cancel_export(actor=member, export_id=export.pk)

    assert not Export.objects.visible_to(member).exists()
    assert not StoredFile.objects.visible_to(member).exists()
    assert not StoredFile.objects.visible_to(owner).exists()
    assert (Export.objects.count(), Entry.objects.count()) == (1, entries)


def test_an_owner_elsewhere_finds_nothing(owner):
    export = made(owner)
    stranger = actor_in(OrganizationFactory(), Role.OWNER)

    for act in (download_export, cancel_export):
        with pytest.raises(NotFound):
            act(actor=stranger, export_id=export.pk)
    assert not Export.objects.visible_to(stranger).exists()


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"source": "everything"}, NotFound),
        ({"fmt": "xlsx"}, InvalidInput),
        ({"filters": {"colour": "red"}}, InvalidInput),
        ({"filters": {"since": "yesterday"}}, InvalidInput),
        ({"filters": {"q": "\x00"}}, InvalidInput),
    ],
)
def test_what_cannot_be_exported_is_refused(owner, asked, refusal):
    with pytest.raises(refusal):
        start_export(**{"actor": owner, "source": "audit", "fmt": "csv"} | asked)

    assert not Export.objects.exists()


def test_an_organization_has_only_so_many_at_once(owner):
    for _ in range(AT_ONCE):
        start_export(actor=owner, source="audit", fmt="csv")

    with pytest.raises(TooManyExports):
        start_export(actor=owner, source="audit", fmt="csv")

    assert Export.objects.count() == AT_ONCE


def test_whoever_lost_the_right_meanwhile_gets_nothing(owner):
    export = start_export(actor=owner, source="audit", fmt="csv")
    Membership.objects.filter(user_id=owner.user_id).update(role=Role.MEMBER)

    assert run_export(export_id=export.pk)

    export.refresh_from_db()
    assert (export.state, export.error, export.file) == ("failed", "permission_denied", None)
    assert not StoredFile.objects.exists()


def test_a_key_that_was_revoked_meanwhile_gets_nothing(owner):
    scopes = ["audit.view", "audit.view_all"]
    key, _ = create_key(actor=owner, name="k", scopes=scopes)
    program = Actor(
        owner.organization_id,
        api_key_id=key.pk,
        scopes=frozenset(scopes),
        project_id=key.project_id,
    )
    kept = made(program)
    export = start_export(actor=program, source="audit", fmt="csv")
    revoke_key(actor=owner, key_id=key.pk)

    assert run_export(export_id=export.pk)

    export.refresh_from_db()
    assert (kept.state, export.state) == ("succeeded", "failed")


def test_an_export_that_waits_can_be_cancelled_and_is_not_written(owner):
    export = start_export(actor=owner, source="audit", fmt="csv")
    cancel_export(actor=owner, export_id=export.pk)

    assert not run_export(export_id=export.pk)

    with pytest.raises(ExportFinished):
        cancel_export(actor=owner, export_id=export.pk)
    with pytest.raises(ExportNotReady):
        download_export(actor=owner, export_id=export.pk)
    assert not StoredFile.objects.exists()


@pytest.fixture
def slow():
    """A source that lets the test do something while it is read."""
    between = []

    def rows(actor, filters):
        for n in range(300):
            if n == 150:
                between[0]()
            yield [n]

    register_source(
        Source("slow", "audit.view", "Slow", ["n"], dict, lambda actor, filters: 300, rows)
    )
    yield between
    del sources._sources["slow"]


def test_one_that_is_written_stops_when_it_is_cancelled(owner, slow):
    export = start_export(actor=owner, source="slow", fmt="csv")
    slow.append(lambda: cancel_export(actor=owner, export_id=export.pk))

    assert not run_export(export_id=export.pk)

    export.refresh_from_db()
    assert (export.state, export.file) == ("cancelled", None)
    assert not StoredFile.objects.exists()


def test_a_worker_taken_for_dead_writes_nothing_any_more(owner, slow):
    export = start_export(actor=owner, source="slow", fmt="csv")

    def lapse():
        slow[0] = lambda: None
        Export.objects.update(heartbeat_at=now() - 2 * LEASE)
        hand_back_exports()
        assert run_export(export_id=export.pk)  # another worker

    slow.append(lapse)
    assert not run_export(export_id=export.pk)

    export.refresh_from_db()
    assert (export.state, export.done, export.epoch) == ("succeeded", 300, 2)
    assert StoredFile.objects.get().pk == export.file_id


def test_what_a_dead_worker_left_is_done_by_the_next(owner):
    export = start_export(actor=owner, source="audit", fmt="csv")
    Export.objects.update(
        state="running", epoch=1, heartbeat_at=now() - 2 * LEASE, updated_at=now() - LEASE
    )

    assert sweep() == 1
    export_task(str(export.pk))

    export.refresh_from_db()
    assert export.state == "succeeded"


def test_one_that_kills_its_workers_is_not_tried_for_ever(owner):
    export = start_export(actor=owner, source="audit", fmt="csv")
    Export.objects.update(state="running", epoch=ATTEMPTS, heartbeat_at=now() - 2 * LEASE)

    hand_back_exports()

    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", "worker_lost")


def test_a_fault_of_ours_fails_the_export_and_keeps_nothing(owner, slow):
    export = start_export(actor=owner, source="slow", fmt="csv")
    slow.append(lambda: 1 / 0)

    assert run_export(export_id=export.pk)

    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", "internal_error")
    assert not StoredFile.objects.exists()


def test_an_old_exports_file_goes_and_its_row_says_so(owner, django_capture_on_commit_callbacks):
    export = made(owner)
    key = export.file.key
    Export.objects.update(expires_at=now() - timedelta(seconds=1))

    with django_capture_on_commit_callbacks(execute=True):
        assert expire_exports() == 1

    export.refresh_from_db()
    assert (export.state, export.file) == ("expired", None)
    assert not default_storage.exists(key)
    with pytest.raises(ExportNotReady):
        download_export(actor=owner, export_id=export.pk)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_stream_of_lines_reads_like_a_file(size):
    lines = [b"one\n", b"", b"two\n" * 30]
    stream, read = LineStream(iter(lines)), b""
    while chunk := stream.read(size):
        read += chunk

    assert read == b"".join(lines)
