"""Setting up sign-on: by whom, what is refused, what the trail says, and what is never shown."""

import threading

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from audit.models import Entry
from core.errors import DomainError, InvalidInput, NotFound, PermissionRefused
from core.tests.servers import LocalServer
from orgs import actions
from orgs.errors import SsoDomainTaken, SsoDomainUnproven, SsoProviderUnfit
from orgs.models import SsoConnection, SsoDomain
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db
ISSUER = "https://id.northwind.example"


@pytest.fixture
def owner():
    return actor_in(OrganizationFactory())


def connection(actor, **more):
    given = {"name": "Staff", "issuer": ISSUER, "client_id": "loomwork", "client_secret": "s" * 16}
    return actions.create_connection(actor=actor, **(given | more))


def domain_of(actor, name="northwind.example", row=None):
    row = row or connection(actor)
    return actions.add_domain(actor=actor, connection_id=row.pk, domain=name)


def prove(row):
    SsoDomain.objects.filter(pk=row.pk).update(verified_at=now())


# -- who


@pytest.mark.parametrize("role", ["builder", "approver", "finance", "member", "guest"])
def test_only_owners_and_administrators_manage_it(owner, role):
    row = connection(owner)
    domain = domain_of(owner, row=row)
    before = Entry.objects.count()
    lesser = actor_in(OrganizationFactory._meta.model.objects.get(pk=owner.organization_id), role)

    for attempt in (
        lambda: connection(lesser, name="x"),
        lambda: actions.update_connection(actor=lesser, connection_id=row.pk, name="x"),
        lambda: actions.switch_connection(actor=lesser, connection_id=row.pk, enabled=False),
        lambda: actions.delete_connection(actor=lesser, connection_id=row.pk),
        lambda: actions.check_connection(actor=lesser, connection_id=row.pk),
        lambda: actions.add_domain(actor=lesser, connection_id=row.pk, domain="a.example"),
        lambda: actions.verify_domain(actor=lesser, domain_id=domain.pk),
        lambda: actions.confirm_domain(actor=lesser, domain_id=domain.pk),
        lambda: actions.remove_domain(actor=lesser, domain_id=domain.pk),
        lambda: actions.release_link(actor=lesser, identity_id=1),
    ):
        with pytest.raises(PermissionRefused):
            attempt()
    assert Entry.objects.count() == before
    assert SsoConnection.objects.get().enabled


def test_nobody_reaches_into_another_organization(owner):
    row = connection(owner)
    domain = domain_of(owner, row=row)
    stranger = actor_in(OrganizationFactory())

    for attempt in (
        lambda: actions.update_connection(actor=stranger, connection_id=row.pk, name="x"),
        lambda: actions.switch_connection(actor=stranger, connection_id=row.pk, enabled=False),
        lambda: actions.delete_connection(actor=stranger, connection_id=row.pk),
        lambda: actions.check_connection(actor=stranger, connection_id=row.pk),
        lambda: actions.add_domain(actor=stranger, connection_id=row.pk, domain="a.example"),
        lambda: actions.verify_domain(actor=stranger, domain_id=domain.pk),
        lambda: actions.remove_domain(actor=stranger, domain_id=domain.pk),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert (SsoConnection.objects.get().name, SsoDomain.objects.count()) == ("Staff", 1)


# -- what may be stored


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": "http://id.northwind.example"},
        {"issuer": "https://user:pw@id.example"},
        {"issuer": "https://10.0.0.8"},
        {"issuer": "https://id.example/?x=1"},
        {"issuer": "ftp://id.example"},
        {"issuer": ""},
        {"client_id": " "},
        {"name": "n" * 81},
        {"name": "two\nlines"},
        {"scopes": "email profile"},
        {"default_role": "owner"},
        {"default_role": "king"},
        {"role_map": {"g": "owner"}},
        {"role_map": {"g": "king"}},
        {"role_map": {"": "member"}},
        {"role_map": ["g"]},
        {"role_map": {str(n): "member" for n in range(201)}},
    ],
)
def test_what_no_connection_can_be_is_refused(owner, given):
    with pytest.raises(InvalidInput):
        connection(owner, **given)
    assert not SsoConnection.objects.exists()
    assert not Entry.objects.exists()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (" Northwind.Example. ", "northwind.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("a-b.c.example", "a-b.c.example"),
    ],
)
def test_a_domain_is_stored_in_one_form(owner, text, stored):
    assert domain_of(owner, text).domain == stored


@pytest.mark.parametrize(
    "text",
    [
        "example",
        "127.0.0.1",
        "a..example",
        "-a.example",
        "a.example/x",
        "*.example",
        "",
        "a@b.example",
        "ａ.example",
        "a" * 64 + ".example",
    ],
)
def test_what_is_no_domain_is_refused(owner, text):
    with pytest.raises(InvalidInput):
        domain_of(owner, text)
    assert not SsoDomain.objects.exists()


def test_a_name_and_a_domain_are_given_once(owner):
    row = connection(owner)
    domain_of(owner, row=row)

    for attempt in (lambda: connection(owner, name="STAFF"), lambda: domain_of(owner, row=row)):
        with pytest.raises(DomainError) as caught:
            attempt()
        assert caught.value.code == "conflict"
    assert (SsoConnection.objects.count(), SsoDomain.objects.count()) == (1, 1)


def test_changes_stand_in_the_trail_without_the_secret(owner):
    row = connection(owner)

    actions.update_connection(
        actor=owner, connection_id=row.pk, name="New", client_secret="another-secret-text"
    )

    entry = Entry.objects.get(action="orgs.sso.updated")
    assert entry.before == {"name": "Staff"}
    assert entry.after.keys() == {"name", "client_secret"}
    assert "another-secret-text" not in str(entry.after)
    row.refresh_from_db()
    assert row.client_secret.reveal() == "another-secret-text"
    assert "another-secret-text" not in str(list(SsoConnection.objects.values()))


def test_an_empty_secret_leaves_the_stored_one(owner):
    row = connection(owner)

    actions.update_connection(actor=owner, connection_id=row.pk, name="New", client_secret="")

    row.refresh_from_db()
    assert row.client_secret.reveal() == "s" * 16


def test_another_issuer_has_to_prove_everything_anew(owner):
    row = connection(owner)
    domain = domain_of(owner, row=row)
    prove(domain)
    actions.update_connection(actor=owner, connection_id=row.pk, enforced=True)

    row = actions.update_connection(
        actor=owner, connection_id=row.pk, issuer="https://id.evil.example"
    )

    renewed = SsoDomain.objects.get()
    assert renewed.verified_at is None
    assert renewed.token != domain.token
    row.refresh_from_db()
    assert not row.enforced


def test_it_is_the_only_way_only_with_a_proven_domain(owner):
    row = connection(owner)
    domain = domain_of(owner, row=row)
    with pytest.raises(SsoDomainUnproven):
        actions.update_connection(actor=owner, connection_id=row.pk, enforced=True)
    row.refresh_from_db()
    assert not row.enforced

    prove(domain)
    actions.update_connection(actor=owner, connection_id=row.pk, enforced=True)
    with pytest.raises(SsoDomainUnproven):
        actions.remove_domain(actor=owner, domain_id=domain.pk)
    assert SsoDomain.objects.exists()


# -- proofs


@pytest.fixture
def hosted(settings):
    """What stands in the domains' files, served by a real server."""
    from aiohttp import web  # noqa: PLC0415

    files = {}

    async def answer(request):
        kind, text = files.get(request.path.strip("/"), (404, ""))
        headers = {"Location": text} if kind == 302 else {}
        return web.Response(status=kind, text=text, headers=headers)

    with LocalServer(answer) as server:
        settings.SSO_PROOF_URL = f"{server.url}/{{domain}}"
        yield files


def test_the_file_of_the_domain_proves_it(owner, hosted):
    row = domain_of(owner)
    hosted[row.domain] = (200, f"# ours\n{row.token}\n")

    actions.verify_domain(actor=owner, domain_id=row.pk)
    actions.verify_domain(actor=owner, domain_id=row.pk)

    assert SsoDomain.objects.get().verified_at
    assert Entry.objects.filter(action="orgs.sso.domain_verified").count() == 1


def test_what_does_not_prove_it(owner, hosted):
    row = domain_of(owner)
    other = domain_of(owner, "other.example", row=row.connection)

    for kind, text in (
        (404, ""),
        (200, ""),
        (200, other.token),
        (200, row.token[:-1]),
        (200, f"x{row.token}"),
        (404, row.token),
        (302, "/elsewhere"),
        (200, "x" * 5000 + "\n" + row.token),
    ):
        hosted["elsewhere"] = (200, row.token)
        hosted[row.domain] = (kind, text)
        with pytest.raises(SsoDomainUnproven):
            actions.verify_domain(actor=owner, domain_id=row.pk)
    assert not SsoDomain.objects.filter(verified_at__isnull=False).exists()
    assert not Entry.objects.filter(action="orgs.sso.domain_verified").exists()


def test_a_domain_belongs_to_the_first_who_proves_it(owner, hosted):
    mine = domain_of(owner)
    theirs = domain_of(actor_in(OrganizationFactory()))
    hosted[mine.domain] = (200, f"{mine.token}\n{theirs.token}")
    actions.verify_domain(actor=owner, domain_id=mine.pk)
    stranger = actor_in(theirs.organization)

    for act in (actions.verify_domain, actions.confirm_domain):
        with pytest.raises(SsoDomainTaken):
            act(actor=stranger, domain_id=theirs.pk)
    theirs.refresh_from_db()
    assert theirs.verified_at is None


def test_the_guarded_client_fetches_the_proof(owner, settings):
    settings.OUTGOING_ALLOW = []
    settings.SSO_PROOF_URL = "http://127.0.0.1:1/{domain}"
    row = domain_of(owner)

    with pytest.raises(SsoDomainUnproven) as caught:
        actions.verify_domain(actor=owner, domain_id=row.pk)
    assert "not public" in caught.value.detail["reason"]


@pytest.mark.django_db(transaction=True)
def test_two_organizations_prove_it_at_the_same_moment():
    rows = [domain_of(actor_in(OrganizationFactory())) for _ in range(3)]
    actors = [actor_in(row.organization) for row in rows]

    outcomes = at_once(
        *[
            lambda actor=actor, row=row: actions.confirm_domain(actor=actor, domain_id=row.pk)
            for actor, row in zip(actors, rows, strict=True)
        ]
    )

    assert sum(isinstance(one, SsoDomain) for one in outcomes) == 1, outcomes
    assert SsoDomain.objects.filter(verified_at__isnull=False).count() == 1
    assert threading.active_count() < 50


# -- over HTTP and on pages


def client_of(actor):
    client = APIClient()
    client.force_login(user_of(actor))
    return client


def user_of(actor):
    from accounts.models import User  # noqa: PLC0415

    return User.objects.get(pk=actor.user_id)


def test_the_api_from_end_to_end(owner, hosted):
    client = client_of(owner)
    made = client.post(
        "/api/v1/sso/connections/",
        {
            "name": "Staff",
            "issuer": ISSUER,
            "client_id": "loomwork",
            "client_secret": "a-long-secret-9f3c",
            "role_claim": "groups",
            "role_map": {"engineering": "builder"},
        },
    )
    assert made.status_code == 201, made.content
    body = made.json()
    assert body["secret_hint"] == "••••9f3c"
    assert "a-long-secret" not in made.content.decode()
    assert body["redirect_uri"].endswith(f"/accounts/oidc/{body['id']}/login/callback/")
    one = f"/api/v1/sso/connections/{body['id']}/"

    domain = client.post(
        "/api/v1/sso/domains/", {"connection": body["id"], "domain": "northwind.example"}
    ).json()
    hosted["northwind.example"] = (200, domain["token"])
    assert client.post(f"/api/v1/sso/domains/{domain['id']}/verify/").json()["verified_at"]
    assert client.patch(one, {"enforced": True}).json()["enforced"] is True
    assert client.post(f"{one}disable/").json()["enabled"] is False
    assert client.post(f"{one}enable/").json()["enabled"] is True
    assert client.get("/api/v1/sso/identities/").json()["results"] == []
    assert client.delete("/api/v1/sso/identities/99/").status_code == 404
    assert client.delete(one).status_code == 204
    assert client.get("/api/v1/sso/domains/").json()["results"] == []


def test_a_provider_that_does_not_fit_is_told_why(owner):
    row = connection(owner, issuer="http://127.0.0.1:9")

    with pytest.raises(SsoProviderUnfit) as caught:
        actions.check_connection(actor=owner, connection_id=row.pk)
    assert "outgoing_unreachable" in caught.value.detail["reason"]


def test_lists_cost_the_same_however_long(owner, django_assert_max_num_queries):
    for n in range(12):
        row = connection(owner, name=f"c{n}")
        domain_of(owner, f"d{n}.example", row=row)
    client = client_of(owner)

    for path in ("/api/v1/sso/connections/", "/api/v1/sso/domains/", "/organization/sign-on/"):
        with django_assert_max_num_queries(14):
            assert client.get(path).status_code == 200


def test_the_pages_do_the_same(owner, hosted):
    client = Client()
    client.force_login(user_of(owner))
    form = {
        "name": "Staff",
        "issuer": ISSUER,
        "client_id": "loomwork",
        "client_secret": "a-long-secret-9f3c",
        "scopes": "openid email profile",
        "role_claim": "groups",
        "role_map": "engineering = builder\ncn=admins,dc=x = Admin\n",
        "default_role": "guest",
        "max_age_hours": "8",
    }

    client.post(reverse("sso_new"), form)
    row = SsoConnection.objects.get()
    assert row.max_age_hours == 8
    assert row.role_map == {"engineering": "builder", "cn=admins,dc=x": "admin"}
    edit = reverse("sso_edit", args=[row.pk])
    client.post(reverse("sso_domain_new", args=[row.pk]), {"domain": "northwind.example"})
    domain = SsoDomain.objects.get()
    page = client.get(edit).content.decode()
    assert domain.token in page
    assert f"/accounts/oidc/{row.pk}/logout/" in page
    assert "a-long-secret" not in page
    hosted["northwind.example"] = (200, domain.token)
    client.post(reverse("sso_verify", args=[domain.pk]))
    client.post(edit, form | {"client_secret": "", "enforced": "on"})
    row.refresh_from_db()
    assert (row.enforced, row.client_secret.reveal()) == (True, "a-long-secret-9f3c")
    assert "the only way" in client.get(reverse("sso_connections")).content.decode()

    refused = client.post(edit, form | {"issuer": "http://id.example"})
    assert refused.status_code == 200
    assert "https:// alone" in refused.content.decode()
    client.post(reverse("sso_switch", args=[row.pk]), {"enabled": "0"})
    client.post(reverse("sso_delete", args=[row.pk]))
    assert not SsoConnection.objects.exists()


def test_an_operator_confirms_a_domain_and_is_named(owner):
    row = domain_of(owner)
    operator = UserFactory(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(operator)

    client.post(
        reverse("admin:orgs_ssodomain_changelist"),
        {"action": "confirm", "_selected_action": [str(row.pk)]},
    )

    row.refresh_from_db()
    assert row.verified_at
    assert Entry.objects.get(action="orgs.sso.domain_confirmed").actor_id == operator.pk


def test_the_console_shows_no_secret(owner):
    row = connection(owner, client_secret="a-long-secret-9f3c")
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    for url in (
        reverse("admin:orgs_ssoconnection_changelist"),
        reverse("admin:orgs_ssoconnection_change", args=[row.pk]),
    ):
        page = client.get(url)
        assert page.status_code == 200
        assert "9f3c" not in page.content.decode()


def test_a_closed_organization_signs_nobody_in(owner):
    row = connection(owner)
    prove(domain_of(owner, row=row))
    row.organization.closed_at = now()
    row.organization.save()

    page = Client().post(reverse("sso_start"), {"email": "a@northwind.example"})

    assert "No organization signs in" in page.content.decode()


def test_members_see_no_way_to_it():
    user, _ = person_in(OrganizationFactory(), "member")
    client = Client()
    client.force_login(user)

    assert reverse("sso_connections") not in client.get("/").content.decode()


@pytest.mark.parametrize("hours", [0, -1, 337, 1.5, True, "24", None])
def test_hours_that_do_not_fit_change_nothing(owner, hours):
    row = connection(owner)

    with pytest.raises(InvalidInput):
        actions.update_connection(actor=owner, connection_id=row.pk, max_age_hours=hours)

    row.refresh_from_db()
    assert row.max_age_hours == 24


def test_the_api_sets_the_hours_and_the_trail_says_so(owner):
    row = connection(owner)
    client = APIClient()
    client.force_authenticate(user_of(owner))
    path = f"/api/v1/sso/connections/{row.pk}/"

    answer = client.patch(path, {"max_age_hours": 6}, format="json")
    refused = client.patch(path, {"max_age_hours": 400}, format="json")

    assert (answer.status_code, answer.json()["max_age_hours"]) == (200, 6)
    assert answer.json()["logout_uri"].endswith(f"/accounts/oidc/{row.pk}/logout/")
    assert refused.status_code == 400
    entry = Entry.objects.filter(action="orgs.sso.updated").get()
    assert (entry.before["max_age_hours"], entry.after["max_age_hours"]) == (24, 6)
