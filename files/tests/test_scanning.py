"""Where a scanner is configured, nothing infected comes in or goes out, and nothing unseen."""

import io
import socket
import subprocess
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import Entry
from files import scanner
from files.errors import FileInfected, ScannerUnavailable
from files.models import StoredFile
from files.scanner import scan
from files.tests.clamd import EICAR, clamd
from files.tests.factories import file_of
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.models import Workflow
from workflows.tests.import_samples import SUPPORT

pytestmark = pytest.mark.django_db
IMPORT = "/api/v1/workflows/import/"
INFECTED = SUPPORT.encode() + b"\n# " + EICAR


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    client = Client()
    client.force_login(person_in(organization, "owner")[0])
    return client


@pytest.fixture
def daemon(settings):
    with clamd() as (running, url):
        settings.CLAMAV_URL = url
        yield running


@pytest.fixture
def away(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        settings.CLAMAV_URL = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        yield


def upload(raw):
    return {"file": SimpleUploadedFile("flow.yml", raw)}


def refused(organization, code):
    entry = Entry.objects.get(organization_id=organization.pk, action="files.file.refused")
    assert (entry.outcome, entry.data["error"]) == ("refused", code)
    assert not Workflow.objects.exists()
    return entry


def test_a_clean_flow_comes_in_whole(client, daemon):
    answer = client.post(IMPORT, upload(SUPPORT.encode()))

    assert answer.status_code == 201, answer.content
    assert daemon.seen == [SUPPORT.encode()]
    assert StoredFile.objects.get().size == len(SUPPORT.encode())


@pytest.mark.parametrize("dry", ["", "true"])
def test_an_infected_flow_is_refused_and_recorded(client, organization, daemon, dry):
    answer = client.post(IMPORT, upload(INFECTED) | ({"dry_run": dry} if dry else {}))

    assert (answer.status_code, answer.json()["code"]) == (422, "file_infected")
    assert answer.json()["detail"] == {"signature": "Eicar-Test-Signature"}
    entry = refused(organization, "file_infected")
    assert (entry.summary, entry.data["signature"]) == ("flow.yml", "Eicar-Test-Signature")
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("button", ["check", "import"])
def test_the_page_refuses_it_too(client, organization, daemon, button):
    answer = client.post("/workflows/import/", upload(INFECTED) | {button: "1"}, follow=True)

    assert b"This file contains malware." in answer.content
    refused(organization, "file_infected")


def test_while_the_scanner_is_away_nothing_comes_in(client, organization, away):
    answer = client.post(IMPORT, upload(SUPPORT.encode()))

    assert (answer.status_code, answer.json()["code"]) == (503, "scanner_unavailable")
    refused(organization, "scanner_unavailable")


def test_without_a_scanner_nothing_is_asked(client, settings):
    settings.CLAMAV_URL = ""

    assert client.post(IMPORT, upload(INFECTED)).status_code == 201


def test_what_is_found_later_goes_out_no_more(client, organization, daemon, settings):
    file = file_of(actor_in(organization, "owner"), content=INFECTED)
    address = f"/api/v1/files/{file.pk}/download/"

    answer = client.get(address)

    assert (answer.status_code, answer.json()["code"]) == (422, "file_infected")
    entry = Entry.objects.get(action="files.file.refused")
    assert entry.target_id == str(file.pk)
    settings.CLAMAV_URL = ""
    assert b"".join(client.get(address).streaming_content) == INFECTED


def test_a_clean_file_goes_out_whole(client, organization, daemon):
    file = file_of(actor_in(organization, "owner"), content=SUPPORT.encode())

    answer = client.get(f"/api/v1/files/{file.pk}/download/")

    assert b"".join(answer.streaming_content) == SUPPORT.encode()
    assert daemon.seen == [SUPPORT.encode()]


def test_while_the_scanner_is_away_nothing_goes_out(client, organization, away):
    file = file_of(actor_in(organization, "owner"), content=b"x")

    assert client.get(f"/api/v1/files/{file.pk}/download/").status_code == 503


@pytest.mark.parametrize(
    "says",
    [
        b"", b"\0", b"stream: OK", b"stream: OK\nstream: X FOUND\0", b"OK\0", b"stream: \0",
        b"stream: x ERROR\0", b"UNKNOWN COMMAND\0", b"a" * 100_000,
    ],
)  # fmt: skip
def test_only_a_plain_answer_counts(settings, says):
    with clamd(says) as (_running, settings.CLAMAV_URL), pytest.raises(ScannerUnavailable):
        scan(io.BytesIO(b"x"))


def test_more_than_the_daemon_takes_is_not_let_through(daemon):
    with pytest.raises(ScannerUnavailable):
        scan(io.BytesIO(b"x" * 9_000_000))


def test_a_large_content_goes_in_pieces_and_stays_where_it_stood(daemon):
    content = io.BytesIO(b"skipped" + b"y" * 500_000)
    content.seek(7)

    scan(content)

    assert daemon.seen == [b"y" * 500_000]
    assert content.tell() == 7


def test_a_socket_of_this_machine(settings, tmp_path):
    with (
        clamd(path=tmp_path / "clamd") as (running, settings.CLAMAV_URL),
        pytest.raises(FileInfected),
    ):
        scan(io.BytesIO(EICAR))

    assert running.seen == [EICAR]


def test_a_daemon_that_never_answers_is_not_waited_for(settings, monkeypatch):
    monkeypatch.setattr(scanner, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.CLAMAV_URL = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ScannerUnavailable) as failure:
            scan(io.BytesIO(b"x"))

    assert failure.value.detail == {"reason": "TimeoutError"}


@pytest.mark.parametrize("url", ["clamd:3310", "http://clamd:3310", "tcp://", "unix://"])
def test_an_address_that_is_none_stops_the_start(url, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings.base"],
        env={"DATA_DIR": str(tmp_path), "CLAMAV_URL": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "CLAMAV_URL is neither" in done.stderr
