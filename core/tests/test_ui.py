"""The shell: what is registered shows to those who may see it, and every shipped file is there."""

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from django.utils.timezone import now

from core import ui
from core.palette import PALETTE, STYLESHEETS, css_variables
from core.templatetags.ui import browser, duration, initials, money, pretty

TEMPLATES = Path(settings.BASE_DIR) / "templates"
STATIC = re.compile(r"""{% static ['"]([^'"]+)['"] %}""")


@pytest.fixture(autouse=True)
def english():
    """A test client that spoke Chinese leaves its language to the next test."""
    with translation.override("en"):
        yield


class OneRole:
    """Stands where `orgs` does: knows one person, who holds `verbs`."""

    def __init__(self, *verbs):
        self.verbs = verbs

    def actor_of(self, request):
        return "ada"

    def can(self, actor, verb):
        return verb in self.verbs

    def organizations(self, request):
        return [ui.OrganizationChoice("1", "Northwind", "Owner", current=True)]


@pytest.fixture
def registry(monkeypatch):
    """Empty registries for the length of a test."""
    monkeypatch.setattr(ui, "_nav", {})
    monkeypatch.setattr(ui, "home_board", ui.Board())
    monkeypatch.setattr(ui, "_access", OneRole("a.view"))


def request_for(path):
    request = RequestFactory().get(path)
    request.user = SimpleNamespace(is_authenticated=True, is_staff=False, pk=1)
    return request


def test_navigation_shows_only_what_the_actor_may_see(registry):
    ui.register_nav("Build", "Seen", "home", "account_email", 1, verb="a.view")
    ui.register_nav("Build", "Hidden", "lock", "account_login", 2, verb="b.view")
    ui.register_nav("Build", "Nowhere", "lock", "no_such_url", 3)

    sections = ui.Shell(request_for("/")).sections

    assert [(title, [row["label"] for row in rows]) for title, rows in sections] == [
        ("Build", ["Seen"])
    ]


def test_navigation_counts_badges_for_the_actor_and_marks_the_nearest_entry(registry):
    ui.register_nav("Build", "Password", "x", "account_change_password", 2, badge=len)
    ui.register_nav("Build", "Mail", "x", "account_email", 1)

    ((_, rows),) = ui.Shell(request_for("/accounts/password/change/done/")).sections

    assert [(row["label"], row["active"], row["badge"]) for row in rows] == [
        ("Mail", False, 0),
        ("Password", True, len("ada")),
    ]


def test_a_stranger_has_no_navigation(registry):
    ui.register_nav("Build", "Mail", "x", "account_email", 1)
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(is_authenticated=False)

    assert ui.Shell(request).sections == []
    assert not ui.Shell(request).may("a.view")


def test_home_takes_panels_of_rooms_above_in_order(registry):
    ui.register_home_panel("late", "l.html", lambda actor: {"who": actor}, 20, "a.view", "side")
    ui.register_home_panel("early", "e.html", lambda actor: {}, 10)
    ui.register_home_panel("secret", "s.html", lambda actor: {}, 5, "b.view")
    ui.register_home_kpi("runs", lambda actor: ui.Kpi("Runs", "x", "7"), 1, "a.view")

    context = ui.home_context(request_for("/"))

    assert [(panel.name, values) for panel, values in context["panels"]] == [
        ("early", {}),
        ("late", {"who": "ada"}),
    ]
    assert [kpi.value for kpi in context["kpis"]] == ["7"]


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_every_static_file_a_template_names_exists(template):
    missing = [name for name in STATIC.findall(template.read_text()) if not finders.find(name)]

    assert not missing


def test_every_stylesheet_exists_and_none_is_forgotten():
    on_disk = {f"ui/{path.name}" for path in (Path(settings.BASE_DIR) / "static/ui").glob("*.css")}

    assert set(STYLESHEETS) == on_disk


def test_only_the_skeleton_names_files_of_unfold():
    named = {
        path.name
        for path in TEMPLATES.rglob("*.html")
        if any(name.startswith("unfold/") for name in STATIC.findall(path.read_text()))
    }

    assert named == {"skeleton.html"}


def test_member_pages_have_no_inline_script():
    """The content policy would refuse it; `type="application/json"` is data, not script."""
    inline = re.compile(r"<script(?![^>]*(?:src=|application/json))[^>]*>|\son\w+=|javascript:")
    guilty = [
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if "admin" not in path.parts and inline.search(path.read_text())
    ]

    assert not guilty


def test_one_palette_feeds_pages_and_console():
    assert settings.UNFOLD["COLORS"] is PALETTE
    assert f"--color-primary-600:{PALETTE['primary']['600']};" in css_variables()


@pytest.mark.parametrize(
    ("nanos", "places", "text"),
    [
        (0, None, "$0.00"),
        (1_500_000_000, None, "$1.50"),
        (123_000, None, "$0.000123"),
        (-1, None, "−$0.000000001"),
        (1_234_567_891_234, 2, "$1,234.57"),
        (None, None, "–"),
    ],
)
def test_money_is_exact_unless_asked_to_round(nanos, places, text):
    assert money(nanos, places) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),
        (12, "12 ms"),
        (1500, "1.5 s"),
        (61_000, "1 min 01 s"),
        (3_660_000, "1 h 01 min"),
    ],
)
def test_durations_read_like_speech(milliseconds, text):
    assert duration(milliseconds) == text


def test_a_state_is_a_badge_with_a_word():
    rendered = Template("{% load ui %}{% state 'partial-succeeded' %}").render(Context())

    assert 'class="ui-badge partial-succeeded"' in rendered
    assert "Partly succeeded" in rendered


def test_a_state_from_outside_is_escaped():
    rendered = Template("{% load ui %}{% state value %}").render(Context({"value": "<b>"}))

    assert "<b>" not in rendered


def test_times_are_relative_and_exact_on_hover():
    when = now() - timedelta(hours=2)

    rendered = Template("{% load ui %}{% ago when %}").render(Context({"when": when}))

    assert when.isoformat() in rendered.replace("&#x27;", "'")
    assert "2\xa0hours ago" in rendered


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36 Edg/140", "Edge on Windows"),
        ("python-requests/2.32", "python-requests"),
        ("", "Unknown"),
    ],
)
def test_a_device_is_named_like_people_name_it(agent, text):
    assert browser(agent) == text


def test_small_filters():
    assert initials("Ada Lovelace King") == "AL"
    assert initials("") == "?"
    assert pretty({"名": 1}) == '{\n  "名": 1\n}'


@pytest.mark.parametrize("page", ["400", "403", "403_csrf", "404", "500"])
def test_error_pages_need_no_request(page):
    """The 500 page is rendered with an empty context while the database may be away."""
    text = render_to_string(f"{page}.html")

    assert "ui-auth" in text
    assert "ui-btn primary" in text


def test_pages_speak_both_languages():
    with translation.override("zh-hans"):
        text = render_to_string("404.html")

    assert 'lang="zh-hans"' in text
