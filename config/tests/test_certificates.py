"""Certificates inside an installation: what is made, kept, renewed, and who may read it."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.certificates import (
    CLIENT_LIFE,
    CLIENTS,
    OWNERS,
    SERVER_LIFE,
    main,
    make_certificates,
)

ROOT = Path(__file__).resolve().parent.parent.parent
NOW = datetime.now(UTC)
SERVERS = list(CLIENTS)
LEAVES = {
    name
    for server, clients in CLIENTS.items()
    for name in (f"{server}/server", *(f"{client}/{server}" for client in clients))
}
AUTHORITIES = {"authority/authority", *(f"authority/{name}-clients" for name in SERVERS)}
BY_DOOR = [(server, client) for server, clients in CLIENTS.items() for client in clients]


@pytest.fixture
def folder(tmp_path):
    make_certificates(tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def meet(folder, server, asked=None, authority="caddy", shown=None):
    """What a client that asks for `asked` and shows the file `shown` hears from `server`."""
    serving = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=folder / server / "clients.crt"
    )
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.verify_flags |= ssl.VERIFY_X509_STRICT
    serving.load_cert_chain(folder / server / "server.pem")
    trusting = ssl.create_default_context(cafile=folder / authority / "ca.crt")
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    trusting.load_cert_chain(folder / (shown or f"{CLIENTS[server][0]}/{server}.pem"))
    near, far = socket.socketpair()

    def serve():
        try:
            with serving.wrap_socket(far, server_side=True) as secure:
                secure.sendall(dict(*secure.getpeercert()["subject"])["commonName"].encode())
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with trusting.wrap_socket(near, server_hostname=asked or server) as secure:
            return secure.recv(100).decode()
    finally:
        near.close()
        thread.join()


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_is_believed_by_its_own_name_and_from_inside(folder, server):
    for asked in (server, "localhost", "127.0.0.1"):
        assert meet(folder, server, asked) == CLIENTS[server][0]
    for authority in CLIENTS[server]:
        assert meet(folder, server, authority=authority)


@pytest.mark.parametrize(("server", "client"), BY_DOOR)
def test_each_client_is_let_in_by_its_own_name(folder, server, client):
    assert meet(folder, server, shown=f"{client}/{server}.pem") == client


@pytest.mark.parametrize("server", SERVERS)
def test_a_certificate_opens_one_door_alone(folder, server):
    others = {f"{client}/{other}.pem" for other, client in BY_DOOR if other != server}
    for shown in (*others, f"{server}/server.pem"):
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            meet(folder, server, shown=shown)


def test_no_server_can_pose_as_another_and_no_client_as_a_server(folder):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        meet(folder, "web", "db")
    (folder / "web/server.pem").write_bytes((folder / "web/db.pem").read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        meet(folder, "web")


def test_another_installations_authority_is_not_believed(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    make_certificates(other)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        meet(folder, "web", shown=other / "caddy/web.pem")
    (folder / "web/server.pem").write_bytes((other / "web/server.pem").read_bytes())

    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        meet(folder, "web")


def test_a_clients_certificate_is_good_for_a_day(folder, tmp_path_factory):
    old = tmp_path_factory.mktemp("old")
    shutil.copytree(folder / "authority", old / "authority")
    make_certificates(old, datetime.now(UTC) - CLIENT_LIFE + timedelta(minutes=10))
    assert meet(folder, "web", shown=old / "caddy/web.pem") == "caddy"
    for path in old.rglob("web.pem"):
        path.unlink()
    make_certificates(old, datetime.now(UTC) - CLIENT_LIFE - timedelta(minutes=1))
    with pytest.raises(ssl.SSLError, match="EXPIRED"):
        meet(folder, "web", shown=old / "caddy/web.pem")


def test_what_is_good_stays_and_only_the_ageing_is_made_anew(folder):
    before = contents(folder)
    assert make_certificates(folder) == []
    assert make_certificates(folder, NOW + CLIENT_LIFE / 2 - timedelta(minutes=10)) == []
    assert contents(folder) == before

    later = make_certificates(folder, NOW + CLIENT_LIFE / 2 + timedelta(minutes=10))
    assert set(later) == {name for name in LEAVES if not name.endswith("/server")}
    latest = make_certificates(folder, NOW + SERVER_LIFE / 2 + timedelta(minutes=10))
    assert set(latest) == LEAVES

    for name in ("web/ca.crt", "web/clients.crt"):
        assert contents(folder)[folder / name] == before[folder / name]
    assert not [path for path in folder.rglob("*") if path.suffix == ".new"]


@pytest.mark.parametrize("damage", ["", "no pem at all"])
def test_what_is_broken_is_made_anew(folder, damage):
    for name in ("db/server", "web/db"):
        (folder / f"{name}.pem").write_text(damage)
    assert make_certificates(folder) == ["db/server", "web/db"]
    assert meet(folder, "db", shown="web/db.pem") == "web"


def test_a_key_beside_anothers_certificate_is_made_anew(folder):
    web, stream = ((folder / name / "server.pem").read_text() for name in ("web", "stream"))
    end = "-----END PRIVATE KEY-----\n"
    (folder / "web/server.pem").write_text(web.partition(end)[0] + end + stream.partition(end)[2])
    assert make_certificates(folder) == ["web/server"]


def test_a_lost_or_old_authority_takes_what_it_signed_with_it(folder):
    (folder / "authority/authority.pem").unlink()
    servers = {f"{name}/server" for name in SERVERS}
    assert set(make_certificates(folder)) == {"authority/authority", *servers}
    (folder / "authority/web-clients.pem").unlink()
    theirs = {f"{client}/web" for client in CLIENTS["web"]}
    assert set(make_certificates(folder)) == {"authority/web-clients", *theirs}
    assert meet(folder, "web") == "caddy"
    late = make_certificates(folder, NOW + timedelta(days=3650 - 300))
    assert set(late) == AUTHORITIES | LEAVES


def test_keys_are_for_their_service_alone(folder):
    for name in LEAVES:
        found = (folder / f"{name}.pem").stat()
        assert found.st_mode & 0o777 == 0o600
        if os.geteuid() == 0:
            assert {found.st_uid, found.st_gid} == {OWNERS[name.partition("/")[0]]}
    for name in AUTHORITIES:
        assert (folder / f"{name}.pem").stat().st_mode & 0o777 == 0o600
    public = list(folder.rglob("*.crt"))
    assert len(public) == len(OWNERS) + len(SERVERS)
    for path in public:
        assert b"PRIVATE" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o644
    assert {path.parent.name for path in folder.rglob("*.pem")} == {"authority", *OWNERS}


def test_the_command_says_what_it_made(tmp_path, capsys):
    main([str(tmp_path)])
    main([str(tmp_path)])
    first, second = capsys.readouterr().out.splitlines()
    assert set(first.removeprefix("Made: ").removesuffix(".").split(", ")) == AUTHORITIES | LEAVES
    assert second == "Made: nothing, every certificate is still good."


def test_the_command_can_stay_and_look_again(tmp_path):
    command = [sys.executable, "-m", "config.certificates", str(tmp_path), "--every=1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("Made: authority")
            (tmp_path / "caddy/web.pem").unlink()
            assert process.stdout.readline() == "Made: caddy/web.\n"
        finally:
            process.terminate()
    assert meet(tmp_path, "web") == "caddy"
