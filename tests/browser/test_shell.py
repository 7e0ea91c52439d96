"""The shell in a real browser: signing in, keys, theme, language, drawer, keyboard, contrast."""

from tests.browser.conftest import sign_in, sign_up
from tests.browser.contrast import weak_texts
from tests.browser.serving import PASSWORD


def test_a_person_signs_up_makes_a_key_and_revokes_it(page):
    sign_up(page, "keys@example.com")
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="New API key").first.click()
    page.get_by_label("Name").fill("Nightly import")
    page.get_by_label("workflow.run", exact=True).check()
    page.get_by_role("button", name="Create key").click()

    token = page.locator("#token").inner_text()
    assert token.startswith("lw_")
    answer = page.request.get("/api/v1/organization/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status != 500

    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.locator("#ui-confirm").get_by_role("button", name="Cancel").click()
    assert page.get_by_role("table").get_by_text("Active", exact=True).is_visible()
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.locator("#ui-confirm").get_by_role("button", name="Confirm").click()
    page.get_by_role("table").get_by_text("Revoked", exact=True).wait_for()


def test_the_theme_is_kept_and_shared_with_the_console(page):
    sign_in(page)
    page.goto("/accounts/email/")
    dark = "document.documentElement.classList.contains('dark')"
    before = page.evaluate(dark)
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto("/admin/")
    page.wait_for_function(f"{dark} === {str(not before).lower()}")


def test_the_language_is_switched_from_the_user_menu(page):
    sign_up(page, "language@example.com")
    page.locator(".ui-user-menu summary").click()
    page.get_by_role("button", name="简体中文").click()
    page.wait_for_function("document.documentElement.lang === 'zh-hans'")


def test_the_drawer_opens_and_closes_by_keyboard_on_a_narrow_screen(page):
    sign_up(page, "drawer@example.com")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    burger = page.get_by_role("button", name="Menu")
    home = page.locator("#nav").get_by_role("link", name="Home")
    assert not home.is_visible()
    burger.press("Enter")
    home.wait_for(state="visible")
    page.keyboard.press("Escape")
    home.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.matches('[data-menu]')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_tab_stop_skips_to_the_content(page):
    sign_up(page, "skip@example.com")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_wrong_password_keeps_the_person_out(page):
    sign_up(page, "wrong@example.com")
    page.locator(".ui-user-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill("wrong@example.com")
    page.get_by_label("Password").fill(PASSWORD + "!")
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.get_by_role("alert").wait_for()


def test_text_stands_out_enough_in_light_and_dark(page):
    """WCAG 2.1 AA: 4.5 to 1, measured on what the browser paints."""
    sign_up(page, "contrast@example.com")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in (
            "/", "/organization/", "/organization/members/", "/organization/invitations/",
            "/organization/teams/", "/organization/projects/", "/organization/danger/",
            "/organizations/new/", "/invitation/", "/keys/new/", "/accounts/2fa/", "/no-such-page/",
        ):  # fmt: skip
            page.goto(path)
            assert weak_texts(page) == [], f"{scheme} {path}"


def test_a_lost_session_leads_to_sign_in_and_back_to_the_page(page):
    sign_up(page, "lost@example.com")
    page.goto("/keys/")
    page.context.clear_cookies()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('ui:changed'))")
    page.wait_for_url("**/accounts/login/?next=/keys/")
