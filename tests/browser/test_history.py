"""What runs leave behind: found by filters, drawn over time, compared, and counted."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import sign_up
from tests.browser.test_journey import import_flow, start, top_up


def finished(page, workflow, amount):
    page.goto(workflow)
    run = start(page, amount)
    state = page.locator("#run-state .ui-badge")
    expect(state).to_have_attribute("data-state", "succeeded", timeout=60_000)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=30_000)
    return run


def test_runs_are_filtered_drawn_compared_and_counted(page, site):
    sign_up(page, "vera@example.com", organization="History")
    top_up(page, "5")
    import_flow(page)
    workflow = page.url
    first, second = finished(page, workflow, "20"), finished(page, workflow, "30")

    drawn_and_compared(page, first, second)
    found_by_filters(page)
    counted_in_statistics(page)


def drawn_and_compared(page, first, second):
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator(".ui-timeline .bar").first).to_be_visible()
    expect(page.locator("#timeline tbody tr").first).to_be_visible()

    page.goto(f"/runs/{second}/")
    page.get_by_role("link", name="Compare").first.click()
    page.get_by_label("Compare with run").fill(first)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Nodes")).to_be_visible()
    expect(page.locator("main")).to_contain_text("30")
    expect(page.locator(f'a[href="/runs/{first}/"]')).to_be_visible()


def found_by_filters(page):
    page.goto("/runs/")
    rows = page.locator("#run-rows tbody tr")
    expect(rows).to_have_count(2)
    page.locator("#state").select_option("failed")
    chips = page.locator(".ui-chip")
    expect(chips).to_have_count(1, timeout=30_000)
    expect(page.locator("#run-rows")).to_contain_text("No runs")
    chips.first.click()
    expect(rows).to_have_count(2)
    page.locator("summary", has_text="More filters").click()
    page.get_by_label("Trigger").select_option("manual")
    expect(chips).to_contain_text("By hand", timeout=30_000)
    expect(rows).to_have_count(2)


def counted_in_statistics(page):
    page.goto("/runs/statistics/?period=24h")
    counted = page.get_by_role("link", name="Support mail")
    for _ in range(60):  # runs are counted within seconds of their end
        if counted.count():
            break
        page.wait_for_timeout(1_000)
        page.reload()
    expect(page.locator("canvas").first).to_be_visible()
    counted.click()
    expect(page.get_by_role("heading", name="Nodes")).to_be_visible()
    assert re.search(r"workflow=", page.url)
