"""The Content-Security-Policy in a real browser: pages work under it, and what it forbids fails.

The fixture `page` fails its test for every violation that the browser reports.
"""

import pytest

from tests.browser.conftest import sign_in, sign_up
from tests.browser.screenshots import ACCOUNT

PAGES = (
    "/", "/workflows/", "/runs/", "/inbox/", "/models/", "/usage/", "/exports/", "/keys/",
    "/keys/new/", "/trace/", "/audit/", "/audit/statistics/", "/organization/",
    "/organization/members/", "/organization/invitations/", "/organization/teams/",
    "/organization/projects/", "/organization/danger/", "/organization/sign-on/", "/no-such-page/",
)  # fmt: skip
INLINE = """
    const style = document.createElement('style');
    style.textContent = 'body { --planted: 1 }';
    document.head.append(style);
    document.body.insertAdjacentHTML('beforeend', '<p id="planted" style="--planted: 1"></p>');
    const script = document.createElement('script');
    script.textContent = 'window.ran = 1';
    document.head.append(script);
"""
PLANTED = """[
    getComputedStyle(document.body).getPropertyValue('--planted'),
    getComputedStyle(document.getElementById('planted')).getPropertyValue('--planted'),
    window.ran ?? '',
]"""


def test_no_page_asks_for_what_the_policy_forbids(page):
    sign_up(page, "policy@example.com")
    for path in (*PAGES, *ACCOUNT):
        assert page.goto(path).status in {200, 404}, path
        page.wait_for_load_state("networkidle")
        colour = page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--color-primary-600')"
        )
        assert colour, f"{path}: the palette is the one style sheet that stands in the page"


def test_the_description_of_the_api_is_drawn(page):
    page.goto("/api/docs/")

    page.locator(".opblock").first.wait_for()


def test_the_console_works(page):
    sign_in(page)
    page.goto("/admin/")
    links = page.locator("#nav-sidebar-apps a[href^='/admin/']")
    paths = sorted({link.get_attribute("href") for link in links.all()})
    assert len(paths) > 8
    for path in (*paths, "/admin/django_celery_beat/periodictask/add/", "/admin/trace/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("typeof Alpine") == "object", path


def test_a_schedule_says_in_words_what_its_crontab_means(page):
    sign_in(page)
    page.goto("/admin/django_celery_beat/crontabschedule/add/")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/admin/django_celery_beat/periodictask/add/")

    page.locator("#id_crontab").select_option(index=1)

    page.locator(".field-crontab").get_by_text("Every minute").wait_for()
    assert not page.locator(".field-crontab_translation").is_visible()


@pytest.mark.parametrize("path", ["/keys/", "/admin/"])
def test_what_is_planted_does_not_run(browser, site, path):
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    sign_in(page)
    page.goto(path)

    page.evaluate(INLINE)

    body, attribute, script = page.evaluate(PLANTED)
    context.close()
    assert script == ""
    if path != "/admin/":
        assert (body, attribute) == ("", "")
