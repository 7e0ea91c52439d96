"""What starts runs by itself: a schedule with its preview, a webhook and its secret, a firing."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import sign_up
from tests.browser.test_journey import import_flow, top_up


def open_form(page, workflow, kind):
    page.goto(workflow)
    page.locator("#triggers").get_by_role("link", name=kind).click()


def test_a_schedule_is_previewed_made_and_fired(page, site):
    sign_up(page, "tea@example.com", organization="Clockwork")
    top_up(page, "5")
    import_flow(page)
    workflow = page.url

    open_form(page, workflow, "Schedule")
    previewed(page)
    page.get_by_label("Name").fill("Monday mail")
    page.get_by_label(re.compile("^Inputs")).fill('{"mail": "Weekly mail", "amount": 20}')
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Monday mail")).to_be_visible()
    fired(page, page.url)


def previewed(page):
    upcoming = page.locator("#upcoming")
    expect(upcoming.locator("li").first).to_be_visible(timeout=30_000)
    expect(page.get_by_label(re.compile("^Every"))).to_be_hidden()
    page.get_by_label(re.compile("^Cron line")).fill("61 8 * * *")
    expect(upcoming.get_by_role("status")).to_be_visible(timeout=30_000)
    page.get_by_label(re.compile("^Cron line")).fill("30 8 * * MON")
    expect(upcoming.locator("li").first).to_contain_text("08:30:00", timeout=30_000)
    page.get_by_label("When").select_option("interval")
    expect(page.get_by_label(re.compile("^Cron line"))).to_be_hidden()
    page.get_by_label(re.compile("^Every")).fill("2")
    page.get_by_label("When").select_option("cron")


def fired(page, trigger):
    page.get_by_role("button", name="Fire now").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
    state = page.locator("#run-state .ui-badge")
    expect(state).to_have_attribute("data-state", "succeeded", timeout=60_000)

    page.goto(trigger)
    firings = page.locator("#firings tbody tr")
    expect(firings).to_have_count(1)
    firings.first.get_by_role("link", name="Run").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))

    page.goto(trigger)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()


def test_a_webhook_shows_its_address_and_secret_once(page, site):
    sign_up(page, "uma@example.com", organization="Hooks")
    import_flow(page)
    workflow = page.url

    open_form(page, workflow, "Webhook")
    page.get_by_label("Name").fill("From the website")
    expect(page.get_by_label(re.compile("^Secret"))).to_be_hidden()
    page.get_by_label("Signature").select_option("hmac")
    expect(page.get_by_label(re.compile("^Header optional"))).to_be_visible()
    page.get_by_label(re.compile("^Inputs from what comes in")).fill("mail = body.message")
    page.get_by_role("button", name="Create").click()

    address = page.locator("#hook-url").inner_text()
    secret = page.locator("#hook-secret").inner_text()
    assert "/hooks/" in address
    assert len(secret) >= 8
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("heading", name="From the website")).to_be_visible()
    assert secret not in page.content()
    assert address not in page.content()

    page.get_by_role("button", name="New address").click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#hook-url")).to_be_visible()
    assert page.locator("#hook-url").inner_text() != address
