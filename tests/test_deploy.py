"""The deployment files: consistent with each other and with the code.

That compose's commands start and work together is shown by `test_deployed.py`.
"""

import fnmatch
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.urls import URLPattern, get_resolver

from config.certificates import CLIENT_LIFE, CLIENTS, OWNERS, make_certificates
from tests.deployed import COMPOSE, ROOT, SERVICES, declared

CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
SECRETS = {
    "SECRET_KEY", "SECRET_KEYS", "JWT_KEYS", "EMAIL_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY",
}  # fmt: skip
KEYS = {"SECRET_KEY", "SECRET_KEYS"}
OUTSIDE = {"EMAIL_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
NEEDED = {
    "certificates": set(),
    "renewal": set(),
    "db": set(),
    "redis": set(),
    "migrate": {"SECRET_KEYS"},
    "web": KEYS | OUTSIDE | {"JWT_KEYS"},
    "stream": KEYS | OUTSIDE | {"JWT_KEYS"},
    "worker": KEYS | OUTSIDE,
    "beat": set(),
    "caddy": set(),
}
"""Service to the secrets of .env that it has a use for."""
NETWORKS = {
    "database": {"db", *CLIENTS["db"]},
    "broker": {"redis", *CLIENTS["redis"]},
    "front": {"web", "stream", "caddy"},
    "outgoing": {"web", "stream", "worker"},
    "edge": {"caddy"},
}
"""Network to the services that have somebody to meet there."""


# --- the files


def test_every_process_of_the_product_runs_from_the_one_image():
    ours = {name: service for name, service in SERVICES.items() if "build" in service}
    assert set(ours) == {
        "certificates", "renewal", "migrate", "web", "stream", "worker", "beat",
    }  # fmt: skip
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
    for name in ("web", "stream", "worker"):
        inside = [volume.split(":")[1] for volume in SERVICES[name]["volumes"]]
        assert inside == ["/data/files", "/certs"]


def test_the_worker_takes_every_queue_that_is_written_to():
    queues = next(part for part in SERVICES["worker"]["command"] if part.startswith("--queues="))
    written = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    written.add(settings.CELERY_TASK_DEFAULT_QUEUE)
    assert set(queues.removeprefix("--queues=").split(",")) == written


def test_long_answers_go_to_the_asynchronous_server_and_pages_to_the_threaded_one():
    assert goes_to("/v1/chat/completions") == "stream"
    assert goes_to("/v1/models") == "stream"
    assert goes_to("/api/v1/runs/0192f0c1-7a3b-7000-8000-00000000000f/stream/") == "stream"
    assert goes_to("/api/v1/runs/stream/") == "stream"
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
    assert "config.stream" in SERVICES["stream"]["command"]


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


def test_every_value_of_the_example_reaches_a_process():
    """No service reads .env whole, so each of its names is passed on by somebody."""
    example = re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    files = [ROOT / "compose.yaml", ROOT / "deploy/logs.yaml"]
    texts = "\n".join(path.read_text() for path in files)
    by_itself = {"DATABASE_URL", "REDIS_URL", "PRODUCTION", "DEBUG", "DATA_DIR", "EMBEDDED_WORKER"}
    passed = {name for name in SERVICES for name in declared(name)}
    passed |= set(re.findall(r"\$\{([A-Z_]+)", texts))
    assert set(example) - passed == by_itself - passed
    assert not [name for name, service in SERVICES.items() if "env_file" in service]


@pytest.mark.parametrize("name", SERVICES)
def test_no_process_gets_a_secret_it_has_no_use_for(name):
    given = declared(name)
    asked = {key for key, text in given.items() if text is None}
    asked |= {
        found for text in given.values() for found in re.findall(r"\$\{([A-Z_]+)", text or "")
    }
    assert asked & SECRETS == NEEDED[name]
    if name in {"migrate", "worker", "beat"}:
        # One that is left out would be made anew, and believed to be the installation's.
        for key in ("SECRET_KEY", "SECRET_KEYS", "JWT_KEYS"):
            assert key in NEEDED[name] or given[key] == "none", key


def test_no_secret_stands_in_a_command():
    """Arguments can be read by everybody on the host."""
    for name, service in SERVICES.items():
        text = str(service.get("command", "")) + str(service.get("healthcheck", ""))
        assert not re.search(r"(?<!\$)\$\{", text), name


@pytest.mark.parametrize("name", OWNERS)
def test_each_service_has_its_own_certificates_and_no_one_elses(name):
    mounted = {
        other: [volume for volume in service["volumes"] if volume.startswith("certs-")]
        for other, service in SERVICES.items()
    }
    assert mounted[name] == [f"certs-{name}:/certs:ro"]
    made = [mounted.pop("certificates"), mounted.pop("renewal")]
    assert made[0] == made[1]
    assert f"certs-{name}:/certs/{name}" in made[0]
    assert (
        sum(f"certs-{name}:" in volume for volumes in mounted.values() for volume in volumes) == 1
    )
    assert not any("certs-authority" in str(volumes) for volumes in mounted.values())


def test_every_connection_between_services_is_by_tls_and_by_certificate():
    for name in ("migrate", "web", "stream", "worker", "beat"):
        urls = {key: text for key, text in declared(name).items() if key.endswith("_URL") and text}
        for key in [key for key in urls if key.endswith("DATABASE_URL")]:
            role = "loomwork" if (name, key) == ("migrate", "DATABASE_URL") else "loomwork_service"
            assert urls[key] == (
                f"postgres://{role}@db:5432/loomwork?sslmode=verify-full"
                "&sslrootcert=/certs/ca.crt&sslcert=/certs/db.pem&sslkey=/certs/db.pem"
            )
        assert name in CLIENTS["db"]
        assert ("REDIS_URL" in urls) == (name in CLIENTS["redis"])
        if "REDIS_URL" in urls:
            assert urls["REDIS_URL"] == (
                "rediss://redis:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/certs/ca.crt"
                "&ssl_certfile=/certs/redis.pem&ssl_keyfile=/certs/redis.pem"
            )
    assert rules_of("pg_hba.conf") == [
        ["local", "all", "all", "trust"],
        ["hostssl", "loomwork", "loomwork,loomwork_service", "all", "cert", "map=inside"],
    ]
    assert ["port", "0"] in rules_of("redis.conf")
    assert ["tls-auth-clients", "yes"] in rules_of("redis.conf")
    assert {"--cert-reqs=2", "--ca-certs=/certs/clients.crt"} <= set(SERVICES["web"]["command"])
    assert set(re.findall(r"reverse_proxy (\S+)", CADDYFILE)) == {
        "https://stream:8000", "https://web:8000",
    }  # fmt: skip
    assert "tls_client_auth /certs/{args[0]}.pem /certs/{args[0]}.pem" in CADDYFILE


def test_every_client_of_the_database_takes_the_role_it_needs():
    roles = {client: role for _, client, role in rules_of("pg_ident.conf")}
    assert set(roles) == set(CLIENTS["db"])
    assert [client for client, role in roles.items() if role != "loomwork_service"] == ["migrate"]


def rules_of(name):
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    return [line.split() for line in lines if line and line[0] != "#"]


def test_every_service_is_on_the_networks_it_needs_and_on_no_other():
    """Who answers or keeps the clock has no way out; nobody meets whom it has nothing to say to."""
    assert set(COMPOSE["networks"]) == set(NETWORKS)
    internal = {name for name, network in COMPOSE["networks"].items() if network}
    assert internal == {"database", "broker", "front"}
    assert all(COMPOSE["networks"][name] == {"internal": True} for name in internal)
    for name, service in SERVICES.items():
        if name in {"certificates", "renewal"}:
            assert service["network_mode"] == "none"
            assert "networks" not in service
        else:
            needed = {network for network, members in NETWORKS.items() if name in members}
            assert set(service["networks"]) == needed, name
            assert "network_mode" not in service
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    for server, clients in CLIENTS.items():
        shared = [set(SERVICES[client]["networks"]) for client in clients]
        assert all(set(SERVICES[server]["networks"]) & networks for networks in shared)


def test_who_makes_certificates_runs_the_same_once_before_all_and_then_for_ever():
    once, ever = SERVICES["certificates"], SERVICES["renewal"]
    assert ever["command"][:-1] == once["command"]
    assert re.fullmatch(r"--every=\d+", ever["command"][-1])
    assert (once["restart"], ever["restart"]) == ("no", "unless-stopped")
    for name in ("db", "redis", "renewal"):
        needed = SERVICES[name]["depends_on"]["certificates"]["condition"]
        assert needed == "service_completed_successfully"


def test_renewal_is_ill_once_it_is_late(tmp_path):
    command = SERVICES["renewal"]["healthcheck"]["test"][1].replace("$$", "$")
    command = command.replace("/certs", str(tmp_path))
    make_certificates(tmp_path)
    due = CLIENT_LIFE.total_seconds() / 2
    for age, healthy in ((0, True), (due, True), (due + 3700, False)):
        made = time.time() - age
        os.utime(tmp_path / "caddy/web.pem", (made, made))
        assert (subprocess.run(["sh", "-c", command], check=False).returncode == 0) is healthy


def test_who_reads_certificates_at_its_start_is_told_of_new_ones():
    for name in ("db", "redis", "caddy"):
        assert "/etc/loomwork/renewing.sh" in str(SERVICES[name]["command"])
        assert "./deploy/renewing.sh:/etc/loomwork/renewing.sh:ro" in SERVICES[name]["volumes"]
        assert SERVICES[name]["init"] is True, "the watcher would be a child of the server"


def test_logs_are_bounded_and_can_all_be_sent_elsewhere():
    elsewhere = yaml.safe_load((ROOT / "deploy/logs.yaml").read_text())["services"]
    assert set(elsewhere) == set(SERVICES)
    for name, service in SERVICES.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert elsewhere[name]["logging"]["options"]["syslog-address"].startswith("tcp+tls://")


def in_the_image():
    """What `COPY . .` takes of the files in version control, by .dockerignore's own rules."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert not [rule for rule in rules if rule.startswith("!")], (
        "exceptions are not understood here"
    )
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in files.splitlines() if not ignored(Path(name), rules)]


def ignored(path, rules):
    """`**/x` fits at any depth, a rule without it from the top; a folder takes what is in it."""
    every = [path, *path.parents][:-1]
    return any(
        each.match(rule[3:]) if rule.startswith("**/") else fnmatch.fnmatchcase(str(each), rule)
        for rule in rules
        for each in every
        if rule.startswith("**/") or str(each).count("/") == rule.count("/")
    )


def test_the_image_carries_what_runs_and_nothing_of_tests_or_tools(tmp_path):
    files = in_the_image()
    tops = {path.parts[0] for path in files if len(path.parts) == 1}
    assert tops == {"manage.py", "requirements.txt"}
    assert not [path for path in files if "tests" in path.parts or "bench" in path.parts]
    assert Path("config/settings/base.py") in files
    assert Path("config/settings/test.py") not in files
    for path in files:
        if (ROOT / path).is_file():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)

    for command in (["check"], ["migrate", "-v0"], ["help", "up"], ["help", "demo"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")},
        check=True,
    )


IMPORT_ALL = """
import importlib, os, sys
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.base"
import django; django.setup()
for path in sorted(Path(sys.argv[1]).rglob("*.py")):
    parts = path.relative_to(sys.argv[1]).with_suffix("").parts
    if parts[0] not in {"manage", "data"} and "migrations" not in parts:
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
"""


def goes_to(path):
    """The upstream Caddy chooses: `handle @stream` when one of its patterns fits, else `handle`."""
    patterns = re.search(r"^\s*@stream path (.+)$", CADDYFILE, re.MULTILINE)[1].split()
    proxied = r"handle( @stream)? \{.*?reverse_proxy https://(\w+):8000"
    blocks = re.findall(proxied, CADDYFILE, re.DOTALL)
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
