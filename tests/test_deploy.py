"""The deployment files: consistent with the code, and every service's command starts and works.

The commands are taken from compose.yaml and run beside each other on this machine, on PostgreSQL
and Redis when the suite runs on them.
"""

import fnmatch
import inspect
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlparse

import psycopg
import pytest
import redis
import yaml
from django.conf import settings
from django.urls import URLPattern, get_resolver

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
DATABASE, REDIS_DB = "loom_deploy", 12


# --- the files


def test_every_process_of_the_product_runs_from_the_one_image():
    ours = {name: service for name, service in SERVICES.items() if "build" in service}
    assert set(ours) == {"migrate", "web", "stream", "worker", "beat"}
    assert {service["image"] for service in ours.values()} == {"loomwork:latest"}


def test_nothing_starts_before_what_it_needs():
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES, f"{name} needs {needed}"
            if how["condition"] == "service_healthy":
                other = SERVICES[needed]
                assert "healthcheck" in other or "build" in other, f"{needed} tells no health"
    for name in ("web", "stream", "worker", "beat"):
        condition = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


def test_every_value_compose_asks_for_stands_in_the_example():
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text() + CADDYFILE))
    asked |= set(re.findall(r"\{\$([A-Z_]+)", CADDYFILE))
    example = (ROOT / ".env.example").read_text()
    assert asked <= set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))


def test_named_volumes_are_declared_and_only_files_leave_the_image():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists()
    assert {tuple(SERVICES[name]["volumes"]) for name in ("web", "worker")} == {
        ("files:/data/files",)
    }


def test_the_worker_takes_every_queue_that_is_written_to():
    queues = next(part for part in SERVICES["worker"]["command"] if part.startswith("--queues="))
    written = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    written.add(settings.CELERY_TASK_DEFAULT_QUEUE)
    assert set(queues.removeprefix("--queues=").split(",")) == written


def test_long_answers_go_to_the_asynchronous_server_and_pages_to_the_threaded_one():
    assert goes_to("/v1/chat/completions") == "stream"
    assert goes_to("/v1/models") == "stream"
    assert goes_to("/api/v1/runs/0192f0c1-7a3b-7000-8000-00000000000f/stream/") == "stream"
    for path in (
        "/",
        "/healthz",
        "/api/v1/runs/",
        "/api/v1/workflows/",
        "/admin/",
        "/static/a.css",
    ):
        assert goes_to(path) == "web", path
    assert "config.wsgi:application" in SERVICES["web"]["command"]
    assert "config.asgi:application" in SERVICES["stream"]["command"]


def test_no_asynchronous_view_is_left_to_the_threaded_server():
    routes = [path for path, view in all_routes() if inspect.iscoroutinefunction(view)]
    assert routes
    for path in routes:
        assert goes_to(path) == "stream", path


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health():
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    assert re.search(r"^USER [1-9]\d+$", lines, re.MULTILINE)
    probed = re.search(r"HEALTHCHECK.*http://127\.0\.0\.1:8000(/\w+)", lines)
    assert probed
    assert probed[1] in {path for path, _ in all_routes()}


def test_no_secret_of_a_developer_enters_the_image():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", "data", ".git", ".venv"} <= set(ignored)
    made = re.findall(r'DATA_DIR / "(\w+_keys?)"', (ROOT / "config/settings/base.py").read_text())
    removed = re.search(r"rm -f (.+) \\", (ROOT / "Dockerfile").read_text())[1].split()
    assert len(made) == 3
    assert set(removed) == {f"/data/{name}" for name in made}, "keys of the build stay in the image"
    assert not re.search(r"^SECRET_KEYS?=.", (ROOT / ".env.example").read_text(), re.MULTILINE)


def goes_to(path):
    """The upstream Caddy chooses: `handle @stream` when one of its patterns fits, else `handle`."""
    patterns = re.search(r"^\s*@stream path (.+)$", CADDYFILE, re.MULTILINE)[1].split()
    blocks = re.findall(r"handle( @stream)? \{.*?reverse_proxy (\w+):8000", CADDYFILE, re.DOTALL)
    assert [name.strip() for name, _ in blocks] == ["@stream", ""]
    named = any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
    return blocks[0 if named else 1][1]


def all_routes():
    def walk(patterns, prefix):
        for entry in patterns:
            route = prefix + re.sub(r"<\w+:(\w+)>", r"\1", str(entry.pattern))
            if isinstance(entry, URLPattern):
                yield f"/{route}", entry.callback
            else:
                yield from walk(entry.url_patterns, route)

    return list(walk(get_resolver().url_patterns, ""))


# --- the commands


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
ON_SERVICES = settings.REDIS_URL and settings.DATABASES["default"]["ENGINE"].endswith("postgresql")

if ON_SERVICES:

    @pytest.mark.services
    def test_the_services_of_compose_work_together():
        with ExitStack() as stack:
            environment = stack.enter_context(services())
            build_and_migrate(environment)
            web, stream = (
                stack.enter_context(served(name, environment)) for name in ("web", "stream")
            )
            for name in ("worker", "beat"):
                stack.enter_context(started(name, environment))
            token, workflow, queued = prepare(environment)

            assert until(web, "/healthz")[0] == 200
            status, body = until(stream, "/v1/models")
            assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
            # Its doorbell never reached the broker: only beat's sweep can have found it.
            assert outcome(web, token, queued) == ("succeeded", {"text": "Hello beat"})
            assert_a_run_started_over_rest_streams_to_its_end(web, stream, token, workflow)
            assert ask(web, "/accounts/login/")[0] == 200


def assert_a_run_started_over_rest_streams_to_its_end(web, stream, token, workflow):
    asked = {"inputs": {"who": "you"}}
    status, body = ask(web, f"/api/v1/workflows/{workflow}/runs/", token, asked)
    assert status == 201, body
    _, events = ask(stream, f"/api/v1/runs/{json.loads(body)['id']}/stream/", token)
    assert "event: run.succeeded" in events


@contextmanager
def services():
    """An empty database and broker of our own, and the environment that names them."""
    server = settings.DATABASES["default"]
    where = psycopg.conninfo.make_conninfo(
        host=server["HOST"] or None,
        port=server["PORT"] or None,
        user=server["USER"] or None,
        password=server["PASSWORD"] or None,
        dbname="postgres",
    )
    broker = urlparse(settings.REDIS_URL)._replace(path=f"/{REDIS_DB}").geturl()
    login = server["USER"] + (f":{server['PASSWORD']}" if server["PASSWORD"] else "")
    database = f"postgres://{login}@{server['HOST']}:{server['PORT'] or 5432}/{DATABASE}"
    with psycopg.connect(where, autocommit=True) as admin, tempfile.TemporaryDirectory() as data:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
        redis.from_url(broker).flushdb()
        try:
            yield {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": data,
                "DATA_DIR": data,
                "DATABASE_URL": database,
                "REDIS_URL": broker,
                "PRODUCTION": "1",
                "LOG_LEVEL": "WARNING",
            }
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            redis.from_url(broker).flushdb()


def command_of(name, port=0):
    """The argv of compose.yaml, on loopback and a free port, as small as it goes."""
    command = SERVICES[name]["command"]
    parts = shlex.split(command) if isinstance(command, str) else command
    swaps = {
        "--bind=0.0.0.0:8000": f"--bind=127.0.0.1:{port}",
        "--workers=2": "--workers=1",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8000": f"--port={port}",
    }
    return [swaps.get(part, part) for part in parts]


def build_and_migrate(environment):
    """What the image's build and the one-shot service do, side by side."""
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        for command in (collect, command_of("migrate"))
    ]
    assert [process.wait() for process in both] == [0, 0]


def prepare(environment):
    """A key, a published workflow, and a run whose doorbell rang in an empty room."""
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env=environment | {"REDIS_URL": "", "DJANGO_SETTINGS_MODULE": "config.settings.base"},
        input=FLOW.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return made.stdout.decode().split()


@contextmanager
def started(name, environment, port=0):
    """The process while it lives; it must still live at the end and go when it is told to."""
    process = subprocess.Popen(
        command_of(name, port), cwd=ROOT, env=environment, start_new_session=True
    )
    try:
        yield process
        assert process.poll() is None, f"{name} ended by itself"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


@contextmanager
def served(name, environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with started(name, environment, port):
        yield f"http://127.0.0.1:{port}"


def ask(server, path, token="", body=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(server, path, seconds=30):
    """The first answer of a server that is just starting."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask(server, path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def outcome(server, token, run, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, body = ask(server, f"/api/v1/runs/{run}/", token)
        shown = json.loads(body)
        if status == 200 and shown["ended_at"]:
            return shown["state"], shown["outputs"]
        time.sleep(0.2)
    raise AssertionError(body)
