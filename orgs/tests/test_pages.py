"""The pages of orgs, as a signed-in person uses them."""

import pytest
from django.urls import reverse

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.access import SESSION_KEY
from orgs.keys import verify_key
from orgs.models import ApiKey, Membership, Organization
from orgs.tests.factories import MembershipFactory, OrganizationFactory, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory(name="Northwind")


@pytest.fixture
def owner(client, organization):
    user, _ = person_in(organization, "owner")
    client.force_login(user)
    return user


def test_home_sends_strangers_to_sign_in(client):
    response = client.get("/")

    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


def test_home_shows_the_shell_of_the_organization(client, owner):
    text = client.get("/").content.decode()

    assert "Northwind" in text
    assert 'aria-current="page"' in text
    assert reverse("account_logout") in text


def test_somebody_without_an_organization_is_told_so(client):
    client.force_login(UserFactory())

    response = client.get("/")

    assert response.status_code == 403
    assert b"You do not belong to any organization yet." in response.content


def test_switching_changes_what_is_seen(client, owner):
    other = MembershipFactory(user=owner, organization__name="Contoso").organization

    client.post(reverse("organization_switch"), {"organization": str(other.pk)})

    assert "Contoso · " not in client.get("/").content.decode()
    assert client.get(reverse("organization_settings")).context["organization"] == other


def test_switching_to_a_foreign_organization_changes_nothing(client, owner):
    foreign = OrganizationFactory()

    client.post(reverse("organization_switch"), {"organization": str(foreign.pk)})

    assert SESSION_KEY not in client.session


def test_navigation_fragment_marks_the_page_it_is_shown_on(client, owner):
    response = client.get(
        reverse("navigation"),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/keys/"},
    )

    assert b"<html" not in response.content
    assert b'href="/keys/" aria-current="page"' in response.content


def test_owner_renames_the_organization(client, owner, organization):
    client.post(reverse("organization_settings"), {"name": "Southwind"})

    organization.refresh_from_db()
    assert organization.name == "Southwind"


def test_member_cannot_rename(client, organization):
    user, _ = person_in(organization, "member")
    client.force_login(user)

    response = client.post(reverse("organization_settings"), {"name": "Mine"})

    assert response.status_code == 403
    assert Organization.objects.get().name == "Northwind"


def test_changing_and_removing_a_member(client, owner, organization):
    mei = UserFactory(email="mei@example.com", name="Mei Lin")
    row = MembershipFactory(user=mei, organization=organization, role="builder")

    client.post(reverse("member_role", args=[row.pk]), {"role": "approver"})
    row.refresh_from_db()

    assert row.role == "approver"
    assert b"Mei Lin" in client.get(reverse("organization_members")).content
    client.post(reverse("member_remove", args=[row.pk]))
    assert not Membership.objects.filter(pk=row.pk).exists()


def test_the_last_owner_stays_and_the_page_says_why(client, owner, organization):
    row = Membership.objects.get(user=owner)

    response = client.post(reverse("member_role", args=[row.pk]), {"role": "guest"}, follow=True)

    row.refresh_from_db()
    assert row.role == "owner"
    assert b"An organization needs at least one owner." in response.content


def test_a_member_sees_no_controls_over_others(client, organization):
    user, _ = person_in(organization, "member")
    person_in(organization, "builder")
    client.force_login(user)

    text = client.get(reverse("organization_members")).content.decode()

    assert "data-submit-on-change" not in text
    assert text.count("/remove/") == 1  # leaving


def test_a_key_is_shown_once_and_works(client, owner, organization):
    response = client.post(
        reverse("api_key_new"), {"name": "CI", "scopes": ["run.view"], "lifetime": "30"}
    )

    token = response.context["token"]
    assert token in response.content.decode()
    assert response.headers["Cache-Control"] == "no-store"
    assert verify_key(token).organization_id == organization.pk
    listing = client.get(reverse("api_keys")).content.decode()
    assert token not in listing
    assert ApiKey.objects.get().prefix in listing


def test_a_key_without_scopes_is_refused(client, owner):
    response = client.post(reverse("api_key_new"), {"name": "CI", "lifetime": "0"})

    assert response.context["form"].errors["scopes"]
    assert not ApiKey.objects.exists()


def test_a_key_cannot_carry_what_its_maker_may_not(client, organization):
    user, _ = person_in(organization, "builder")
    client.force_login(user)

    client.post(reverse("api_key_new"), {"name": "CI", "scopes": ["audit.view"], "lifetime": "0"})

    assert not ApiKey.objects.exists()


def test_revoking_ends_a_key(client, owner):
    token = client.post(
        reverse("api_key_new"), {"name": "CI", "scopes": ["run.view"], "lifetime": "0"}
    ).context["token"]

    client.post(reverse("api_key_revoke", args=[ApiKey.objects.get().pk]))

    assert verify_key(token) is None
    assert b"Revoked" in client.get(reverse("api_keys")).content


def test_a_key_of_another_organization_is_not_found(client, owner):
    foreign, _ = person_in(OrganizationFactory(), "owner")
    client.force_login(foreign)
    client.post(
        reverse("api_key_new"), {"name": "theirs", "scopes": ["run.view"], "lifetime": "30"}
    )
    theirs, entries = ApiKey.objects.get(), Entry.objects.count()
    client.force_login(owner)

    response = client.post(reverse("api_key_revoke", args=[theirs.pk]))

    theirs.refresh_from_db()
    assert response.status_code == 404
    assert theirs.revoked_at is None
    assert Entry.objects.count() == entries


@pytest.mark.parametrize("name", ["home", "organization_settings", "api_keys", "api_key_new"])
def test_pages_hold_to_the_strict_content_policy(client, owner, name):
    response = client.get(reverse(name))

    assert "script-src 'self';" in response.headers["Content-Security-Policy"] + ";"
    assert b"ui-shell" in response.content


@pytest.mark.parametrize("name", ["api_keys", "api_key_new"])
def test_keys_are_closed_to_guests(client, organization, name):
    user, _ = person_in(organization, "guest")
    client.force_login(user)

    assert client.get(reverse(name)).status_code == 403
