"""ETags: what has not changed is not sent again, and nobody overwrites what they have not seen."""

import pytest
from django.test import Client

from core.etags import matches, seen_already, tag_of
from llm.models import Model, Provider
from orgs.models import ApiKey, Membership, Organization
from orgs.tests.factories import MembershipFactory, OrganizationFactory, person_in
from orgs.tests.test_races import at_once
from tests.worlds import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world("ALPHA-A")


@pytest.fixture
def client(world):
    return signed_in(world.people["owner"])


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def singles(world):
    rows = world.rows
    return {
        "/api/v1/me/": None,
        "/api/v1/organization/": {"name": "Other"},
        "/api/v1/account/": {"name": "Other"},
        f"/api/v1/members/{rows.member.pk}/": {"role": "guest"},
        f"/api/v1/keys/{rows.key.pk}/": None,
        f"/api/v1/providers/{rows.provider.pk}/": {"name": "Other"},
        f"/api/v1/models/{rows.model.pk}/": {"name": "Other"},
        f"/api/v1/workflows/{rows.workflow.pk}/": None,
        f"/api/v1/versions/{rows.version.pk}/": None,
        f"/api/v1/runs/{rows.run.public_id}/": None,
        f"/api/v1/tasks/{rows.task.pk}/": None,
        f"/api/v1/files/{rows.file.pk}/": None,
        f"/api/v1/audit/{rows.entry.pk}/": None,
    }


def test_what_the_caller_has_is_not_sent_again(client, world):
    for address in singles(world):
        first = client.get(address)
        again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        weak = client.get(address, headers={"If-None-Match": f'"x", W/{first.headers["ETag"]}'})
        other = client.get(address, headers={"If-None-Match": '"other"'})

        assert (first.status_code, again.status_code, again.content) == (200, 304, b""), address
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (weak.status_code, other.status_code) == (304, 200)


def test_a_change_makes_another_tag(client, world):
    for address, change in singles(world).items():
        if change is None:
            continue
        before = client.get(address).headers["ETag"]
        patched = client.patch(address, change, content_type="application/json")
        after = client.get(address, headers={"If-None-Match": before})

        assert patched.status_code == 200, (address, patched.content)
        assert after.status_code == 200
        assert after.headers["ETag"] != before


def test_a_change_that_was_not_seen_is_not_overwritten(client, world):
    for address, change in singles(world).items():
        if change is None:
            continue
        seen = client.get(address)
        body = client.patch(
            address, change, content_type="application/json", headers={"If-Match": '"old"'}
        )
        assert (body.status_code, body.json()["code"]) == (412, "precondition_failed"), address
        assert client.get(address).json() == seen.json()
        assert body.json()["detail"]["etag"] == seen.headers["ETag"]

        done = client.patch(
            address,
            change,
            content_type="application/json",
            headers={"If-Match": f'"x", {seen.headers["ETag"]}'},
        )
        assert done.status_code == 200, (address, done.content)


def test_nothing_is_deleted_unseen(client, world):
    model = f"/api/v1/models/{world.rows.model.pk}/"
    refused = client.delete(model, headers={"If-Match": '"old"'})
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert Model.objects.filter(pk=world.rows.model.pk).exists()

    assert client.delete(model, headers={"If-Match": "*"}).status_code == 204
    key = f"/api/v1/keys/{world.rows.key.pk}/"
    tag = client.get(key).headers["ETag"]
    assert client.delete(key, headers={"If-Match": tag}).status_code == 204
    assert not ApiKey.objects.get(pk=world.rows.key.pk).live


def test_one_handler_may_show_and_change(client):
    address = "/api/v1/audit/retention/"
    tag = client.get(address).headers["ETag"]

    def put(days, tag):
        return client.put(
            address, {"days": days}, content_type="application/json", headers={"If-Match": tag}
        )

    assert put(400, tag).status_code == 200
    assert (put(500, tag).status_code, client.get(address).json()) == (412, {"days": 400})


def test_what_cannot_be_read_has_no_tag_to_match(client, world):
    session = client.get("/api/v1/account/sessions/").json()["results"]
    address = f"/api/v1/account/sessions/{session[0]['id'] if session else 1}/"

    assert client.delete(address, headers={"If-Match": '"x"'}).status_code in {404, 412}


def test_what_is_gone_has_no_tag_to_match(client, world):
    address = f"/api/v1/models/{world.rows.model.pk}/"
    client.delete(address)

    assert client.delete(address, headers={"If-Match": "*"}).status_code == 404


def test_without_the_header_the_last_one_wins(client, world):
    address = f"/api/v1/providers/{world.rows.provider.pk}/"

    assert client.patch(address, {"name": "x"}, content_type="application/json").status_code == 200


def test_tags_are_compared_as_the_standard_says():
    tag = tag_of({"a": 1})

    assert tag_of({"a": 1}) == tag != tag_of({"a": 2})
    assert matches(tag, tag)
    assert matches(" * ", tag)
    assert not matches(f"W/{tag}", tag)  # weak tags say too little to change something by
    assert not matches("", tag)
    assert seen_already(f"W/{tag}", tag)
    assert not seen_already("", tag)
    assert not seen_already(tag.strip('"'), tag)


def changing(user, address, tag, change):
    def call():
        return (
            signed_in(user)
            .patch(address, change, content_type="application/json", headers={"If-Match": tag})
            .status_code
        )

    return call


@pytest.mark.django_db(transaction=True)
def test_of_many_who_saw_the_same_one_changes_it(settings):
    organization = OrganizationFactory()
    user, _ = person_in(organization)
    provider = Provider.objects.create(
        organization=organization, name="one", base_url="http://127.0.0.1:9/v1"
    )
    address = f"/api/v1/providers/{provider.pk}/"
    tag = signed_in(user).get(address).headers["ETag"]

    found = at_once(*[changing(user, address, tag, {"name": f"by {n}"}) for n in range(4)])

    assert sorted(found) == [200, 412, 412, 412]


@pytest.mark.django_db(transaction=True)
def test_members_are_changed_with_and_without_conditions_crosswise():
    """The actions lock the organization first, so the condition does as well: no deadlock."""
    organization = OrganizationFactory()
    user, _ = person_in(organization)
    row = MembershipFactory(organization=organization)
    address = f"/api/v1/members/{row.pk}/"
    tag = signed_in(user).get(address).headers["ETag"]

    def plain():
        return (
            signed_in(user)
            .patch(address, {"role": "builder"}, content_type="application/json")
            .status_code
        )

    found = at_once(plain, changing(user, address, tag, {"role": "guest"}), plain)

    assert found.count(200) >= 2
    assert set(found) <= {200, 412}
    assert Membership.objects.get(pk=row.pk).role in {"builder", "guest"}
    assert Organization.objects.count() == 1
