"""The environment: every secret may lie in a mounted file, and what is set is of its type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from accounts.keys import keys_in
from config.env import key_of, networks_in, persistent_secret
from core.secrets import SecretUnreadable, seal

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = {
    "DATABASE_URL": "postgres://loom:p%40ss@db.example:5433/loomwork",
    "REDIS_URL": "redis://:hush@redis.example:6379/3",
    "SECRET_KEY": "a-long-and-secret-key",
    "SECRET_KEYS": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "JWT_KEYS": "j1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "secret",
    "EMAIL_URL": "smtp+tls://mailer:hush@mail.example:587",
    "SENTRY_DSN": "http://public@127.0.0.1:9/1",
}
READ = """
import json
from config.settings import base as read
import sentry_sdk
print(json.dumps({
    "DATABASE_URL": [read.DATABASES["default"][name] for name in ("HOST", "PASSWORD", "NAME")],
    "REDIS_URL": [read.REDIS_URL, read.CELERY_BROKER_URL, read.CACHES["default"]["LOCATION"]],
    "SECRET_KEY": read.SECRET_KEY,
    "SECRET_KEYS": read.SECRET_KEYS,
    "S3_ACCESS_KEY": read.STORAGES["default"]["OPTIONS"]["access_key"],
    "S3_SECRET_KEY": read.STORAGES["default"]["OPTIONS"]["secret_key"],
    "EMAIL_URL": [read.EMAIL_HOST, read.EMAIL_HOST_PASSWORD, read.EMAIL_PORT],
    "SENTRY_DSN": sentry_sdk.get_client().dsn,
    "embedded": read.EMBEDDED,
    "written": sorted(each.name for each in read.DATA_DIR.iterdir() if each.is_file()),
}))
"""


CONNECTIONS = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.base"
import django; django.setup()
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from billing.ledger.postgres import _connection_settings
from core.database import conninfo
found = {
    "django": connection.get_connection_params(),
    "engine": conninfo_to_dict(conninfo()),
    "ledger": _connection_settings(),
}
print(json.dumps({
    who: {name: value for name, value in given.items() if name.startswith("ssl")}
    for who, given in found.items()
}))
"""


def settings_with(environment, folder):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env={**kept, "DATA_DIR": str(folder / "data"), "S3_BUCKET": "loomwork", **environment},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    """Settings as they are read when each secret is a file that ends in a line break."""
    folder = tmp_path_factory.mktemp("mounted")
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{value}\n")
    return settings_with({f"{name}_FILE": str(folder / name) for name in SECRETS}, folder)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("DATABASE_URL", ["db.example", "p@ss", "loomwork"]),
        ("REDIS_URL", [SECRETS["REDIS_URL"]] * 3),
        ("SECRET_KEY", SECRETS["SECRET_KEY"]),
        ("SECRET_KEYS", SECRETS["SECRET_KEYS"]),
        ("S3_ACCESS_KEY", "access"),
        ("S3_SECRET_KEY", "secret"),
        ("EMAIL_URL", ["mail.example", "hush", 587]),
        ("SENTRY_DSN", SECRETS["SENTRY_DSN"]),
    ],
)
def test_a_secret_in_a_mounted_file_is_read(mounted, name, read):
    assert mounted[name] == read


def test_with_both_servers_named_it_is_not_embedded_and_makes_no_keys(mounted):
    assert mounted["embedded"] is False
    assert mounted["written"] == []


def test_networks_are_typed_and_a_wrong_one_is_named():
    assert [str(block) for block in networks_in("10.0.0.0/8, ::1/128")] == ["10.0.0.0/8", "::1/128"]
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        networks_in("10.0.0.1/8")


def test_a_made_secret_is_kept_and_private(tmp_path):
    path = tmp_path / "secret"

    first, second = persistent_secret(path), persistent_secret(path)

    assert first == second
    assert len(first) > 60
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_withheld_key_is_not_made_and_fails_whatever_would_use_it(tmp_path, monkeypatch):
    monkeypatch.setenv("JWT_KEYS", "none")

    withheld = key_of("JWT_KEYS", tmp_path / "jwt_keys")

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImproperlyConfigured, match="JWT_KEYS holds no key"):
        keys_in(withheld)
    with (
        pytest.raises(SecretUnreadable, match="SECRET_KEYS holds no key"),
        override_settings(SECRET_KEYS=withheld),
    ):
        seal("a secret", "somewhere")
    with (
        pytest.raises(ImproperlyConfigured, match="SECRET_KEY"),
        override_settings(SECRET_KEY=withheld),
    ):
        signing.dumps("a session")


def test_what_the_url_says_of_tls_reaches_every_connection(tmp_path):
    """Django's own, and those of the engine and the ledger, which connect by themselves."""
    asked = {
        "sslmode": "verify-full",
        "sslrootcert": "/certs/ca.crt",
        "sslcert": "/certs/db.pem",
        "sslkey": "/certs/db.pem",
    }
    options = "&".join(f"{name}={value}" for name, value in asked.items())
    url = f"postgres://u@127.0.0.1:1/d?{options}"
    done = subprocess.run(
        [sys.executable, "-c", CONNECTIONS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "DATABASE_URL": url},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {"django": asked, "engine": asked, "ledger": asked}
