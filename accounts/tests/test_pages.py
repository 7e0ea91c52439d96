"""Every sign-in and account page answers, in our theme, in both languages."""

import re
from pathlib import Path

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from orgs.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(client):
    """Signed in through the form and confirmed, as the pages of the second factor demand."""
    user = UserFactory(name="Ada Lovelace")
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return user


@pytest.mark.parametrize(
    "name",
    ["account_login", "account_signup", "account_reset_password", "account_reset_password_done"],
)
def test_pages_before_sign_in_wear_the_theme(client, name):
    text = client.get(reverse(name)).content.decode()

    assert '<div class="ui-auth">' in text
    assert "unfold/css/styles.css" in text
    assert 'name="language" value="zh-hans"' in text


@pytest.mark.parametrize(
    "name",
    [
        "account_email",
        "account_change_password",
        "account_logout",
        "account_reauthenticate",
        "mfa_index",
        "mfa_activate_totp",
        "account_profile",
        "account_notifications",
        "account_sessions",
        "account_security_log",
        "account_close",
        "mfa_add_webauthn",
    ],
)
def test_account_pages_wear_the_theme(client, person, name):
    response = client.get(reverse(name))

    text = response.content.decode()
    assert response.status_code == 200
    assert "ui-card" in text or "ui-form" in text
    assert 'href="/static/ui/app.css"' in text


def test_second_factor_pages_wear_the_theme(client, person):
    TOTP.activate(person, generate_totp_secret())
    RecoveryCodes.activate(person)

    for name in ("mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"):
        assert "ui-account" in client.get(reverse(name)).content.decode()
    assert "ui-btn danger" in client.get(reverse("mfa_deactivate_totp")).content.decode()


def test_signing_in_asks_for_the_second_factor(client):
    user = UserFactory()
    TOTP.activate(user, generate_totp_secret())

    response = client.post(
        reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True
    )

    text = response.content.decode()
    assert response.request["PATH_INFO"] == reverse("mfa_authenticate")
    assert '<div class="ui-auth">' in text
    assert 'name="code"' in text


def test_sign_up_founds_an_organization_and_lands_on_home(client):
    response = client.post(
        reverse("account_signup"),
        {
            "name": "Mei Lin",
            "organization": "Northwind",
            "email": "mei@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
        follow=True,
    )

    assert response.request["PATH_INFO"] == "/"
    row = Membership.objects.get(user=User.objects.get())
    assert (row.role, row.organization.name) == ("owner", "Northwind")


def test_an_address_is_verified_by_a_code_where_that_is_demanded(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    page = client.post(
        reverse("account_signup"),
        {
            "name": "Mei Lin",
            "email": "mei@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
        follow=True,
    )

    assert '<div class="ui-auth">' in page.content.decode()
    assert 'name="code"' in page.content.decode()
    assert "_auth_user_id" not in client.session
    code = re.search(r"^([A-Z0-9-]{6,9})$", mail.outbox[0].body, re.MULTILINE)[1]
    client.post(page.request["PATH_INFO"], {"code": code})
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_wrong_password_is_said_at_the_form(client):
    user = UserFactory()

    response = client.post(reverse("account_login"), {"login": user.email, "password": "wrong"})

    assert 'class="ui-alert bad" role="alert"' in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_password_is_reset_by_mail(client):
    user = UserFactory()

    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[0].body)[1]
    page = client.get(link, follow=True)
    client.post(
        page.request["PATH_INFO"],
        {"password1": "a-brand-new-pass", "password2": "a-brand-new-pass"},
    )

    assert '<div class="ui-auth">' in page.content.decode()
    user.refresh_from_db()
    assert user.check_password("a-brand-new-pass")


def test_sessions_name_the_device(client, person):
    client.get("/", headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})

    text = client.get(reverse("account_sessions")).content.decode()

    assert "ui-table" in text
    assert "This one" in text


def test_language_is_switched_and_kept(client):
    client.post(reverse("set_language"), {"language": "zh-hans", "next": "/accounts/login/"})

    assert 'lang="zh-hans"' in client.get(reverse("account_login")).content.decode()


def test_without_a_mail_server_mails_are_kept_in_the_data_folder(settings):
    assert Path(settings.EMAIL_FILE_PATH) == settings.DATA_DIR / "mail"
