"""What every answer tells the browser: what it may keep, share, embed and forget."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client, override_settings

from orgs.tests.factories import OrganizationFactory, person_in

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("/", "/accounts/login/", "/api/v1/me/", "/api/schema/", "/healthz", "/nowhere/")
NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME",
         "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE",
         "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE",
         "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT", "MESSAGE_STORAGE")  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = Client()
    client.force_login(person_in(OrganizationFactory())[0])
    return client


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_headers(client, path):
    headers = client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "object-src 'none'" in policy
    assert "base-uri 'self'" in policy
    assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]


def test_pages_are_not_embedded_elsewhere_but_the_api_may_be_read(client):
    assert client.get("/").headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Cross-Origin-Resource-Policy" not in client.get("/api/v1/me/").headers


def test_signing_out_clears_what_the_browser_kept(client):
    assert "Clear-Site-Data" not in client.get("/").headers

    answer = client.post("/accounts/logout/")

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/api/v1/me/").status_code == 401


def test_a_page_asked_over_http_is_led_on_and_a_program_is_refused():
    with override_settings(HTTPS=True, SECURE_SSL_REDIRECT=True):
        page = Client().get("/workflows/")
        program = Client().get("/api/v1/me/")
        secure = Client().get("/api/v1/me/", secure=True)

    assert (page.status_code, page.url) == (301, "https://testserver/workflows/")
    assert (program.status_code, program.json()["code"]) == (403, "https_required")
    assert secure.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", ["/", "/api/v1/me/", "/accounts/login/"])
def test_the_method_trace_is_not_answered(client, path):
    answer = client.trace(path)

    assert answer.status_code == 405


def settings_under(tmp_path, url):
    read = f"import json; from config.settings import base as read; print(json.dumps({{n: getattr(read, n, None) for n in {NAMES!r}}}))"  # noqa: E501 - one line for `-c`
    read += "\nfrom django.conf import global_settings as g"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", read],
        cwd=ROOT,
        env=kept | {"DATA_DIR": str(tmp_path), "PUBLIC_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_cookies_are_bound_to_the_host_where_there_is_tls(tmp_path):
    read = settings_under(tmp_path, "https://loomwork.example")

    assert all(read[name].startswith("__Host-") for name in NAMES if name.endswith("_NAME"))
    assert all(read[name] for name in NAMES if name.endswith("_SECURE"))
    assert read["CSRF_COOKIE_HTTPONLY"]
    assert read["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert read["SECURE_SSL_REDIRECT"]
    assert read["MESSAGE_STORAGE"].endswith("SessionStorage")


def test_without_tls_they_have_names_a_browser_takes(tmp_path):
    read = settings_under(tmp_path, "http://127.0.0.1:8000")

    assert not any(read[name].startswith("__") for name in NAMES if name.endswith("_NAME"))


def test_a_session_cookie_is_not_for_scripts_nor_for_other_sites(client):
    client.get("/accounts/login/")
    client.post("/accounts/logout/")
    user = person_in(OrganizationFactory())[0]
    answer = client.post(
        "/accounts/login/", {"login": user.email, "password": "correct-horse-battery"}
    )

    cookie = answer.cookies["loomwork_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
