"""`make test`: the suite on the embedded default, then on PostgreSQL and Redis.

A service that does not answer is named, never passed over in silence; with REQUIRE_SERVICES=1 (and
REQUIRE_BROWSER=1 for Chromium) its absence fails the run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import urlparse, urlunparse

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
DATABASE = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14")


Running = tuple["subprocess.Popen[str]", IO[str]]


def required(name: str) -> bool:
    return os.environ.get(name) == "1"


def missing_service() -> str:
    """What does not answer, or ""."""
    try:
        psycopg.connect(DATABASE, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"PostgreSQL at {without_password(DATABASE)}: {error}".strip()
    try:
        redis.from_url(REDIS, socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        return f"Redis at {without_password(REDIS)}: {error}"
    return ""


def without_password(url: str) -> str:
    parts = urlparse(url)
    return urlunparse(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def browser_arguments() -> list[str]:
    if shutil.which("chromium") or shutil.which("chromium-browser"):
        return []
    if required("REQUIRE_BROWSER"):
        sys.exit("Chromium is missing, and this run requires the browser journeys.")
    print("Not run: browser journeys, as no Chromium was found (Debian: apt install chromium).")
    return ["--ignore=tests/browser"]


def start(environment: dict[str, str], arguments: list[str]) -> Running:
    """The suite in a process of its own; what it prints is kept until it is asked for."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "DATA_DIR"}
    }
    output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read and closed by `finish`
    command = [sys.executable, "-m", "pytest", "--durations=5", *arguments, *sys.argv[1:]]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean | environment, stdout=output, stderr=subprocess.STDOUT
    )
    return process, output


def finish(title: str, running: Running) -> int:
    process, output = running
    code = process.wait()
    output.seek(0)
    print(f"\n=== {title}\n{output.read()}", flush=True)
    output.close()
    return code


def main() -> int:
    """Both ways at once: each mostly waits, and two cores are enough for both."""
    browser = browser_arguments()
    lost = missing_service()
    if lost and required("REQUIRE_SERVICES"):
        print(f"Missing: {lost}", file=sys.stderr)
        return 1
    places = "SQLite" if lost else "SQLite, and on PostgreSQL and Redis"
    print(f"Testing on {places} …", flush=True)
    environment = {"DATABASE_URL": DATABASE, "REDIS_URL": REDIS}
    # What touches neither database nor broker, and what a browser sees, is the same on both.
    again = ["--ignore=tests/browser", "-m", "django_db or services"]
    services = None if lost else start(environment, again)
    embedded = start({}, browser)
    codes = [finish("Embedded: SQLite, in-process broker", embedded)]
    if services:
        codes.append(finish("Services: PostgreSQL and Redis", services))
    else:
        print(f"\nNot run: the suite on services. {lost}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
