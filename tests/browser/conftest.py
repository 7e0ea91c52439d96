"""A server, a browser, and a page that fails its test when the browser complains."""

import os
from collections.abc import Iterator

import pytest

from tests.browser.serving import CHROMIUM_FLAGS, OPERATOR, PASSWORD, Site, chromium, serving

if chromium() is None:
    if os.environ.get("REQUIRE_BROWSER") == "1":
        raise RuntimeError("No Chromium: install it, or name it in CHROMIUM.")
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header() -> str:
    return f"browser journeys: {chromium() or 'left out, no Chromium on this machine'}"


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="package")
def browser():
    # Not for the whole session: its event loop would stand in the way of the ORM in later tests.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where it is used

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        yield running
        running.close()


class Complaints(list):
    """What the browser complained of: script errors, refused content, calls to other hosts."""

    def watch(self, page, site):
        page.on("pageerror", lambda error: self.append(f"script: {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._request(request, site))
        page.on("response", self._response)

    def _console(self, message):
        # A refused form answers 4xx on purpose; the browser calls that an error too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.append(f"console: {message.text}")

    def _request(self, request, site):
        if not request.url.startswith((site.url, "data:", "blob:")):
            self.append(f"foreign: {request.url}")

    def _response(self, response):
        if response.status >= 500 or (response.status == 404 and "/static/" in response.url):
            self.append(f"{response.status}: {response.url}")


@pytest.fixture
def page(browser, site):
    """A fresh browser profile on the site; `page.goto("/keys/")` takes paths."""
    context = browser.new_context(base_url=site.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    opened = context.new_page()
    complaints = Complaints()
    complaints.watch(opened, site)
    yield opened
    context.close()
    assert not complaints


def sign_in(page, email=OPERATOR, password=PASSWORD):
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def sign_up(page, email, name="Ada Lovelace", organization="Northwind"):
    """A new person with an organization of their own; ends on the home page."""
    page.goto("/accounts/signup/")
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Organization").fill(organization)
    page.get_by_label("Email").fill(email)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    page.wait_for_url(lambda url: "/accounts/signup" not in url)
