"""The deployment files: consistent with each other and with the code.

The commands are taken from compose.yaml and run beside each other on this machine, on PostgreSQL
and Redis when the suite runs on them.
"""

import fnmatch
import inspect
import re
from pathlib import Path

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
