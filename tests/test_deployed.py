"""The services of compose.yaml beside each other: they work, and they refuse what they should.

Everything is real: PostgreSQL and Redis with compose's own settings and certificates, gunicorn,
uvicorn and Celery with the secrets that compose gives each of them, and Caddy in front.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
import struct
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings

from config.certificates import CLIENTS, make_certificates
from tests.deployed import MISSING, OURS, SERVICES, Host, binary
from tests.test_smuggling import DOUBTFUL, statuses

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not (settings.REDIS_URL and settings.DATABASES["default"]["ENGINE"].endswith("postgresql"))
        or bool(MISSING and os.environ.get("REQUIRE_SERVICES") != "1"),
        reason=f"on services alone, and with their programs; missing here: {MISSING or 'none'}",
    ),
]

FLOW = """
kind: app
version: 0.6.0
app: {name: Deployed, mode: workflow}
workflow:
  graph:
    nodes:
      - id: start
        data:
          type: start
          title: Start
          variables: [{variable: who, type: text-input, label: Who, required: true}]
      - id: greet
        data:
          type: template-transform
          title: Greet
          template: "Hello {{ who }}"
          variables: [{variable: who, value_selector: [start, who]}]
      - id: end
        data:
          type: end
          title: End
          outputs: [{variable: text, value_selector: [greet, output]}]
    edges:
      - {id: a, source: start, target: greet, sourceHandle: source}
      - {id: b, source: greet, target: end, sourceHandle: source}
"""
PREPARE = """
import sys, django; django.setup()
from accounts.models import User
from orgs.access import Actor
from orgs.actions import create_key, found_organization
from workflows.actions import import_flow, publish_version, start_run
user = User.objects.create_user("deploy@example.com", "correct horse battery")
organization = found_organization(user_id=user.pk, name="Deployed")
actor = Actor(organization_id=organization.pk, role="owner", user_id=user.pk)
version = import_flow(actor=actor, raw=sys.stdin.buffer.read(), filename="deployed.yml")
publish_version(actor=actor, version_id=version.pk)
run = start_run(actor=actor, workflow_id=version.workflow_id, inputs={"who": "beat"})
scopes = ["workflow.view", "workflow.run", "run.view", "model.call"]
_, token = create_key(actor=actor, name="deploy", scopes=scopes)
print(token, version.workflow_id, run.public_id)
"""
UPKEEP = """
import json, django; django.setup()
from datetime import timedelta
from django.utils.timezone import now
from audit.proof import prove
from audit.sealing import prune_entries, seal_all
from orgs.access import system_actor
from orgs.models import Organization
pk = Organization.objects.get(name="Deployed").pk
seal_all(everything=True)
dropped = prune_entries(actor=system_actor(pk), before=now() + timedelta(days=1))
problems = [str(problem) for problem in prove(pk).problems]
print(json.dumps({"dropped": dropped, "problems": problems}))
"""


@pytest.fixture(scope="module")
def host():
    """Everything that `docker compose up` starts, in its order; ready to be asked."""
    with ExitStack() as stack:
        host = Host(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.enter_context(host.database())
        stack.enter_context(host.broker())
        host.run("web", "python", "manage.py", "collectstatic", "--noinput", "-v", "0")
        host.run("migrate")
        for name in ("web", "stream", "worker", "beat"):
            stack.enter_context(host.started(name))
        for name in ("web", "stream"):
            host.wait_for(name)
        stack.enter_context(host.proxy())
        yield host


@pytest.fixture(scope="module")
def prepared(host):
    """A key, a published workflow, and a run whose doorbell rang in an empty room."""
    return run_python(host, "web", PREPARE, FLOW, REDIS_URL="").split()


@pytest.fixture(scope="module")
def forged(host):
    """Certificates for the same names, of another installation's authorities and of last week."""
    folder = host.folder / "forged"
    make_certificates(folder / "another")
    shutil.copytree(host.folder / "certs/authority", folder / "expired/authority")
    make_certificates(folder / "expired", datetime.now(UTC) - timedelta(days=7))
    return folder


def run_python(host, name, code, text="", **changed):
    assignments = [f"{key}={value}" for key, value in changed.items()]
    settled = [*assignments, "DJANGO_SETTINGS_MODULE=config.settings.base"]
    return host.run(name, "env", *settled, "python", "-c", code, text=text)


def test_the_services_of_compose_work_together(host, prepared):
    token, workflow, queued = prepared
    site = f"https://localhost:{host.https}"

    assert ask(host, site, "/healthz")[0] == 200
    status, body = ask(host, site, "/v1/models")
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
    # Its doorbell never reached the broker: only beat's sweep can have found it.
    assert outcome(host, site, token, queued) == ("succeeded", {"text": "Hello beat"})
    status, body = ask(
        host, site, f"/api/v1/workflows/{workflow}/runs/", token, {"inputs": {"who": "you"}}
    )
    assert status == 201, body
    _, events = ask(host, site, f"/api/v1/runs/{json.loads(body)['id']}/stream/", token)
    assert "event: run.succeeded" in events
    assert ask(host, site, "/accounts/login/")[0] == 200


def test_every_process_works_with_the_keys_it_was_given(host, prepared):
    """Access tokens are made by `web` and believed by `stream`; nobody made a key of its own."""
    site = f"https://localhost:{host.https}"
    login = {"email": "deploy@example.com", "password": "correct horse battery"}

    status, body = ask(host, site, "/api/v1/auth/app/v1/auth/login", body=login)
    assert status == 200, body
    access = json.loads(body)["meta"]["access_token"]
    _, events = ask(host, site, f"/api/v1/runs/{prepared[2]}/stream/", access)

    assert "event: run.succeeded" in events
    for name in OURS:
        made = {path.name for path in (host.folder / "data" / name).iterdir()}
        assert not made & {"secret_key", "secret_keys", "jwt_keys"}, name


@pytest.mark.parametrize("name", ["db", "redis", "web", "stream", "worker"])
def test_health_is_told_to_who_asks_as_compose_does(host, name):
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    command = ["sh", "-c", *command] if kind == "CMD-SHELL" else command
    port = str(host.ports.get(name))
    command[1:1] = ["-p", port] if name == "redis" else []
    ready = [
        host.placed(name, part).replace("$$", "$").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        for part in command
    ]

    inside = [f"HOSTNAME={socket.gethostname()}", f"PGHOST={host.folder / 'db'}", f"PGPORT={port}"]
    host.run(name, "env", *inside, binary(ready[0]), *ready[1:])


def test_plain_http_leads_pages_to_https_and_refuses_programs(host, prepared):
    plain = f"http://localhost:{host.http}"

    page = ask(host, plain, "/accounts/login/", redirected=False)
    api = ask(host, plain, "/api/v1/runs/", prepared[0])
    stream = ask(host, plain, f"/api/v1/runs/{prepared[2]}/stream/", prepared[0])
    gateway = ask(host, plain, "/v1/models", prepared[0])

    assert page[0] == 301
    assert page[1].startswith("https://localhost")
    assert (api[0], json.loads(api[1])["code"]) == (403, "https_required")
    assert (stream[0], json.loads(stream[1])["code"]) == (403, "https_required")
    assert (gateway[0], json.loads(gateway[1])["error"]["code"]) == (403, "https_required")


def test_a_caller_cannot_claim_to_have_come_by_tls(host, prepared):
    claimed = {"X-Forwarded-Proto": "https"}
    status, body = ask(
        host, f"http://localhost:{host.http}", "/v1/models", prepared[0], headers=claimed
    )
    assert (status, json.loads(body)["error"]["code"]) == (403, "https_required")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("name", ["caddy", "web", "stream"])
def test_old_versions_of_tls_are_refused(host, name):
    port = host.ports.get(name, host.https)
    # uvicorn's loop hangs up without saying why; the next line shows that it was the version.
    shown = None if name == "caddy" else host.certs("caddy") / f"{name}.pem"
    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|UNEXPECTED_EOF"):
        handshake(port, ssl.TLSVersion.TLSv1_1, shown=shown)
    assert handshake(port, ssl.TLSVersion.TLSv1_2, shown=shown)[1] == "TLSv1.2"
    assert handshake(port, ssl.TLSVersion.TLSv1_3, shown=shown)[1] == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"])
def test_weak_cipher_suites_are_refused_at_the_door(host, cipher):
    """No forward secrecy, or no authenticated encryption."""
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        handshake(host.https, ssl.TLSVersion.TLSv1_2, cipher)
    assert handshake(host.https, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256")


@pytest.mark.parametrize("name", ["web", "stream"])
def test_inner_servers_speak_nothing_but_tls(host, name):
    with pytest.raises(OSError, match=r".+"):
        urllib.request.urlopen(f"http://127.0.0.1:{host.ports[name]}/healthz", timeout=5)


def test_the_database_refuses_who_comes_without_tls_or_checks_it_by_another_authority(host):
    url = host.environment_of("web")["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        shown = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.execute(shown).fetchone() == (True, "/CN=web")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(url, sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(url, sslrootcert=str(host.outer_authority))


def test_the_database_lets_in_by_certificate_and_as_its_role_alone(host, forged):
    url = host.environment_of("web")["DATABASE_URL"]
    for shown, refusal in {
        Path("/nowhere.pem"): "requires a valid client certificate",
        host.certs("caddy") / "web.pem": "unknown ca",  # a good one, at another door
        host.certs("web") / "redis.pem": "unknown ca",
        host.certs("db") / "server.pem": "unknown ca",
        forged / "another/web/db.pem": "unknown ca",
        forged / "expired/web/db.pem": "certificate expired",
        host.certs("migrate") / "db.pem": "certificate authentication failed",
    }.items():
        with pytest.raises(psycopg.OperationalError, match=refusal):
            psycopg.connect(url, sslcert=str(shown), sslkey=str(shown))
    for user in ("loomwork", "postgres", "web"):
        with pytest.raises(psycopg.OperationalError, match=r"authentication failed|no pg_hba"):
            psycopg.connect(url, user=user)
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        psycopg.connect(url, dbname="postgres")


def test_no_role_that_comes_over_the_network_has_a_password(host):
    socket_inside = f"host={host.folder / 'db'} port={host.ports['db']} user=loomwork"
    with psycopg.connect(f"{socket_inside} dbname=loomwork") as connection:
        found = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'loomwork_service'"
        ).fetchall()
    assert found == [(None,)]


def test_redis_refuses_who_comes_without_tls_or_the_right_certificate(host, forged):
    url = host.environment_of("web")["REDIS_URL"]
    assert redis.from_url(url).ping()
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        redis.Redis(port=host.ports["redis"], socket_timeout=1, retry=None).ping()
    good = host.certs("web") / "redis.pem"
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        pinged(host, good, host.outer_authority)
    assert pinged(host, good) == b"+PONG\r\n"
    for shown, refusal in {
        None: "CERTIFICATE_REQUIRED",
        host.certs("web") / "db.pem": "UNKNOWN_CA",
        host.certs("caddy") / "web.pem": "UNKNOWN_CA",
        host.certs("redis") / "server.pem": "UNKNOWN_CA",
        forged / "another/web/redis.pem": "UNKNOWN_CA",
        forged / "expired/web/redis.pem": "CERTIFICATE_EXPIRED",
    }.items():
        with pytest.raises(ssl.SSLError, match=refusal):
            pinged(host, shown)


def test_what_redis_keeps_for_its_operator_is_refused(host):
    client = redis.from_url(host.environment_of("web")["REDIS_URL"])
    for command in ("FLUSHALL", "CONFIG GET *", "CONFIG SET maxmemory 0", "SHUTDOWN", "ACL LIST"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())
    with pytest.raises(redis.AuthenticationError):
        client.execute_command("AUTH", "renewal", "guessed")


@pytest.mark.parametrize("name", ["web", "stream"])
def test_inner_servers_answer_caddy_alone(host, forged, name):
    other = {"web": "stream", "stream": "web"}[name]
    assert asked_inside(host, name, host.certs("caddy") / f"{name}.pem") == 200
    for shown in (
        None,
        host.certs("caddy") / f"{other}.pem",
        host.certs(other) / f"{other}.pem",
        host.certs("worker") / "db.pem",
        host.certs(name) / "server.pem",
        forged / f"another/caddy/{name}.pem",
        forged / f"expired/caddy/{name}.pem",
    ):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked_inside(host, name, shown)


def test_renewed_certificates_are_taken_up_while_everything_goes_on(host, prepared):
    """Servers show the new one, clients are let in by theirs, and no process was started anew."""
    site = f"https://localhost:{host.https}"
    before = {name: shown_by(host, name) for name in CLIENTS}

    host.renew()

    for name in CLIENTS:
        made = x509.load_pem_x509_certificate((host.certs(name) / "server.pem").read_bytes())
        new = made.public_bytes(Encoding.DER)
        assert new != before[name]
        host.wait_until(lambda name=name, new=new: shown_by(host, name) == new)
    psycopg.connect(host.environment_of("web")["DATABASE_URL"]).close()
    assert redis.from_url(host.environment_of("web")["REDIS_URL"]).ping()
    assert asked_inside(host, "stream", host.certs("caddy") / "stream.pem") == 200
    assert ask(host, site, "/api/v1/runs/", prepared[0])[0] == 200


def test_a_new_authority_takes_the_place_of_the_old_while_everything_goes_on(host, prepared):
    site = f"https://localhost:{host.https}"
    kept = host.folder / "kept"
    shutil.copytree(host.folder / "certs", kept)

    host.renew(authority=True)

    def all_believe():
        with suppress(OSError, psycopg.Error, redis.RedisError):
            for name in ("web", "stream"):
                asked_inside(host, name, host.certs(name) / f"{name}.pem")
            redis.from_url(host.environment_of("worker")["REDIS_URL"], retry=None).ping()
            psycopg.connect(host.environment_of("beat")["DATABASE_URL"]).close()
            answered = [
                ask(host, site, path, prepared[0])[0] for path in ("/healthz", "/v1/models")
            ]
            return answered == [200, 200]
        return False

    host.wait_until(all_believe)
    with pytest.raises(psycopg.OperationalError, match="unknown ca"):
        psycopg.connect(
            host.environment_of("web")["DATABASE_URL"],
            sslcert=str(kept / "web/db.pem"), sslkey=str(kept / "web/db.pem"),
        )  # fmt: skip
    address, inputs = f"/api/v1/workflows/{prepared[1]}/runs/", {"inputs": {"who": "new"}}
    _, body = ask(host, site, address, prepared[0], inputs)
    assert outcome(host, site, prepared[0], json.loads(body)["id"])[0] == "succeeded"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE intruder (id int)",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TABLE billing_ledgerentry",
        "TRUNCATE accounts_user CASCADE",
        "UPDATE billing_ledgerentry SET amount = 0",
        "DELETE FROM billing_ledgerentry",
        "UPDATE audit_entry SET action = ''",
        "UPDATE accounts_securityevent SET kind = ''",
        "DELETE FROM audit_seal",
        "DELETE FROM django_migrations",
        "SET session_replication_role = replica",
        "CREATE ROLE intruder",
        "CREATE TEMPORARY TABLE intruder (id int)",
        "COPY accounts_user TO PROGRAM 'cat'",
    ],
)
def test_the_role_that_serves_may_not(host, statement):
    with (
        psycopg.connect(host.environment_of("web")["DATABASE_URL"]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_sealing_and_retention_work_for_the_role_that_serves(host, prepared):
    done = json.loads(run_python(host, "worker", UPKEEP))
    assert done["dropped"] > 0, "beat may have sealed them before"
    assert done["problems"] == []


def test_migrating_again_changes_nothing_and_keeps_the_processes(host, prepared):
    host.run("migrate")
    assert ask(host, f"https://localhost:{host.https}", "/api/v1/runs/", prepared[0])[0] == 200


@pytest.mark.parametrize("name", DOUBTFUL)
def test_nothing_is_smuggled_past_the_proxy(host, name):
    """Plain HTTP is led on, so 301 would be the answer to what stands behind.

    Of both a length and chunks Caddy reads the chunks and passes on nothing but them, as RFC 9112
    6.3 has it: then what stands behind is a request of its own for everybody.
    """
    found = statuses(host.http, *DOUBTFUL[name])

    if name in {"length and chunks", "chunks and length"}:
        assert found == [403, 301]
    else:
        assert 301 not in found
        assert found[-1] in {400, 501, 502}


def handshake(port, version, cipher="ALL", shown=None):
    """The suite and version agreed on when the client speaks this version alone, however weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    if shown:
        context.load_cert_chain(shown)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    context.minimum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.cipher()[0], secure.version()


def pinged(host, shown, authority=None):
    """What Redis answers who shows this file, or nothing; ssl.SSLError says how it refused."""
    context = ssl.create_default_context(cafile=str(authority or host.certs("web") / "ca.crt"))
    if shown:
        context.load_cert_chain(shown)
    address = ("127.0.0.1", host.ports["redis"])
    with (
        socket.create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        # Who is let in hears nothing yet: what is waited for is the refusal alone.
        secure.settimeout(0.5)
        with suppress(TimeoutError):
            secure.recv(100)
        secure.sendall(b"PING\r\n")
        return secure.recv(100)


def asked_inside(host, name, shown):
    """Status of `web` or `stream` for one who comes past Caddy and shows this file, or nothing."""
    context = ssl.create_default_context(cafile=str(host.certs(name) / "ca.crt"))
    if shown:
        context.load_cert_chain(shown)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", host.ports[name], timeout=10, context=context
    )
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


def shown_by(host, name):
    """The certificate of the server, as DER; PostgreSQL begins in the open and is asked for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", host.ports[name]), timeout=10) as plain:
        if name == "db":
            plain.sendall(struct.pack("!II", 8, 80877103))
            assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as secure:
            return secure.getpeercert(binary_form=True)


class Unled(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


def ask(host, server, path, token="", body=None, *, redirected=True, headers=None):
    """Status and text; of a redirect that is not followed, status and target."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data=data, headers=sent)
    trusting = ssl.create_default_context(cafile=str(host.outer_authority))
    handlers = [urllib.request.HTTPSHandler(context=trusting), *([] if redirected else [Unled])]
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location") or error.read().decode()


def outcome(host, server, token, run, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, body = ask(host, server, f"/api/v1/runs/{run}/", token)
        shown = json.loads(body)
        if status == 200 and shown["ended_at"]:
            return shown["state"], shown["outputs"]
        time.sleep(0.2)
    raise AssertionError(body)
