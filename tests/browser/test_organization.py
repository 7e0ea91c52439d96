"""People come by invitation, get roles, form teams; an organization is handed over and ends."""

import re
import time

from playwright.sync_api import expect

from tests.browser.conftest import sign_up
from tests.browser.serving import PASSWORD, ROOT

FLOW = ROOT / "config" / "demo" / "support_mail.yml"
LINK = re.compile(r"http://\S+?/invitation/[\w-]{43}/")


def mailed_link(site, email):
    """The link in the newest mail to `email`, once the worker has sent it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        letters = sorted(
            (site.folder / "mail").glob("*.log"), key=lambda path: path.stat().st_mtime
        )
        for path in reversed(letters):
            text = path.read_text()
            if f"To: {email}" in text and (found := LINK.search(text.replace("=\n", ""))):
                return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no mail to {email}")


def invite(page, email, role):
    page.goto("/organization/invitations/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Role").select_option(role)
    page.get_by_role("button", name="Send invitation").click()
    expect(page.locator(".ui-toast")).to_contain_text(email)


def join(page, link, name):
    """Sign up by the link and accept."""
    page.goto(link)
    assert "/invitation/" in page.url
    assert len(page.url.rstrip("/").rpartition("/")[2]) < 20  # the secret is out of the address
    page.get_by_role("link", name="Make an account").click()
    expect(page.get_by_label("Organization")).to_have_count(0)
    page.get_by_label("Your name").fill(name)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".ui-toast")).to_contain_text("Welcome to")


def test_invite_accept_as_another_and_change_the_role_of_an_open_page(page, browser, site):
    sign_up(page, "owner@example.com", organization="Eastwind")
    invite(page, "mei@example.com", "builder")
    theirs = browser.new_context(base_url=site.url)
    mei = theirs.new_page()
    join(mei, mailed_link(site, "mei@example.com"), "Mei Lin")

    expect(mei.locator(".ui-org-menu summary")).to_contain_text("Eastwind")
    mei.goto("/workflows/import/")
    mei.get_by_label(re.compile("Flow file")).set_input_files(FLOW)

    page.goto("/organization/members/")
    page.get_by_label("Role of Mei Lin").select_option("approver")
    page.get_by_text("The role is changed.").wait_for()

    # The page that was open all along is refused with its next request.
    mei.get_by_role("button", name="Check only").click()
    expect(mei.locator(".ui-status")).to_have_text("403")
    mei.goto("/")
    expect(mei.locator(".ui-org-menu summary")).to_contain_text("Approver")

    page.get_by_label("Role of Ada Lovelace").select_option("member")
    page.get_by_text("An organization needs at least one owner.").wait_for()
    assert page.get_by_label("Role of Ada Lovelace").input_value() == "owner"
    theirs.close()


def test_a_link_for_another_is_explained(page, browser, site):
    sign_up(page, "sender@example.com", organization="Westwind")
    invite(page, "right@example.com", "member")
    link = mailed_link(site, "right@example.com")
    theirs = browser.new_context(base_url=site.url)
    wrong = theirs.new_page()
    sign_up(wrong, "wrong-one@example.com", organization="Elsewhere")

    wrong.goto(link)

    expect(wrong.get_by_role("alert")).to_contain_text("It was sent to right@example.com")
    expect(wrong.get_by_role("button", name="Accept")).to_have_count(0)
    page.goto("/organization/invitations/")
    page.get_by_role("button", name="Take back").click()
    page.locator("#ui-confirm").get_by_role("button", name="Confirm").click()
    expect(page.locator(".ui-toast")).to_contain_text("taken back")
    wrong.goto(link)
    expect(wrong.locator("main")).to_contain_text("taken back")
    theirs.close()


def test_teams_projects_and_the_danger_zone(page):
    sign_up(page, "places@example.com", organization="Places")
    page.goto("/organization/")
    page.get_by_role("link", name="Teams").click()
    page.get_by_label("Name").fill("Support")
    page.get_by_role("button", name="Make team").click()
    page.get_by_label("Member").select_option(index=0)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Make lead").click()
    expect(page.locator("td .ui-badge")).to_have_text("Lead")

    page.get_by_role("link", name="Projects").click()
    page.get_by_label("Name").fill("Claims")
    page.get_by_role("button", name="Make project").click()
    page.get_by_role("button", name="Archive").click()
    page.locator("#ui-confirm").get_by_role("button", name="Confirm").click()
    expect(page.locator("main")).to_contain_text("nothing new comes into it")

    page.get_by_role("link", name="Danger zone").click()
    page.get_by_role("button", name="Make an archive").click()
    page.get_by_label("Name of the organization").fill("Places")
    page.get_by_label("Why").fill("A trial.")
    page.get_by_role("button", name="Delete the organization").click()
    expect(page.locator(".ui-band")).to_contain_text("Places is deleted on")
    page.get_by_role("button", name="Keep the organization").click()
    expect(page.locator(".ui-band")).to_have_count(0)


def test_a_further_organization_and_back(page):
    sign_up(page, "two@example.com", organization="First")
    page.locator(".ui-org-menu summary").click()
    page.get_by_role("link", name="New organization").click()
    page.get_by_label("Name").fill("Second")
    page.get_by_role("button", name="Found it").click()
    expect(page.locator(".ui-org-menu summary")).to_contain_text("Second")
    page.locator(".ui-org-menu summary").click()
    page.get_by_role("button", name="First").click()
    expect(page.locator(".ui-org-menu summary")).to_contain_text("First")
