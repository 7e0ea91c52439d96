"""Watching a run and having a say in it: pause, resume, skip, run again with edited inputs."""

import json
import re

from playwright.sync_api import expect

from tests.browser.conftest import sign_up
from tests.browser.test_journey import import_flow, start, top_up


def more(page, item):
    page.locator(".ui-control-menu summary").click()
    page.get_by_role("button", name=item).click()
    return page.get_by_role("dialog")


def state_is(page, state):
    badge = page.locator("#run-state .ui-badge")
    expect(badge).to_have_attribute("data-state", state, timeout=30_000)


def begin(page, email):
    sign_up(page, email)
    top_up(page, "5")
    import_flow(page)
    run = start(page, "250")
    state_is(page, "waiting")
    return run


def test_a_run_is_watched_paused_resumed_and_told_something(page, site):
    begin(page, "noa@example.com")

    page.get_by_role("button", name="Pause").click()
    state_is(page, "paused")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    state_is(page, "waiting")

    page.get_by_role("tab", name="Variables").click()
    expect(page.locator("#variables")).to_contain_text("classify")

    dialog = more(page, "Send a signal")
    dialog.get_by_label("Name").fill("weather")
    dialog.get_by_role("button", name="Send").click()
    page.get_by_role("tab", name="Events").click()
    expect(page.locator("#log")).to_contain_text("run.signalled")

    page.get_by_role("button", name="Pause").click()
    state_is(page, "paused")
    dialog = more(page, "Skip a node")
    dialog.get_by_role("combobox", name="Node").select_option("approval")
    dialog.get_by_label("Outputs (JSON)").fill('{"note": "as agreed"}')
    dialog.get_by_label(re.compile("Branch")).fill("approve")
    dialog.get_by_role("button", name="Skip", exact=True).click()
    expect(page.locator(".ui-toast")).to_be_visible()
    state_is(page, "paused")
    page.get_by_role("button", name="Resume").click()
    state_is(page, "succeeded")
    expect(page.locator('[data-node="approval"]')).to_have_attribute("data-state", "skipped")
    expect(page.locator("#result")).to_contain_text("as agreed")


def test_a_run_is_run_again_from_a_node_and_many_are_ended(page, site):
    first = begin(page, "zoe@example.com")

    page.locator('[data-node="draft"]').click()
    page.get_by_role("button", name="Run again from here").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("combobox", name="From")).to_have_value("draft")
    inputs = dialog.get_by_label("Inputs (JSON)")
    given = json.loads(inputs.input_value())
    inputs.fill(json.dumps(given | {"mail": "Edited: please refund order 4712."}))
    dialog.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: re.search(r"/runs/[0-9a-f-]{36}/", url) and first not in url)
    state_is(page, "waiting")
    expect(page.locator("#result")).to_contain_text("order 4712")
    expect(page.locator('[data-node="classify"]')).to_have_attribute("data-state", "succeeded")

    page.goto("/runs/")
    page.get_by_label("All shown").check()
    expect(page.locator("[data-chosen]")).to_contain_text("2")
    page.get_by_role("combobox", name="Command").select_option("terminate")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".ui-export .ui-badge.succeeded")).to_be_visible(timeout=30_000)
    expect(page.locator(".ui-export")).to_contain_text("2 of 2 runs")
    page.goto(f"/runs/{first}/")
    state_is(page, "terminated")
