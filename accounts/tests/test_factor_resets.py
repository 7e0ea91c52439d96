"""Somebody lost the second factor: an operator takes it away, with a reason, in the open."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.actions import reset_factors
from accounts.errors import FactorsNotReset
from accounts.models import SecurityEvent
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import Program, mails_to
from accounts.tests.test_factors import add_totp, code_of
from core.errors import InvalidInput
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "The telephone fell into the river."
PROOF = "Called back on the number in the contract."


@pytest.fixture
def lost():
    """A member with an app and recovery codes, signed in by a browser and a program."""
    user = person_in(OrganizationFactory(), "builder")[0]
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    user.browser = Client()
    user.browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    user.program = Program(user)
    add_totp(user)
    RecoveryCodes.activate(user)
    return user


@pytest.fixture
def support(client):
    call_command("staff_groups", verbosity=0)
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    client.force_login(user)
    return user


def page_of(user):
    return reverse("admin:accounts_user_reset_factors", args=[user.pk])


def test_support_resets_and_all_of_it_is_told(client, support, lost):
    shown = client.get(page_of(lost))
    assert shown.status_code == 200

    done = client.post(page_of(lost), {"reason": REASON, "proof": PROOF})

    assert done.status_code == 302
    assert not Authenticator.objects.filter(user=lost).exists()
    assert lost.browser.get("/account/").status_code == 302
    assert not lost.program.allowed()
    event = SecurityEvent.objects.get(kind="factors_reset")
    told = {"by": str(support.pk), "reason": REASON, "proof": PROOF}
    assert event.user_id == lost.pk
    assert told.items() <= event.data.items()
    assert event.data["factors"] == ["recovery_codes", "totp"]
    assert "reset" in mails_to(lost)[0].subject
    assert "security log" in mails_to(lost)[0].body


def test_the_person_has_to_set_up_another_one_first(client, support, lost):
    client.post(page_of(lost), {"reason": REASON, "proof": PROOF})
    browser = Client()
    browser.post("/accounts/login/", {"login": lost.email, "password": PASSWORD})

    assert browser.get("/").url == "/accounts/2fa/"
    program = Program(lost)
    assert program.api().get("/api/v1/workflows/").json()["code"] == "second_factor_required"
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    browser.get("/accounts/2fa/totp/activate/")
    code = code_of(browser.session["mfa.totp.secret"])
    browser.post("/accounts/2fa/totp/activate/", {"code": code})

    assert browser.get("/").status_code == 200
    lost.refresh_from_db()
    assert not lost.factor_due


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"reason": REASON},
        {"proof": PROOF},
        {"reason": "   lost   ", "proof": PROOF},
        {"reason": REASON, "proof": " " * 30},
        {"reason": REASON, "proof": "x" * 501},
    ],
)
def test_without_a_reason_and_a_proof_nothing_happens(client, support, lost, sent):
    client.post(page_of(lost), sent)

    assert Authenticator.objects.filter(user=lost).count() == 2
    assert lost.program.allowed()
    with pytest.raises(InvalidInput):
        reset_factors(by=support, user_id=lost.pk, **({"reason": "", "proof": ""} | sent))


@pytest.mark.parametrize("rank", [{"is_staff": True}, {"is_staff": True, "is_superuser": True}])
def test_support_leaves_other_operators_alone(client, support, rank):
    other = UserFactory(**rank)
    add_totp(other)

    page = client.post(page_of(other), {"reason": REASON, "proof": PROOF})

    assert "Another operator" in page.content.decode()
    assert Authenticator.objects.filter(user=other).exists()
    other.refresh_from_db()
    assert not other.factor_due


def test_superusers_help_operators_but_not_themselves():
    one, other = (UserFactory(is_staff=True, is_superuser=True) for _ in range(2))
    add_totp(one)
    add_totp(other)

    assert reset_factors(by=one, user_id=other.pk, reason=REASON, proof=PROOF) == 1
    with pytest.raises(FactorsNotReset):
        reset_factors(by=one, user_id=one.pk, reason=REASON, proof=PROOF)

    assert list(Authenticator.objects.values_list("user_id", flat=True)) == [one.pk]


def test_an_operator_whose_factors_were_reset_is_kept_from_the_console(settings):
    settings.REQUIRE_SECOND_FACTOR = "none"
    one, other = (UserFactory(is_staff=True, is_superuser=True) for _ in range(2))
    add_totp(other)
    reset_factors(by=one, user_id=other.pk, reason=REASON, proof=PROOF)
    browser = Client()
    browser.force_login(other)

    assert browser.get("/admin/", follow=True).request["PATH_INFO"] == "/accounts/2fa/"


def test_who_has_none_has_none_to_lose(client, support):
    user = UserFactory()

    page = client.post(page_of(user), {"reason": REASON, "proof": PROOF})

    assert "has no second factor" in page.content.decode()
    assert not SecurityEvent.objects.filter(kind="factors_reset").exists()


@pytest.mark.parametrize("rights", [[], ["view_user", "change_user", "delete_authenticator"]])
def test_an_operator_without_the_right_resets_nothing(client, lost, rights):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)

    answer = client.post(page_of(lost), {"reason": REASON, "proof": PROOF})

    assert answer.status_code == 403
    assert Authenticator.objects.filter(user=lost).count() == 2


def test_there_is_no_other_way_in_the_console(client, lost):
    """Deleting the row would leave neither reason nor proof."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    row = Authenticator.objects.filter(user=lost, type="totp").get()

    page = client.post(reverse("admin:mfa_authenticator_delete", args=[row.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    client.post(reverse("admin:mfa_authenticator_changelist"), chosen)

    assert page.status_code == 403
    assert Authenticator.objects.filter(pk=row.pk).exists()
    change = client.get(reverse("admin:accounts_user_change", args=[lost.pk])).content.decode()
    assert re.search(r'href="[^"]*reset-factors', change)
