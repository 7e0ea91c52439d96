"""Pictures of every page, light, dark and narrow: `python -m tests.browser.screenshots`.

Follows the navigation and the first row of every list, so pages of later rooms are included by
themselves. `--url` takes a running server (`make run`) with its data; without it an empty one is
started. The pictures go to data/shots and are for people to look at.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.serving import CHROMIUM_FLAGS, OPERATOR, PASSWORD, ROOT, chromium, serving

ENTRANCE = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/no-such-page/")
ACCOUNT = (
    "/account/",
    "/account/notifications/",
    "/account/sessions/",
    "/account/security-log/",
    "/account/close/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "narrow": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "device_scale_factor": 2,
    },
}


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    with _address(options) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        for look, settings in LOOKS.items():
            if options.look and look != options.look:
                continue
            context = browser.new_context(base_url=url, locale=options.locale, **settings)
            _take(context.new_page(), look, options)
            context.close()
        browser.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--email", default=OPERATOR)
    parser.add_argument("--password", default=PASSWORD)
    parser.add_argument("--locale", default="en")
    parser.add_argument("--look", choices=sorted(LOOKS))
    parser.add_argument("--only", default="", help="a regular expression of paths")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "shots")
    return parser.parse_args()


@contextmanager
def _address(options: argparse.Namespace) -> Iterator[str]:
    if options.url:
        yield options.url
        return
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as site:
        yield site.url


def _take(page: Page, look: str, options: argparse.Namespace) -> None:
    wanted = re.compile(options.only)
    for path in filter(wanted.search, ENTRANCE):
        _shoot(page, path, look, options.out)
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(options.email)
    page.locator("input[name=password]").fill(options.password)
    page.locator("form.ui-form button").first.click()
    page.wait_for_load_state()
    for path in filter(wanted.search, [*_pages(page), *ACCOUNT, *_console(page)]):
        _shoot(page, path, look, options.out)


def _pages(page: Page) -> list[str]:
    """Every entry of the navigation, and the first thing each of them leads to."""
    page.goto("/")
    found = dict.fromkeys(_links(page, "#nav a"))
    found.pop("/admin/", None)
    for path in list(found):
        page.goto(path)
        below = [link for link in _links(page, "main a") if link.startswith(path) and path != "/"]
        found.update(dict.fromkeys(link for link in below if "?" not in link))
        kinds = {re.sub(r"[0-9a-f-]{20,}|\d+", "#", link): link for link in reversed(below)}
        found.update(dict.fromkeys(kinds.values()))
    seen: dict[str, str] = {}
    for path in found:
        seen.setdefault(re.sub(r"[0-9a-f-]{20,}|\d+", "#", path), path)
    return list(seen.values())


def _console(page: Page) -> list[str]:
    if page.goto("/admin/").url.endswith("/login/"):  # type: ignore[union-attr]
        return []
    found = dict.fromkeys(_links(page, "#nav-sidebar-apps a"))
    for path in list(found):
        page.goto(path)
        rows = _links(page, "#result_list tbody a")
        found.update(dict.fromkeys(link for link in rows[:1] if link.startswith(path)))
    return list(found)


def _links(page: Page, selector: str) -> list[str]:
    every: list[str] = page.locator(selector).evaluate_all("rows => rows.map(r => r.pathname)")
    return every


def _shoot(page: Page, path: str, look: str, out: Path) -> None:
    page.goto(path)
    page.wait_for_timeout(400)  # a live view keeps its connection open: there is no idle to await
    name = re.sub(r"[0-9a-f-]{20,}", "x", path).strip("/").replace("/", "-") or "home"
    page.screenshot(path=out / f"{name}.{look}.png")


if __name__ == "__main__":
    main()
