"""Keeping, opening and deleting files, through the actions."""

import hashlib
import re
from io import BytesIO

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError

from audit.models import Entry
from core.errors import NotFound
from files.actions import delete_file, open_file, store_file
from files.errors import FileGone, FileTooLarge
from files.models import StoredFile
from files.tests.factories import file_of
from orgs.tests.factories import OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor():
    return actor_in(OrganizationFactory())


def stored_keys():
    """Every file below the storage's root, whoever it belongs to."""
    open_folders, found = [""], set()
    while open_folders:
        folder = open_folders.pop()
        folders, files = default_storage.listdir(folder)
        open_folders.extend(f"{folder}/{name}".strip("/") for name in folders)
        found.update(f"{folder}/{name}" for name in files)
    return found


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }
    return tmp_path


def test_a_file_comes_back_as_it_was_kept(actor):
    file = file_of(actor, b"abc" * 100_000)

    with open_file(file) as content:
        assert content.read() == b"abc" * 100_000
    assert file.size == 300_000
    assert file.sha256 == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert file.created_by_id == actor.user_id


def test_a_stream_is_kept_from_where_it_stands(actor):
    stream = BytesIO(b"head" + b"x" * 3_000_000)
    stream.seek(4)

    file = file_of(actor, stream)

    assert file.size == 3_000_000
    with open_file(file) as content:
        assert content.read() == b"x" * 3_000_000


def test_the_key_holds_nothing_that_a_person_typed(actor, folder):
    file = file_of(actor, name="../../etc/passwd")

    assert file.name == "passwd"
    assert re.fullmatch(rf"org/{actor.organization_id}/\d{{4}}/\d\d/{file.pk}", file.key)
    assert (folder / file.key).read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\temp\\a.yml", "a.yml"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
        ("流程.yml", "流程.yml"),
        ("/", "file"),
        ("n" * 400, "n" * 255),
    ],
)
def test_names_are_made_fit_to_show(actor, given, kept):
    assert file_of(actor, name=given).name == kept


def test_a_content_type_that_is_none_becomes_plain_bytes(actor):
    assert file_of(actor, content_type="text/html\r\nX: y").content_type == (
        "application/octet-stream"
    )


@pytest.mark.parametrize("content", [b"12345", BytesIO(b"12345")])
def test_more_than_the_cap_is_refused_and_nothing_is_kept(actor, content):
    with pytest.raises(FileTooLarge) as caught:
        store_file(
            actor=actor, name="a", content=content, content_type="a/b", kind="test", max_size=4
        )

    assert caught.value.detail == {"limit": 4}
    assert not StoredFile.objects.exists()
    assert not Entry.objects.exists()
    assert stored_keys() == set()


def test_a_row_that_cannot_be_written_takes_its_content_along(actor):
    with pytest.raises(IntegrityError):
        file_of(actor, kind=None)

    assert not StoredFile.objects.exists()
    assert not Entry.objects.exists()
    assert stored_keys() == set()


def test_keeping_and_deleting_leave_a_trail(actor, django_capture_on_commit_callbacks):
    file = file_of(actor)
    with django_capture_on_commit_callbacks(execute=True):
        delete_file(actor=actor, file_id=file.pk)

    kept, deleted = Entry.objects.order_by("pk")
    assert (kept.action, deleted.action) == ("files.file.stored", "files.file.deleted")
    assert kept.target_id == deleted.target_id == str(file.pk)
    assert kept.data["sha256"] == file.sha256


def test_the_content_goes_when_the_deletion_is_committed(actor, django_capture_on_commit_callbacks):
    file = file_of(actor)

    with django_capture_on_commit_callbacks(execute=True):
        delete_file(actor=actor, file_id=file.pk)
        assert stored_keys() == {file.key}

    assert stored_keys() == set()
    assert not StoredFile.objects.exists()


def test_a_file_of_another_organization_cannot_be_deleted(actor):
    file = file_of(actor)

    with pytest.raises(NotFound):
        delete_file(actor=actor_in(OrganizationFactory()), file_id=file.pk)

    assert StoredFile.objects.get() == file
    assert stored_keys() == {file.key}


def test_a_lost_content_is_said_to_be_gone(actor, folder):
    file = file_of(actor)
    (folder / file.key).unlink()

    with pytest.raises(FileGone):
        open_file(file)


def test_only_files_of_the_own_organization_are_visible(actor):
    ours, theirs = file_of(actor), file_of(actor_in(OrganizationFactory()))

    assert list(StoredFile.objects.visible_to(actor)) == [ours]
    assert theirs not in StoredFile.objects.visible_to(actor)
    guest = actor_in(OrganizationFactory(), "guest")
    assert not StoredFile.objects.visible_to(guest).exists()
