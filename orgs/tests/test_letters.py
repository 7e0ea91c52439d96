"""Who is written to about an organization, by which action, and in words that fit."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.letters import deliver_due
from accounts.models import Letter, User
from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.access import system_actor
from orgs.actions import (
    accept_invitation,
    add_member,
    change_role,
    close_organization,
    create_invitation,
    decline_invitation,
    keep_organization,
    remove_member,
    transfer_ownership,
)
from orgs.actions.invitations import _wait
from orgs.errors import LastOwner
from orgs.models import Membership
from orgs.tests.factories import OrganizationFactory, actor_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory(name="Northwind")


@pytest.fixture
def owner(organization):
    actor = actor_in(organization)
    User.objects.filter(pk=actor.user_id).update(name="Olga Owner")
    return actor


def membership_of(actor):
    return Membership.objects.get(user_id=actor.user_id, organization_id=actor.organization_id)


def kinds():
    return list(Letter.objects.order_by("pk").values_list("kind", "template", "user_id"))


def said_to(user):
    """The one letter that has come to this person."""
    deliver_due()
    (sent,) = [each for each in mail.outbox if each.to == [user.email]]
    assert sent.body.count("http://127.0.0.1:8000/") >= 1
    assert "{{" not in sent.body + sent.alternatives[0].content
    return f"{sent.subject}\n{sent.body}"


def test_who_is_added_is_told(organization, owner):
    user = UserFactory()

    add_member(actor=owner, email=user.email, role="builder")

    assert kinds() == [("membership", "orgs/mail/added", user.pk)]
    assert "Olga Owner has added you to Northwind. Your role: Builder." in said_to(user)


def test_who_gets_another_role_is_told_once(organization, owner):
    user, actor = person_in(organization, "member")
    pk = membership_of(actor).pk

    change_role(actor=owner, membership_id=pk, role="approver")
    change_role(actor=owner, membership_id=pk, role="approver")

    assert kinds() == [("membership", "orgs/mail/role_changed", user.pk)]
    assert "from Member to Approver" in said_to(user)


def test_nobody_is_named_where_the_platform_acts(organization, owner):
    user, actor = person_in(organization, "member")
    by = system_actor(organization.pk)

    change_role(actor=by, membership_id=membership_of(actor).pk, role="builder")

    assert "Your role in Northwind has changed from Member to Builder." in said_to(user)


@pytest.mark.parametrize(("before", "after"), [("owner", "admin"), ("admin", "owner")])
def test_owning_and_no_longer_owning_is_always_told(organization, owner, before, after):
    user, actor = person_in(organization, before)
    user.muted = ["membership"]
    user.save()

    change_role(actor=owner, membership_id=membership_of(actor).pk, role=after)

    assert kinds() == [("ownership", "orgs/mail/role_changed", user.pk)]
    assert "Your role in Northwind has changed" in said_to(user)


def test_who_is_removed_is_told_and_who_leaves_is_not(organization, owner):
    user, actor = person_in(organization, "member")
    leaver = actor_in(organization, "member")

    remove_member(actor=owner, membership_id=membership_of(actor).pk)
    remove_member(actor=leaver, membership_id=membership_of(leaver).pk)

    assert kinds() == [("membership", "orgs/mail/removed", user.pk)]
    assert "Olga Owner has removed you from Northwind." in said_to(user)


def test_the_new_owner_is_told(organization, owner):
    user, actor = person_in(organization, "builder")

    transfer_ownership(actor=owner, membership_id=membership_of(actor).pk)

    assert kinds() == [("ownership", "orgs/mail/ownership", user.pk)]
    assert "Olga Owner has handed over Northwind to you" in said_to(user)


@pytest.mark.parametrize("answer", ["joined", "declined"])
def test_the_inviter_hears_the_answer(organization, owner, answer):
    row = create_invitation(actor=owner, email="mei@example.com", role="builder")
    user = UserFactory(email="mei@example.com", name="Mei Lin")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)

    if answer == "joined":
        accept_invitation(user=user, invitation_id=row.pk)
    else:
        decline_invitation(user=user, invitation_id=row.pk)

    assert kinds() == [("invitation_answered", f"orgs/mail/{answer}", owner.user_id)]
    text = said_to(User.objects.get(pk=owner.user_id))
    if answer == "joined":
        assert "Mei Lin (mei@example.com) has accepted your invitation" in text
    else:
        assert "mei@example.com has declined your invitation to Northwind." in text
        assert "Mei Lin" not in text  # the inviter knew the address alone


def test_owners_hear_of_the_end_and_that_it_is_called_off(organization, owner):
    user, _ = person_in(organization, "owner")
    User.objects.filter(pk=actor_in(organization).user_id).update(is_active=False)
    close_organization(actor=owner, name="Northwind", reason="r")
    deliver_due()
    keep_organization(actor=owner)

    assert Letter.objects.filter(kind="organization_ending").count() == 4
    deliver_due()
    told = [each.subject for each in mail.outbox if each.to == [user.email]]
    assert told == ["[Loomwork] Northwind will be deleted", "[Loomwork] Northwind is kept"]


def test_what_is_refused_writes_no_letter(organization, owner):
    with pytest.raises(LastOwner):
        change_role(actor=owner, membership_id=membership_of(owner).pk, role="admin")

    assert not Letter.objects.exists()


# -- how often


def test_one_invitation_too_many_says_when_to_come_back(organization, owner, settings):
    settings.INVITATIONS_PER_HOUR = 1
    client = Client()
    client.force_login(User.objects.get(pk=owner.user_id))
    sent = {"email": "one@example.com", "role": "guest"}
    assert client.post("/api/v1/invitations/", sent).status_code == 201

    refused = client.post("/api/v1/invitations/", sent | {"email": "two@example.com"})

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_invitations")
    wait = refused.json()["detail"]["retry_after"]
    assert 3590 <= wait <= 3601
    assert refused.headers["Retry-After"] == str(wait)


def test_the_wait_is_until_the_oldest_that_counts_is_an_hour_old(owner):
    for number in range(3):
        create_invitation(actor=owner, email=f"p{number}@example.com", role="guest")
    sent = Entry.objects.filter(action="orgs.invitation.created")
    first, second, third = sent.order_by("at").values_list("at", flat=True)
    later = third + timedelta(minutes=50)

    assert _wait(sent, 4, later) == 0
    for limit, counts in ((3, first), (2, second), (1, third)):
        wait = _wait(sent, limit, later)
        free = counts + timedelta(hours=1)
        assert later + timedelta(seconds=wait - 1) <= free < later + timedelta(seconds=wait)
    assert _wait(sent, 0, later) == 3600
