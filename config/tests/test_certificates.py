"""Certificates inside an installation: what is made, kept, renewed, and who may read it."""

import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest

from config.certificates import OWNERS, RENEWED_BEFORE, SERVER_LIFE, main, make_certificates

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path):
    make_certificates(tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def meet(folder, server, asked, authority="clients"):
    """A handshake of a server that shows `server`'s certificate with a client that asks `asked`."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / server / "server.pem")
    trusting = ssl.create_default_context(cafile=folder / authority / "ca.crt")
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def serve():
        try:
            with serving.wrap_socket(far, server_side=True) as secure:
                secure.recv(1)
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with trusting.wrap_socket(near, server_hostname=asked) as secure:
            return secure.version()
    finally:
        near.close()
        thread.join()


@pytest.mark.parametrize("server", OWNERS)
def test_each_server_is_believed_by_its_own_name_and_from_inside(folder, server):
    for asked in (server, "localhost", "127.0.0.1"):
        assert meet(folder, server, asked) == "TLSv1.3"
    assert meet(folder, server, server, authority=server) == "TLSv1.3"


def test_no_server_can_pose_as_another(folder):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        meet(folder, "web", "db")


def test_another_installations_authority_is_not_believed(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    make_certificates(other)
    (folder / "web/server.pem").write_bytes((other / "web/server.pem").read_bytes())

    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        meet(folder, "web", "web")


def test_what_is_good_stays_and_only_the_ageing_is_made_anew(folder):
    before = contents(folder)
    assert make_certificates(folder) == []
    assert make_certificates(folder, NOW + SERVER_LIFE - RENEWED_BEFORE - timedelta(days=1)) == []
    assert contents(folder) == before

    later = NOW + SERVER_LIFE - RENEWED_BEFORE + timedelta(days=1)
    assert make_certificates(folder, later) == list(OWNERS)

    assert contents(folder)[folder / "clients/ca.crt"] == before[folder / "clients/ca.crt"]
    assert not [path for path in folder.rglob("*") if path.suffix == ".new"]


@pytest.mark.parametrize("damage", ["", "no pem at all"])
def test_what_is_broken_is_made_anew(folder, damage):
    (folder / "db/server.pem").write_text(damage)
    assert make_certificates(folder) == ["db"]
    assert meet(folder, "db", "db")


def test_a_key_beside_anothers_certificate_is_made_anew(folder):
    web, stream = ((folder / name / "server.pem").read_text() for name in ("web", "stream"))
    end = "-----END PRIVATE KEY-----\n"
    (folder / "web/server.pem").write_text(web.partition(end)[0] + end + stream.partition(end)[2])
    assert make_certificates(folder) == ["web"]


def test_a_lost_or_old_authority_takes_all_others_with_it(folder):
    (folder / "authority/authority.pem").unlink()
    assert make_certificates(folder) == ["authority", *OWNERS]
    assert meet(folder, "db", "db")
    assert make_certificates(folder, NOW + timedelta(days=3650 - 300)) == ["authority", *OWNERS]


def test_keys_are_for_their_server_alone(folder):
    for name, owner in OWNERS.items():
        found = (folder / name / "server.pem").stat()
        assert found.st_mode & 0o777 == 0o600
        if os.geteuid() == 0:
            assert (found.st_uid, found.st_gid) == (owner, owner)
    assert (folder / "authority/authority.pem").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in (folder / "clients/ca.crt").read_bytes()
    assert (folder / "clients/ca.crt").stat().st_mode & 0o777 == 0o644


def test_the_command_says_what_it_made(tmp_path, capsys):
    main([str(tmp_path)])
    main([str(tmp_path)])
    said = capsys.readouterr().out.splitlines()
    assert said == ["Made: authority, db, redis, web, stream.", "Every certificate is still good."]
