"""The main job as people do it: import a file, run it, approve, see the result and the cost."""

import re
from uuid import UUID

from playwright.sync_api import expect

from tests.browser.conftest import sign_up
from tests.browser.serving import ROOT

FLOW = ROOT / "config" / "demo" / "support_mail.yml"
MAIL = "Hello, I was charged twice for order 4711. Please refund me. Regards, Lee"


def top_up(page, amount):
    page.goto("/usage/")
    page.get_by_role("button", name="Top up").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill(amount)
    dialog.get_by_role("button", name="Pay in").click()
    expect(page.locator(".ui-toast")).to_be_visible()


def import_flow(page):
    page.goto("/workflows/import/")
    page.get_by_label(re.compile("Flow file")).set_input_files(FLOW)
    page.get_by_role("button", name="Check only").click()
    expect(page.locator("#report")).to_contain_text("Ready to run")
    expect(page.locator('[data-node="approval"]')).to_be_visible()
    page.get_by_label(re.compile("Flow file")).set_input_files(FLOW)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Support mail")).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("header .ui-badge.published")).to_be_visible()


def start(page, amount):
    page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Mail").fill(MAIL)
    dialog.get_by_label("Amount in question").fill(amount)
    dialog.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
    return str(UUID(page.url.rstrip("/").rpartition("/")[2]))


def test_import_run_approve_and_see_result_and_cost(page, site):
    sign_up(page, "mia@example.com")
    top_up(page, "5")
    import_flow(page)
    run = start(page, "250")

    state = page.locator("#run-state .ui-badge")
    expect(state).to_have_attribute("data-state", "waiting", timeout=30_000)
    expect(page.locator('[data-node="draft"]')).to_have_attribute("data-state", "succeeded")
    expect(page.locator('[data-node="approval"]')).to_have_attribute("data-state", "waiting")

    inbox = page.context.new_page()
    inbox.goto("/inbox/")
    inbox.get_by_label("Note for the customer").fill("Sorry for that")
    inbox.get_by_role("button", name="Approve").click()
    expect(inbox.locator(".ui-toast")).to_be_visible()

    # The first page was not touched: the result arrives there by itself.
    expect(state).to_have_attribute("data-state", "succeeded", timeout=30_000)
    result = page.locator("#result")
    expect(result).to_contain_text("approved: Sorry for that")
    expect(result.locator("[data-cost]")).to_have_text(re.compile(r"\$0\.0000\d+"))
    expect(page.locator('[data-node="approval"]')).to_have_attribute("data-state", "succeeded")
    expect(page.locator('[data-node="post"]')).to_have_attribute("data-state", "")

    page.locator('[data-node="draft"]').click()
    expect(page.locator("#detail")).to_contain_text("[offline model]")
    page.get_by_role("link", name="Trace").last.click()
    for kind in ("run", "step", "call", "ledger", "task", "decision", "audit"):
        expect(page.locator(f".ui-trail-mark.{kind}").first).to_be_visible()
    assert run in page.content()

    page.goto("/usage/")
    expect(page.locator("main")).to_contain_text("loomwork-offline")


def test_a_faulty_file_is_refused_with_every_fault_named(page, tmp_path):
    sign_up(page, "nora@example.com", organization="Faulty")
    broken = tmp_path / "broken.yml"
    text = FLOW.read_text().replace("target: classify", "target: nowhere")
    broken.write_text(text.replace("type: variable-aggregator", "type: no-such-kind"))
    page.goto("/workflows/import/")
    page.get_by_label(re.compile("Flow file")).set_input_files(broken)
    page.get_by_role("button", name="Import", exact=True).click()

    report = page.locator("#report")
    expect(report).to_contain_text("no-such-kind")
    expect(report).to_contain_text("nowhere")
    page.goto("/workflows/")
    expect(page.locator("main")).to_contain_text("No workflows yet")


def test_a_run_can_be_cancelled_and_its_task_goes_away(page):
    sign_up(page, "olga@example.com", organization="Cancelling")
    top_up(page, "5")
    import_flow(page)
    start(page, "250")
    state = page.locator("#run-state .ui-badge")
    expect(state).to_have_attribute("data-state", "waiting", timeout=30_000)

    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Confirm").click()

    expect(state).to_have_attribute("data-state", "cancelled", timeout=15_000)
    page.goto("/inbox/")
    expect(page.locator("main")).not_to_contain_text("Approve the refund")
