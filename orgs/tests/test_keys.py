"""Keys over their life: made in a project, changed, rotated, revoked."""

from datetime import timedelta

import pytest
from django.utils.timezone import now
from rest_framework.test import APIClient

from audit.models import Entry
from orgs.actions import (
    change_key,
    create_key,
    revoke_all_keys,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from orgs.errors import KeyAlreadyRotated, KeyNotLive
from orgs.keys import verify_key
from orgs.models import ApiKey, Project
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization):
    return actor_in(organization)


def client_of(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_login(user)
    return client


def bearer(token):
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def make(actor, *scopes, **more):
    return create_key(actor=actor, name="k", scopes=scopes or ("run.view",), **more)


def project_in(organization, name="Other", **more):
    return Project.objects.create(organization=organization, name=name, **more)


# -- projects


def test_a_key_belongs_to_the_project_that_was_chosen(organization):
    project, client = project_in(organization), client_of(organization)

    chosen = client.post(
        "/api/v1/keys/", {"name": "a", "scopes": ["run.view"], "project": str(project.pk)}
    )
    default = client.post("/api/v1/keys/", {"name": "b", "scopes": ["run.view"]})

    assert chosen.json()["project"] == str(project.pk)
    assert default.json()["project"] == str(Project.objects.get(is_default=True).pk)
    assert chosen.headers["Cache-Control"] == "no-store"
    listed = client.get("/api/v1/keys/", {"project": str(project.pk)}).json()["results"]
    assert [row["id"] for row in listed] == [chosen.json()["id"]]


@pytest.mark.parametrize("which", ["foreign", "archived"])
def test_a_key_is_made_in_no_other_project(organization, which):
    projects = {
        "foreign": lambda: project_in(OrganizationFactory()),
        "archived": lambda: project_in(organization, archived_at=now()),
    }
    body = {"name": "a", "scopes": ["run.view"], "project": str(projects[which]().pk)}

    response = client_of(organization).post("/api/v1/keys/", body)

    said = {"foreign": "not_found", "archived": "project_archived"}
    assert response.json()["code"] == said[which]
    assert not ApiKey.objects.exists()


def test_a_restricted_project_gives_keys_to_managers_alone(organization, owner):
    body = {"name": "a", "scopes": ["run.view"]}
    body["project"] = str(project_in(organization, restricted=True).pk)

    refused = client_of(organization, "builder").post("/api/v1/keys/", body)
    assert refused.status_code == 404
    assert not ApiKey.objects.exists()
    assert client_of(organization, "admin").post("/api/v1/keys/", body).status_code == 201


def test_a_key_makes_keys_in_its_own_project_for_its_own_maker(organization, owner):
    project = project_in(organization)
    key, token = make(owner, "key.create", "run.view", project_id=project.pk)

    made = bearer(token).post("/api/v1/keys/", {"name": "child", "scopes": ["run.view"]})
    above = bearer(token).post("/api/v1/keys/", {"name": "child", "scopes": ["audit.view"]})

    child = ApiKey.objects.get(pk=made.json()["id"])
    assert (child.project_id, child.created_by_id) == (project.pk, key.created_by_id)
    assert above.json()["code"] == "role_above_yours"
    elsewhere = {"name": "x", "scopes": ["run.view"]}
    elsewhere["project"] = str(Project.objects.get(is_default=True).pk)
    assert bearer(token).post("/api/v1/keys/", elsewhere).status_code == 404
    assert ApiKey.objects.count() == 2


# -- whose they are


def test_makers_see_their_own_and_managers_all(organization, owner):
    member = actor_in(organization, "member")
    mine, _ = make(member)
    theirs, _ = make(owner)

    assert set(ApiKey.objects.visible_to(member)) == {mine}
    assert set(ApiKey.objects.visible_to(owner)) == {mine, theirs}
    assert set(ApiKey.objects.visible_to(actor_in(organization, "admin"))) == {mine, theirs}
    assert not ApiKey.objects.visible_to(actor_in(organization, "builder")).exists()
    assert not ApiKey.objects.visible_to(actor_in(OrganizationFactory())).exists()


@pytest.mark.parametrize("method", ["get", "patch", "delete", "rotate"])
def test_a_key_of_somebody_else_is_not_there(organization, owner, method):
    key, token = make(owner)
    client, path = client_of(organization, "builder"), f"/api/v1/keys/{key.pk}/"

    if method == "rotate":
        response = client.post(path + "rotate/", {})
    else:
        response = getattr(client, method)(path, {"name": "x"} if method == "patch" else None)

    assert response.status_code == 404
    assert verify_key(token)
    assert ApiKey.objects.get().name == "k"


def test_guests_make_no_keys(organization):
    response = client_of(organization, "guest").post(
        "/api/v1/keys/", {"name": "x", "scopes": ["org.view"]}
    )

    assert response.status_code == 403
    assert not ApiKey.objects.exists()


# -- changing


def test_a_key_is_renamed_narrowed_and_bound(organization, owner):
    key, token = make(owner, "run.view", "audit.view")

    response = client_of(organization).patch(
        f"/api/v1/keys/{key.pk}/",
        {"name": "new", "scopes": ["run.view"], "ip_allow": ["10.1.2.3/8", "::1"]},
    )

    assert response.json()["ip_allow"] == ["10.0.0.0/8", "::1"]
    assert verify_key(token).scopes == {"run.view"}
    entry = Entry.objects.get(action="orgs.key.changed")
    assert (entry.before["scopes"], entry.after["scopes"]) == (
        ["audit.view", "run.view"],
        ["run.view"],
    )


def test_who_may_less_can_narrow_but_not_widen(organization):
    key, _ = make(actor_in(organization), "wallet.topup", "run.view")
    admin = client_of(organization, "admin")  # tops up no wallet

    narrower = admin.patch(f"/api/v1/keys/{key.pk}/", {"scopes": ["run.view"]})
    wider = admin.patch(f"/api/v1/keys/{key.pk}/", {"scopes": ["run.view", "wallet.topup"]})

    assert (narrower.status_code, wider.json()["code"]) == (200, "role_above_yours")
    key.refresh_from_db()
    assert key.scopes == ["run.view"]


def test_a_key_never_gets_what_its_maker_may_not(organization, owner):
    key, _ = make(actor_in(organization, "member"))

    response = client_of(organization).patch(
        f"/api/v1/keys/{key.pk}/", {"scopes": ["run.view", "audit.view"]}
    )

    assert response.json()["code"] == "role_above_yours"
    key.refresh_from_db()
    assert key.scopes == ["run.view"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scopes": ["no.such"]}, "unknown_scope"),
        ({"scopes": []}, "invalid_input"),
        ({"name": " "}, "invalid_input"),
        ({"ip_allow": ["here"]}, "invalid_address"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_input"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "invalid_input"),
    ],
)
def test_a_bad_change_changes_nothing(organization, owner, change, code):
    key, _ = make(owner)
    before = ApiKey.objects.values().get()

    response = client_of(organization).patch(f"/api/v1/keys/{key.pk}/", change)

    assert (response.status_code, response.json()["code"]) == (400, code)
    assert ApiKey.objects.values().get() == before
    assert not Entry.objects.filter(action="orgs.key.changed").exists()


def test_what_has_ended_is_not_changed(organization, owner):
    key, _ = make(owner)
    revoke_key(actor=owner, key_id=key.pk)

    with pytest.raises(KeyNotLive):
        change_key(actor=owner, key_id=key.pk, name="x")
    with pytest.raises(KeyNotLive):
        rotate_key(actor=owner, key_id=key.pk, overlap=timedelta(0))
    assert ApiKey.objects.count() == 1


# -- rotation


def test_rotation_keeps_the_settings_and_overlaps(organization, owner):
    ends = now() + timedelta(days=90)
    old, token = make(
        owner, "run.view", ip_allow=["127.0.0.1"], project_id=project_in(organization).pk,
        expires_at=ends,
    )  # fmt: skip

    response = client_of(organization).post(
        f"/api/v1/keys/{old.pk}/rotate/", {"overlap_seconds": 3600}
    )

    new = ApiKey.objects.get(pk=response.json()["id"])
    for name in ("name", "project_id", "scopes", "ip_allow", "created_by_id"):
        assert getattr(new, name) == getattr(old, name)
    assert new.rotated_from_id == old.pk
    assert abs(new.expires_at - ends) < timedelta(minutes=1)
    assert response.headers["Cache-Control"] == "no-store"
    old.refresh_from_db()
    assert timedelta(minutes=59) < old.expires_at - now() <= timedelta(hours=1)
    assert verify_key(token)
    assert verify_key(response.json()["token"])
    assert Entry.objects.get(action="orgs.key.rotated").data["replaces"] == old.prefix


def test_without_overlap_the_old_token_ends_at_once(owner):
    old, token = make(owner)

    _, new = rotate_key(actor=owner, key_id=old.pk, overlap=timedelta(0))

    assert verify_key(token) is None
    assert verify_key(new)


def test_rotation_never_prolongs_the_old_token(owner):
    old, _ = make(owner, expires_at=now() + timedelta(hours=1))
    ends = old.expires_at

    rotate_key(actor=owner, key_id=old.pk, overlap=timedelta(days=30))

    old.refresh_from_db()
    assert old.expires_at == ends
    with pytest.raises(KeyAlreadyRotated):
        change_key(actor=owner, key_id=old.pk, expires_at=None)


@pytest.mark.parametrize("seconds", [-1, 30 * 86400 + 1, "soon", 1e30])
def test_an_overlap_beyond_bounds_is_refused(organization, owner, seconds):
    old, _ = make(owner)

    response = client_of(organization).post(
        f"/api/v1/keys/{old.pk}/rotate/", {"overlap_seconds": seconds}
    )

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert ApiKey.objects.count() == 1


def test_a_key_is_followed_by_one_key(owner):
    old, _ = make(owner)
    follower, _ = rotate_key(actor=owner, key_id=old.pk, overlap=timedelta(days=1))

    with pytest.raises(KeyAlreadyRotated):
        rotate_key(actor=owner, key_id=old.pk, overlap=timedelta(days=1))

    revoke_key(actor=owner, key_id=follower.pk)  # the new token was lost: again
    rotate_key(actor=owner, key_id=old.pk, overlap=timedelta(days=1))
    assert ApiKey.objects.filter(rotated_from=old, revoked_at=None).count() == 1


def test_nobody_rotates_a_key_into_more_than_they_may(organization, owner):
    old, token = make(owner, "wallet.topup")

    response = client_of(organization, "admin").post(f"/api/v1/keys/{old.pk}/rotate/", {})

    assert response.json()["code"] == "role_above_yours"
    assert ApiKey.objects.count() == 1
    assert verify_key(token)


def test_a_key_rotates_itself(owner):
    old, token = make(owner, "key.create", "run.view")

    response = bearer(token).post(f"/api/v1/keys/{old.pk}/rotate/", {"overlap_seconds": 60})

    assert response.status_code == 201
    assert verify_key(response.json()["token"]).scopes == {"key.create", "run.view"}


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_make_one_key(organization, owner):
    old, _ = make(owner)
    overlap = timedelta(hours=1)

    outcomes = at_once(*[lambda: rotate_key(actor=owner, key_id=old.pk, overlap=overlap)] * 4)

    assert sum(isinstance(outcome, KeyAlreadyRotated) for outcome in outcomes) == 3
    assert ApiKey.objects.count() == 2


# -- revoking many


def test_managers_revoke_by_filter(organization, owner):
    builder, project = actor_in(organization, "builder"), project_in(organization)
    kept = make(owner)[1]
    theirs, inside = make(builder)[1], make(owner, project_id=project.pk)[1]
    client = client_of(organization, "admin")

    by_maker = client.post("/api/v1/keys/revoke/", {"maker": str(builder.user_id)})
    by_project = client.post("/api/v1/keys/revoke/", {"project": str(project.pk)})

    assert (by_maker.json(), by_project.json()) == ({"revoked": 1}, {"revoked": 1})
    assert (verify_key(theirs), verify_key(inside)) == (None, None)
    assert verify_key(kept)
    assert Entry.objects.filter(action="orgs.keys.revoked").count() == 2


def test_keys_are_revoked_by_scope_and_by_last_use(owner):
    idle, dear, used = make(owner)[0], make(owner, "audit.view")[0], make(owner)[0]
    ApiKey.objects.filter(pk=idle.pk).update(created_at=now() - timedelta(days=90))
    ApiKey.objects.filter(pk=used.pk).update(
        created_at=now() - timedelta(days=90), last_used_at=now()
    )

    assert revoke_keys(actor=owner, unused_since=now() - timedelta(days=30)) == 1
    assert revoke_keys(actor=owner, scope="audit.view") == 1
    assert set(ApiKey.objects.filter(revoked_at=None)) == {used}
    assert dear.pk != used.pk


def test_revoking_many_needs_a_condition(organization, owner):
    token = make(owner)[1]

    response = client_of(organization).post("/api/v1/keys/revoke/", {})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert verify_key(token)


def test_the_emergency_brake_is_the_owners_and_stops_at_the_organization(organization, owner):
    elsewhere = key_in(OrganizationFactory(), "run.view")
    tokens = [make(owner)[1], make(actor_in(organization, "member"))[1]]

    assert client_of(organization, "admin").post("/api/v1/keys/revoke-all/").status_code == 403
    assert all(verify_key(token) for token in tokens)
    assert client_of(organization).post("/api/v1/keys/revoke-all/").json() == {"revoked": 2}

    assert not any(verify_key(token) for token in tokens)
    assert verify_key(elsewhere)
    assert Entry.objects.get(action="orgs.keys.revoked").data["count"] == 2


@pytest.mark.parametrize("path", ["revoke/", "revoke-all/"])
def test_builders_revoke_no_keys_of_others(organization, owner, path):
    token = make(owner)[1]

    response = client_of(organization, "builder").post(
        f"/api/v1/keys/{path}", {"scope": "run.view"}
    )

    assert response.status_code == 403
    assert verify_key(token)


@pytest.mark.django_db(transaction=True)
def test_a_key_made_meanwhile_does_not_slip_by_the_brake(organization, owner):
    outcomes = at_once(
        *[lambda: make(owner)] * 3, lambda: revoke_all_keys(actor=owner), lambda: make(owner)
    )

    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    braked = ApiKey.objects.exclude(revoked_at=None)
    counted = Entry.objects.get(action="orgs.keys.revoked").data["count"]
    assert braked.count() == counted


# -- lists


def test_lists_filter_by_state_in_constant_queries(
    organization, owner, django_assert_max_num_queries
):
    for _ in range(30):
        make(owner)
    revoked, _ = make(owner)
    revoke_key(actor=owner, key_id=revoked.pk)
    expired, _ = make(owner)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=now() - timedelta(days=1))
    client = client_of(organization)

    with django_assert_max_num_queries(6):
        page = client.get("/api/v1/keys/", {"state": "active", "limit": 50}).json()["results"]

    def listed(state):
        return [
            row["id"] for row in client.get("/api/v1/keys/", {"state": state}).json()["results"]
        ]

    assert len(page) == 30
    assert (listed("revoked"), listed("expired")) == ([str(revoked.pk)], [str(expired.pk)])
    assert client.get("/api/v1/keys/", {"state": "odd"}).status_code == 400
