"""An organization sets up its sign-on, and somebody new comes in by it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints, sign_in, sign_up
from tests.browser.serving import OPERATOR
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, running_provider


@pytest.fixture
def provider():
    with running_provider() as running:
        running.obey(claims=running.person("grace@northwind.example", groups=["engineering"]))
        yield running


@pytest.fixture
def person(browser, site, provider):
    """Opens a browser profile of its own for each person; both servers are home to it."""
    opened, complaints = [], Complaints()

    def start():
        context = browser.new_context(base_url=site.url, viewport={"width": 1440, "height": 900})
        context.set_default_timeout(15_000)
        opened.append(context)
        page = context.new_page()
        complaints.watch(page, site)
        return page

    yield start
    for context in opened:
        context.close()
    assert [one for one in complaints if f"foreign: {provider.url}" not in one] == []


def set_up(page, provider):
    page.goto("/organization/sign-on/")
    page.get_by_role("link", name="New sign-on").first.click()
    page.get_by_label("Name").fill("Northwind staff")
    page.get_by_label("Issuer").fill(provider.url)
    page.get_by_label("Client id").fill(CLIENT_ID)
    page.get_by_label("Client secret").fill(CLIENT_SECRET)
    page.get_by_label("Claim with groups").fill("groups")
    page.get_by_label("Roles by group").fill("engineering = builder")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Northwind staff")).to_be_visible()
    page.get_by_role("button", name="Check provider").click()
    expect(page.locator(".ui-toast")).to_contain_text("answers as it should")
    page.get_by_label("Domain", exact=True).fill("northwind.example")
    page.get_by_role("button", name="Add domain").click()
    expect(page.locator("main")).to_contain_text("loomwork-domain=")


def confirm_domain(page):
    """An operator's word, since the domain of a test has no server."""
    sign_in(page, OPERATOR)
    page.goto("/admin/orgs/ssodomain/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("confirm")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("body")).to_contain_text("The domains are confirmed.")


def test_an_organization_sets_up_sign_on_and_somebody_new_comes_in(person, provider):
    admin = person()
    sign_up(admin, "olive@example.com", name="Olive Owner", organization="Northwind")
    set_up(admin, provider)
    confirm_domain(person())
    admin.reload()
    expect(admin.locator("main")).to_contain_text("proven")

    grace = person()
    grace.goto("/accounts/login/")
    grace.get_by_role("link", name="Sign in with your organization").click()
    grace.get_by_label("E-mail address").fill("grace@northwind.example")
    grace.get_by_role("button", name="Continue").click()
    grace.get_by_role("button", name="Sign in as Grace").click()

    grace.wait_for_url(lambda url: "/accounts/" not in url and provider.url not in url)
    expect(grace.locator("aside")).to_contain_text("Northwind")
    admin.goto("/organization/members/")
    row = admin.locator("tr", has_text="grace@northwind.example")
    expect(row.locator("select")).to_have_value("builder")

    admin.goto("/organization/sign-on/")
    admin.get_by_role("link", name="Northwind staff").click()
    admin.get_by_role("button", name="Switch off").click()
    admin.get_by_role("button", name="Confirm").click()
    expect(admin.locator(".ui-toast")).to_contain_text("switched off")
    grace.goto("/")
    assert "/accounts/login/" in grace.url


def test_a_refusal_is_explained(person, provider):
    page = person()
    page.goto("/accounts/sso/")
    page.get_by_label("E-mail address").fill("grace@nowhere.example")
    page.get_by_role("button", name="Continue").click()

    expect(page.locator("main")).to_contain_text("No organization signs in")
