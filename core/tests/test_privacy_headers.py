"""What every answer tells the browser: whom it may show it to, and what it may keep."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from accounts.tests.factories import UserFactory
from core.palette import palette_hash

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client):
    client.force_login(UserFactory())
    return client


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/account/", "/nowhere/"])
def test_every_answer_is_kept_from_other_sites(client, path):
    headers = client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    for directive in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy


def directive(response, name):
    found = response.headers["Content-Security-Policy"].split("; ")
    return next(each.removeprefix(f"{name} ") for each in found if each.startswith(f"{name} "))


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nowhere/", "/api/docs/"])
def test_only_scripts_and_styles_of_ours_are_run(client, path):
    answer = client.get(path, follow=True)

    assert directive(answer, "script-src") == "'self'"
    assert directive(answer, "style-src") == f"'self' {palette_hash()}"
    assert b" style=" not in answer.content


def test_the_console_runs_no_script_that_stands_in_a_page(admin_client):
    answer = admin_client.get("/admin/")

    assert directive(answer, "script-src") == "'self' 'unsafe-eval'"


def test_no_template_of_a_page_carries_styles_or_scripts():
    inline = re.compile(r"\sstyle=|<style(?!>{% ui_palette %})|<script(?! src=)|\s(?i:on\w+)=")
    found = [
        path
        for path in Path("templates").rglob("*.html")
        if not {"mail", "email"} & set(path.parts) and inline.search(path.read_text())
    ]

    assert found == []


def test_static_files_are_under_the_policies_too(client):
    answer = client.get("/static/ui/theme.js")

    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/api/v1/account/", "/account/", "/nowhere/"])
def test_what_somebody_is_shown_stays_in_no_cache(signed_in, path):
    assert "no-store" in signed_in.get(path).headers["Cache-Control"]


def test_a_program_is_answered_past_caches(client):
    answer = client.get("/api/v1/account/", headers={"Authorization": "Bearer nothing"})

    assert answer.headers["Cache-Control"] == "no-store"


def test_signing_out_clears_what_the_browser_cached(signed_in):
    assert "Clear-Site-Data" not in signed_in.get("/accounts/logout/").headers
    answer = signed_in.post("/accounts/logout/")

    assert answer.status_code == 302
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert "_auth_user_id" not in signed_in.session


def of_settings(tmp_path, address):
    """The cookies' names and flags where `address` is what people open."""
    code = (
        "from config.settings import base as s; from accounts.lockout import COOKIE;"
        "print(*(getattr(s, f'{k}_COOKIE_{p}') for p in ('NAME', 'SECURE', 'HTTPONLY', 'SAMESITE')"
        " for k in ('SESSION', 'CSRF', 'LANGUAGE')), s.SECURE_HSTS_SECONDS, COOKIE)"
    )
    env = {"DATA_DIR": str(tmp_path), "PUBLIC_URL": address, "PATH": "/usr/bin:/bin"}
    env["DJANGO_SETTINGS_MODULE"] = "config.settings.base"
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_cookies_are_bound_to_the_host_under_tls(tmp_path):
    told = of_settings(tmp_path, "https://loomwork.example")

    assert told[:3] == [f"__Host-loomwork_{name}" for name in ("session", "csrf", "language")]
    assert told[3:12] == ["True"] * 6 + ["Lax"] * 3
    assert told[12:] == ["31536000", "__Host-loomwork_device"]


def test_without_tls_cookies_have_plain_names(tmp_path):
    told = of_settings(tmp_path, "http://127.0.0.1:8000")

    assert told[0] == "loomwork_session"
    assert told[3:6] == ["False"] * 3
    assert told[12:] == ["0", "loomwork_device"]


def test_a_page_asked_over_http_is_led_on_and_a_program_is_refused(client, settings):
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True

    page = client.get("/workflows/")
    program = client.get("/api/v1/account/")
    over_tls = client.get("/api/v1/account/", secure=True)

    assert (page.status_code, page.url) == (301, "https://testserver/workflows/")
    assert (program.status_code, program.json()["code"]) == (403, "https_required")
    assert "WWW-Authenticate" not in program.headers
    assert over_tls.json()["code"] == "not_authenticated"


def test_what_is_said_once_travels_in_the_session(signed_in):
    signed_in.post("/account/", {"name": "New", "language": "", "time_zone": ""})

    assert not [name for name in signed_in.cookies if not name.startswith("loomwork_")]
    assert b"toast" in signed_in.get("/account/").content


def test_the_library_of_pages_keeps_none_of_them(client):
    """Htmx would keep the last ten pages in the browser's storage."""
    assert '"historyCacheSize": 0' in client.get("/accounts/login/").content.decode()


def test_our_scripts_keep_the_colour_theme_alone():
    ours = [*Path(settings.BASE_DIR, "static").rglob("*.js")]
    ours += Path(settings.BASE_DIR, "templates").rglob("*.html")
    theme = r"\.[gs]etItem\(\"adminTheme\""
    kept = re.compile(rf"(?:local|session)Storage\b(?!{theme})|indexedDB|\bcaches\.")
    assert len(ours) > 100
    assert [path.name for path in ours if kept.search(path.read_text())] == []
    assert re.search(
        rf"localStorage{theme}", Path(settings.BASE_DIR, "static/ui/theme.js").read_text()
    )


@pytest.mark.parametrize("path", ["/static/", "/static/ui/", "/static/../config/"])
def test_folders_are_not_listed(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/account/", "/healthz"])
def test_trace_does_not_echo(client, path):
    answer = client.trace(path, headers={"X-Marked": "echoed-back"})

    assert b"echoed-back" not in answer.content
    assert answer.headers["Content-Type"] != "message/http"
