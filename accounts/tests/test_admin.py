"""Operators look after people without becoming them, or more than they are."""

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from orgs.tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
ALL = ("user", "group", "emailaddress", "usersession")


@pytest.fixture
def staff(client):
    """Holds every model permission there is, but is no superuser."""
    user = UserFactory(is_staff=True)
    names = [f"{right}_{model}" for model in ALL for right in ("view", "add", "change", "delete")]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return user


def change(client, user, **fields):
    given = {"email": user.email, "name": user.name, "is_active": "on"}
    return client.post(reverse("admin:accounts_user_change", args=[user.pk]), given | fields)


def test_staff_cannot_raise_themselves(client, staff):
    group = Group.objects.create(name="everything")

    change(client, staff, is_superuser="on", groups=[group.pk])

    staff.refresh_from_db()
    assert not staff.is_superuser
    assert not staff.groups.exists()


def test_staff_disable_a_member_but_do_not_take_over_the_address(client, staff):
    member = UserFactory(name="Before")

    change(client, member, name="After", email="mine@example.com", is_active="", is_staff="on")

    fresh = User.objects.get(pk=member.pk)
    assert (fresh.name, fresh.is_active) == ("After", False)
    assert (fresh.email, fresh.is_staff) == (member.email, False)


@pytest.mark.parametrize("rank", [{"is_superuser": True}, {"is_staff": True}])
def test_staff_leave_other_operators_alone(client, staff, rank):
    other = UserFactory(**rank)

    assert change(client, other, name="x").status_code == 403
    assert User.objects.get(pk=other.pk).name == other.name


def test_staff_write_neither_addresses_nor_groups(client, staff):
    victim = UserFactory(is_superuser=True)

    address = client.post(
        reverse("admin:account_emailaddress_add"),
        {"user": str(victim.pk), "email": "mine@example.com", "verified": "on", "primary": "on"},
    )
    group = client.post(reverse("admin:auth_group_add"), {"name": "all"})

    assert (address.status_code, group.status_code) == (403, 403)
    assert not EmailAddress.objects.exists()
    assert not Group.objects.exists()


def test_nobody_deletes_a_person_with_their_history(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    owner = MembershipFactory(role="owner").user

    response = client.post(reverse("admin:accounts_user_delete", args=[owner.pk]), {"post": "yes"})

    assert response.status_code == 403
    assert User.objects.filter(pk=owner.pk).exists()


@pytest.mark.parametrize("way", ["list", "page"])
def test_deleting_a_session_signs_its_holder_out(client, way):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    victim, device = MembershipFactory().user, Client()
    device.post(reverse("account_login"), {"login": victim.email, "password": PASSWORD})
    assert device.get("/").status_code == 200
    session = UserSession.objects.get(user=victim)

    if way == "list":
        chosen = {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"}
        client.post(reverse("admin:usersessions_usersession_changelist"), chosen)
    else:
        address = reverse("admin:usersessions_usersession_delete", args=[session.pk])
        client.post(address, {"post": "yes"})

    assert device.get("/").status_code == 302
    assert not UserSession.objects.filter(user=victim).exists()
