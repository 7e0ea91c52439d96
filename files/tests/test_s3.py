"""The same file service on a bucket: django-storages and boto3 against a server of our own."""

import pytest

from core.tests.servers import LocalServer
from files.actions import delete_file, open_file
from files.errors import FileGone, StorageUnavailable
from files.models import StoredFile
from files.tests.factories import file_of
from files.tests.s3 import BucketServer
from orgs.tests.factories import OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor():
    return actor_in(OrganizationFactory())


def use_bucket(settings, url):
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "loomwork",
                "endpoint_url": url,
                "region_name": "eu-central-1",
                "access_key": "access",
                "secret_key": "secret",
                "addressing_style": "path",
                "file_overwrite": False,
            },
        }
    }


@pytest.fixture
def bucket(settings):
    with BucketServer() as server:
        use_bucket(settings, server.url)
        yield server


def test_a_file_goes_to_the_bucket_and_comes_back(actor, bucket):
    file = file_of(actor, b"abc" * 500_000)

    assert list(bucket.objects) == [f"loomwork/{file.key}"]
    assert bucket.objects[f"loomwork/{file.key}"][0] == b"abc" * 500_000
    with open_file(file) as content:
        assert content.read() == b"abc" * 500_000


def test_a_deleted_file_leaves_the_bucket(actor, bucket, django_capture_on_commit_callbacks):
    file = file_of(actor)

    with django_capture_on_commit_callbacks(execute=True):
        delete_file(actor=actor, file_id=file.pk)

    assert bucket.objects == {}


def test_an_object_that_is_missing_is_said_to_be_gone(actor, bucket):
    file = file_of(actor)
    bucket.objects.clear()

    with pytest.raises(FileGone):
        open_file(file)


def test_a_store_that_does_not_answer_keeps_nothing(actor, settings, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with LocalServer(None) as server:
        dead = server.url
    use_bucket(settings, dead)

    with pytest.raises(StorageUnavailable):
        file_of(actor)

    assert not StoredFile.objects.exists()
