"""Operators change organizations, members and keys by the members' actions, with an entry."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import URLField
from django.urls import reverse

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.actions import create_key
from orgs.keys import verify_key
from orgs.models import Membership, Organization
from orgs.tests.factories import MembershipFactory, OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def staff_with(client, *codenames):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def choose(client, model, action, row):
    address = reverse(f"admin:orgs_{model}_changelist")
    return client.post(address, {"action": action, "_selected_action": [str(row.pk)]})


@pytest.mark.parametrize("model", ["organization", "membership"])
def test_no_form_writes_past_the_actions(client, operator, model):
    row = MembershipFactory(role="owner")
    target = row if model == "membership" else row.organization
    before = list(Membership.objects.values()), list(Organization.objects.values())

    added = client.post(reverse(f"admin:orgs_{model}_add"), {"name": "x", "role": "owner"})
    changed = client.post(
        reverse(f"admin:orgs_{model}_change", args=[target.pk]), {"name": "x", "role": "guest"}
    )
    deleted = client.post(reverse(f"admin:orgs_{model}_delete", args=[target.pk]), {"post": "yes"})
    choose(client, model, "delete_selected", target)

    assert [each.status_code for each in (added, changed, deleted)] == [403, 403, 403]
    assert (list(Membership.objects.values()), list(Organization.objects.values())) == before


def test_an_organization_without_a_working_owner_is_given_one(client, operator):
    row = MembershipFactory(role="member")

    choose(client, "membership", "make_owners", row)

    row.refresh_from_db()
    entry = Entry.objects.get(action="orgs.member.role_changed")
    assert row.role == "owner"
    assert (entry.actor_id, entry.organization_id) == (operator.pk, row.organization_id)


def test_a_key_is_revoked_in_the_name_of_the_operator(client, operator):
    key, token = create_key(actor=actor_in(OrganizationFactory()), name="k", scopes=["run.view"])

    choose(client, "apikey", "revoke", key)

    assert verify_key(token) is None
    assert Entry.objects.get(action="orgs.key.revoked").actor_id == operator.pk


def test_who_may_only_look_changes_nothing(client):
    key, token = create_key(actor=actor_in(OrganizationFactory()), name="k", scopes=["run.view"])
    row = MembershipFactory(role="member")
    staff_with(client, "view_apikey", "view_membership")

    choose(client, "apikey", "revoke", key)
    choose(client, "membership", "make_owners", row)

    row.refresh_from_db()
    assert verify_key(token)
    assert row.role == "member"


def test_an_address_without_a_scheme_is_meant_as_https(rf):
    """Django would have it be http, and warns that this will change."""
    request = rf.get("/admin/")
    kinds = [
        (admin_of.formfield_for_dbfield(field, request), model.__name__)
        for model, admin_of in admin.site._registry.items()
        for field in model._meta.fields
        if isinstance(field, URLField)
    ]

    assert "SsoConnection" in {name for _, name in kinds}
    for field, name in kinds:
        assert field.clean("issuer.example") == "https://issuer.example", name
        assert "unfold" in type(field.widget).__module__
