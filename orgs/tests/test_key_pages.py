"""The pages of keys."""

import pytest
from django.urls import reverse

from orgs.actions import create_key, revoke_key
from orgs.keys import verify_key
from orgs.models import ApiKey, Project
from orgs.tests.factories import OrganizationFactory, actor_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(client, organization):
    user, actor = person_in(organization)
    client.force_login(user)
    return actor


def make(actor, name="Nightly", **more):
    return create_key(actor=actor, name=name, scopes=["run.view"], **more)


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def test_a_key_is_made_in_a_project_with_its_addresses(client, owner, organization):
    project = Project.objects.create(organization=organization, name="Research")

    response = client.post(
        reverse("api_key_new"),
        {"name": "CI", "scopes": ["run.view"], "lifetime": "30", "project": str(project.pk),
         "ip_allow": "203.0.113.7/24\n2001:db8::1, 10.0.0.1"},
    )  # fmt: skip

    key = ApiKey.objects.get()
    assert (key.project, key.ip_allow) == (
        project,
        ["203.0.113.0/24", "2001:db8::1", "10.0.0.1"],
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert verify_key(response.context["token"])


def test_a_wrong_address_is_said_at_the_field(client, owner):
    response = client.post(
        reverse("api_key_new"),
        {"name": "CI", "scopes": ["run.view"], "lifetime": "30", "ip_allow": "office"},
    )

    assert "office" in str(response.context["form"].errors["ip_allow"])
    assert not ApiKey.objects.exists()


def test_rotation_shows_the_new_token_once_and_the_chain_for_good(client, owner):
    old, token = make(owner)
    assert 'data-dialog="rotate"' in text_of(client.get(reverse("api_key", args=[old.pk])))

    response = client.post(reverse("api_key_rotate", args=[old.pk]), {"overlap": "3600"})

    new = ApiKey.objects.get(rotated_from=old)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.context["token"] in text_of(response)
    assert verify_key(token)
    page = text_of(client.get(reverse("api_key", args=[new.pk])))
    assert old.prefix in page
    assert response.context["token"] not in page
    assert 'data-dialog="rotate"' not in text_of(client.get(reverse("api_key", args=[old.pk])))


def test_a_chain_of_many_is_shown_in_order(client, owner):
    key, _ = make(owner)
    prefixes = [key.prefix]
    for _ in range(3):
        client.post(reverse("api_key_rotate", args=[key.pk]), {"overlap": "3600"})
        key = ApiKey.objects.get(rotated_from=key)
        prefixes.append(key.prefix)

    response = client.get(reverse("api_key", args=[key.pk]))

    assert [link.prefix for link in response.context["chain"]] == prefixes


@pytest.mark.parametrize("overlap", ["", "-1", "99", "x"])
def test_an_overlap_that_was_not_offered_rotates_nothing(client, owner, overlap):
    old, _ = make(owner)

    client.post(reverse("api_key_rotate", args=[old.pk]), {"overlap": overlap})

    assert ApiKey.objects.count() == 1


def test_settings_are_changed_on_the_page(client, owner):
    key, _ = make(owner)

    client.post(
        reverse("api_key", args=[key.pk]),
        {"name": "Renamed", "scopes": ["run.view"], "ip_allow": "10.0.0.1"},
    )

    key.refresh_from_db()
    assert (key.name, key.ip_allow) == ("Renamed", ["10.0.0.1"])


def test_a_member_sees_only_their_own(client, organization):
    user, actor = person_in(organization, "member")
    client.force_login(user)
    make(actor, "Mine")
    theirs, _ = make(actor_in(organization), "Theirs")

    listing = text_of(client.get(reverse("api_keys")))

    assert "Mine" in listing
    assert "Theirs" not in listing
    assert "revoke-all" not in listing
    assert client.get(reverse("api_key", args=[theirs.pk])).status_code == 404
    assert (
        client.post(reverse("api_key_rotate", args=[theirs.pk]), {"overlap": "0"}).status_code
        == 404
    )
    assert client.post(reverse("api_keys_revoke_all")).status_code == 403
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


def test_the_list_narrows_by_project_and_state(client, owner, organization):
    project = Project.objects.create(organization=organization, name="Research")
    make(owner, "Inside", project_id=project.pk)
    revoked, _ = make(owner, "Gone")
    revoke_key(actor=owner, key_id=revoked.pk)

    by_project = text_of(client.get(reverse("api_keys"), {"project": str(project.pk)}))
    by_state = text_of(client.get(reverse("api_keys"), {"state": "revoked"}))
    nothing = text_of(client.get(reverse("api_keys"), {"state": "expired"}))

    assert "Inside" in by_project
    assert "Gone" not in by_project
    assert "Gone" in by_state
    assert "Inside" not in by_state
    assert "No key fits" in nothing


def test_a_long_list_pages_in_constant_queries(client, owner, django_assert_max_num_queries):
    for n in range(60):
        make(owner, f"Key {n}")

    with django_assert_max_num_queries(16):
        first = client.get(reverse("api_keys"))
    rest = client.get(reverse("api_keys"), {"before": str(first.context["more"])})

    assert (len(first.context["keys"]), len(rest.context["keys"])) == (50, 10)


def test_the_owner_pulls_the_brake(client, owner):
    token = make(owner)[1]

    response = client.post(reverse("api_keys_revoke_all"), follow=True)

    assert "1 key is revoked" in text_of(response)
    assert verify_key(token) is None
