"""Signing up, proving the address, a second factor, and a passkey, in a real browser.

On a server that demands proof of the address, opened as `localhost`: without TLS browsers make
passkeys there alone.
"""

import re
import time
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints
from tests.browser.serving import PASSWORD, serving


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("strict"), EMAIL_VERIFICATION="mandatory") as running:
        yield replace(running, url=running.url.replace("127.0.0.1", "localhost"))


@pytest.fixture
def page(browser, strict):
    context = browser.new_context(base_url=strict.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    opened = context.new_page()
    complaints = Complaints()
    complaints.watch(opened, strict)
    yield opened
    context.close()
    assert not complaints


def code_mailed_to(site, address):
    """The newest mail to `address` that holds a code by itself on a line."""
    for path in sorted((site.folder / "mail").glob("*"), key=lambda each: -each.stat().st_mtime):
        text = path.read_text()
        if address in text and (
            found := re.search(r"^([A-Z0-9]{4,}-?[A-Z0-9]*)$", text, re.MULTILINE)
        ):
            return found[1]
    raise AssertionError(f"no code for {address}")


def join(page, site, address):
    page.goto("/accounts/signup/")
    page.get_by_label("Your name").fill("Mei Lin")
    page.get_by_label("Organization").fill("Northwind")
    page.get_by_label("Email").fill(address)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    page.get_by_label("Code").fill(code_mailed_to(site, address))
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(lambda url: "/accounts/" not in url)


def confirm(page):
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def totp(secret, ahead=0):
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value  # noqa: PLC0415

    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


def leave(page):
    page.goto("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign Out").click()
    page.wait_for_url(lambda url: "/logout" not in url)


def start_sign_in(page, address):
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign In", exact=True).click()


def test_sign_up_prove_the_address_and_add_a_second_factor(page, strict):
    join(page, strict, "mei@example.com")
    page.goto("/accounts/2fa/totp/activate/")
    confirm(page)
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(totp(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    leave(page)

    start_sign_in(page, "mei@example.com")
    page.get_by_label("Code").fill(totp(secret, ahead=1))
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.wait_for_url(lambda url: "/accounts/" not in url)

    page.goto("/account/security-log/")
    for what in ("Account made", "E-mail address confirmed", "Second factor added", "totp"):
        expect(page.locator("main").get_by_text(what).first).to_be_visible()


def test_a_passkey_is_made_and_signs_in_without_a_password(page, strict):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    join(page, strict, "lin@example.com")
    page.goto("/accounts/2fa/webauthn/add/")
    confirm(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    page.goto("/accounts/2fa/webauthn/")
    expect(page.locator("main")).to_contain_text("Laptop")
    expect(page.locator("main")).to_contain_text("Passkey")
    leave(page)

    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(lambda url: "/accounts/" not in url)
    page.goto("/account/")
    expect(page.get_by_label("Your name")).to_have_value("Mei Lin")
    leave(page)

    # The same key as the second factor after a password.
    start_sign_in(page, "lin@example.com")
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(lambda url: "/accounts/" not in url)


def test_a_passkey_that_fails_says_so_and_signs_nobody_in(page, strict):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": False,
                "automaticPresenceSimulation": True,
            }
        },
    )
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.locator(".ui-toast.error")).to_be_visible()
    page.goto("/account/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
