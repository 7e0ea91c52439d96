"""Signing in through an organization's provider, a real one in a process of its own."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from accounts.models import User
from accounts.sso.sessions import factor_vouched_for, mark_of
from accounts.tests.factories import PASSWORD, UserFactory
from audit.models import Entry
from orgs.actions import delete_connection, release_link, switch_connection
from orgs.models import Membership, Organization
from orgs.tests.factories import MembershipFactory, OrganizationFactory, actor_in
from orgs.tests.test_races import at_once
from tests.sso import connect, leave, path_of, sign_on, signed_in_as, target_in

pytestmark = pytest.mark.django_db
GRACE = "grace@northwind.example"


def refusal(response, status=403):
    assert response.status_code == status
    assert 'role="alert"' in response.content.decode()
    return Entry.objects.filter(action="orgs.sso.refused").order_by("-id").first().data["reason"]


def test_a_new_person_becomes_a_member_and_founds_nothing(client, provider):
    row = connect(provider)

    landed = sign_on(client, provider, GRACE, next="/runs/")

    user = User.objects.get(email=GRACE)
    member = Membership.objects.get(user=user)
    assert landed.url == "/runs/"
    assert signed_in_as(client) == str(user.pk)
    assert (member.organization_id, member.role) == (row.organization_id, "member")
    assert (user.name, user.has_usable_password()) == ("Grace Hopper", False)
    assert EmailAddress.objects.get(user=user).verified
    assert client.session["organization_id"] == str(row.organization_id)
    events = set(Entry.objects.of(row.organization_id).values_list("action", flat=True))
    assert {"orgs.member.added", "orgs.sso.linked", "orgs.sso.signed_in"} <= events
    assert client.get("/").status_code == 200


def test_what_is_asked_for_carries_pkce_nonce_and_a_bound_state(client, provider):
    row = connect(provider)

    sign_on(client, provider, GRACE)

    asked = provider.asked()[-1]
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) == 43
    assert len(asked["state"]) >= 16
    assert asked["redirect_uri"] == f"http://127.0.0.1:8000/accounts/oidc/{row.pk}/login/callback/"


def test_the_address_cannot_add_to_what_is_asked(client, provider):
    row = connect(provider)
    login = reverse("openid_connect_login", args=[row.pk])

    page = client.post(f"{login}?auth_params=nonce%3Dmine%26prompt%3Dnone&scope=offline_access")
    provider.back(target_in(page))

    asked = provider.asked()[-1]
    assert asked["nonce"] != "mine"
    assert "prompt" not in asked
    assert "offline_access" not in asked["scope"]


def test_a_link_alone_sends_nobody_away(client, provider):
    row = connect(provider)

    page = client.get(reverse("openid_connect_login", args=[row.pk]))

    assert page.status_code == 200
    assert "refresh" not in page.content.decode()


def test_an_existing_account_of_the_domain_is_linked_once(client, provider):
    row = connect(provider)
    user = UserFactory(email=GRACE)
    EmailAddress.objects.create(user=user, email=GRACE, verified=True, primary=True)

    sign_on(client, provider, GRACE)
    sign_on(Client(), provider, GRACE)

    user.refresh_from_db()
    assert signed_in_as(client) == str(user.pk)
    assert user.check_password(PASSWORD)  # proven: it was always theirs
    assert SocialAccount.objects.get().provider == str(row.pk)
    assert Membership.objects.filter(user=user).count() == 1
    assert Entry.objects.filter(action="orgs.sso.linked").count() == 1


def test_whoever_squatted_on_the_address_loses_every_way_in(client, provider):
    connect(provider)
    squatter = Client()
    user = UserFactory(email=GRACE)
    EmailAddress.objects.create(user=user, email=GRACE, verified=False, primary=True)
    squatter.post(reverse("account_login"), {"login": GRACE, "password": PASSWORD})
    assert signed_in_as(squatter)
    Authenticator.objects.create(user=user, type="totp", data={})

    sign_on(client, provider, GRACE)

    user.refresh_from_db()
    assert signed_in_as(client) == str(user.pk)
    assert not user.has_usable_password()
    assert not Authenticator.objects.exists()
    assert squatter.get("/").status_code == 302


# -- roles

MAP = {"admins": "admin", "makers": "builder", "reviewers": "approver"}


def with_groups(provider, *groups, **more):
    provider.obey(claims=provider.person(GRACE, groups=list(groups), **more))


def test_the_highest_matching_role_counts_and_follows_the_provider(client, provider):
    connect(provider, role_claim="groups", role_map=MAP, default_role="guest")

    with_groups(provider, "reviewers", "makers", "unknown")
    sign_on(client, provider, GRACE)
    member = Membership.objects.get(user__email=GRACE)
    assert member.role == "builder"

    with_groups(provider, "unknown")
    sign_on(Client(), provider, GRACE)
    member.refresh_from_db()
    assert member.role == "guest"
    assert Entry.objects.filter(action="orgs.member.role_changed").count() == 1


def test_without_a_map_a_role_given_by_hand_stays(client, provider):
    connect(provider)
    sign_on(client, provider, GRACE)
    Membership.objects.filter(user__email=GRACE).update(role="admin")

    sign_on(Client(), provider, GRACE)

    assert Membership.objects.get(user__email=GRACE).role == "admin"


def test_an_owner_is_left_an_owner(client, provider):
    row = connect(provider, role_claim="groups", role_map=MAP)
    MembershipFactory(
        organization_id=row.organization_id, user=UserFactory(email=GRACE), role="owner"
    )

    with_groups(provider, "reviewers")
    sign_on(client, provider, GRACE)

    assert Membership.objects.get(user__email=GRACE).role == "owner"


def test_a_nested_claim_can_name_the_groups(client, provider):
    connect(provider, role_claim="realm_access.roles", role_map=MAP)
    provider.obey(claims=provider.person(GRACE, realm_access={"roles": ["makers"]}))

    sign_on(client, provider, GRACE)

    assert Membership.objects.get(user__email=GRACE).role == "builder"


def test_claims_that_the_token_lacks_come_from_userinfo(client, provider):
    connect(provider, role_claim="groups", role_map=MAP)
    provider.obey(claims=provider.person(GRACE, groups=["makers"]), thin=True)

    sign_on(client, provider, GRACE)

    assert Membership.objects.get(user__email=GRACE).role == "builder"


# -- whom a provider may speak for


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"email": "boss@other.example"}, "sso_foreign_domain"),
        ({"email": "grace@sub.northwind.example"}, "sso_foreign_domain"),
        ({"email": "grace@northwind.example.evil.example"}, "sso_foreign_domain"),
        ({"email": "x@northwind.example@other.example"}, "sso_no_address"),
        ({"email": GRACE, "email_verified": False}, "sso_unverified_address"),
        ({"email": GRACE, "email_verified": "false"}, "sso_unverified_address"),
        ({"email": GRACE, "email_verified": None}, "sso_unverified_address"),
        ({"email": ""}, "sso_no_address"),
        ({"email": ["grace@northwind.example"]}, "sso_no_address"),
    ],
)
def test_an_address_it_may_not_vouch_for_is_refused(client, provider, claims, reason):
    connect(provider)
    UserFactory(email="boss@other.example")
    provider.obey(claims={"sub": "s", "name": "Grace", **claims})

    answer = sign_on(client, provider, GRACE)

    assert refusal(answer) == reason
    assert signed_in_as(client) is None
    assert not SocialAccount.objects.exists()
    assert not User.objects.filter(email=GRACE).exists()


def test_an_unproven_domain_counts_for_nothing(client, provider):
    row = connect(provider)
    row.domains.update(verified_at=None)

    page = client.post(reverse("sso_start"), {"email": GRACE})
    asked = client.post(reverse("openid_connect_login", args=[row.pk]))
    answer = client.get(path_of(provider.back(target_in(asked))))

    assert "refresh" not in page.content.decode()
    assert refusal(answer) == "sso_foreign_domain"
    assert not User.objects.filter(email=GRACE).exists()


def test_a_domain_taken_away_ends_what_the_provider_says_of_it(client, provider):
    row = connect(provider)
    sign_on(client, provider, GRACE)
    row.domains.update(verified_at=None)
    asked = Client()

    page = asked.post(reverse("openid_connect_login", args=[row.pk]))
    answer = asked.get(path_of(provider.back(target_in(page))))

    assert refusal(answer) == "sso_foreign_domain"
    assert signed_in_as(asked) is None


@pytest.mark.parametrize("rank", ["is_staff", "is_superuser"])
def test_no_provider_speaks_for_an_operator(client, provider, rank):
    connect(provider)
    UserFactory(email=GRACE, **{rank: True})

    answer = sign_on(client, provider, GRACE)

    assert refusal(answer) == "sso_not_for_operators"
    assert signed_in_as(client) is None


def test_a_disabled_person_stays_out(client, provider):
    connect(provider)
    UserFactory(email=GRACE, is_active=False)

    assert refusal(sign_on(client, provider, GRACE)) == "sso_disabled_person"
    assert not Membership.objects.filter(user__email=GRACE).exists()


# -- after the first time


def test_an_address_handed_on_does_not_hand_on_the_account(client, provider):
    row = connect(provider)
    sign_on(Client(), provider, GRACE)
    provider.obey(claims=provider.person(GRACE, sub="somebody-new"))

    answer = sign_on(client, provider, GRACE)

    assert refusal(answer) == "sso_identity_changed"
    assert signed_in_as(client) is None
    owner = actor_in(row.organization, "admin")
    release_link(actor=owner, identity_id=SocialAccount.objects.get().pk)
    sign_on(client, provider, GRACE)
    assert signed_in_as(client) == str(User.objects.get(email=GRACE).pk)


def test_a_new_address_of_the_same_subject_follows(client, provider):
    connect(provider)
    sign_on(client, provider, GRACE)
    provider.obey(claims=provider.person("g.hopper@northwind.example", sub=f"sub-{GRACE}"))

    sign_on(Client(), provider, GRACE)

    assert User.objects.filter(email__endswith="northwind.example").get().email.startswith("g.h")
    assert EmailAddress.objects.get().email == "g.hopper@northwind.example"
    assert Entry.objects.filter(action="orgs.sso.address_changed").count() == 1


def test_a_new_address_that_somebody_has_is_left_to_them(client, provider):
    connect(provider)
    sign_on(client, provider, GRACE)
    other = UserFactory(email="ada@northwind.example")
    provider.obey(claims=provider.person(other.email, sub=f"sub-{GRACE}"))

    sign_on(client, provider, GRACE)

    assert signed_in_as(client) == str(User.objects.get(email=GRACE).pk)


def test_who_has_left_the_domain_is_not_reached_any_more(client, provider):
    connect(provider)
    sign_on(Client(), provider, GRACE)
    User.objects.filter(email=GRACE).update(email="grace@home.example")

    answer = sign_on(client, provider, GRACE)

    assert refusal(answer) == "sso_foreign_domain"
    assert signed_in_as(client) is None


# -- connections apart


def test_an_answer_is_good_only_at_the_connection_that_was_asked(client, provider):
    one = connect(provider)
    other = connect(provider, domain="other.example", name="Other")
    back = path_of(provider.back(leave(client, GRACE)))

    mixed = client.get(back.replace(str(one.pk), str(other.pk)))

    assert mixed.status_code == 401
    assert signed_in_as(client) is None
    assert not User.objects.filter(email=GRACE).exists()


def test_the_same_subject_of_another_connection_is_another_person(client, provider):
    connect(provider)
    connect(provider, domain="other.example", name="Other")
    sign_on(Client(), provider, GRACE)
    provider.obey(claims=provider.person("joan@other.example", sub=f"sub-{GRACE}"))

    sign_on(client, provider, "joan@other.example")

    assert signed_in_as(client) == str(User.objects.get(email="joan@other.example").pk)
    assert SocialAccount.objects.count() == 2


def test_nobody_is_told_which_connections_there_are(client, provider):
    row = connect(provider)

    config = client.get("/api/v1/auth/app/v1/config").content.decode()
    page = client.get(reverse("account_login")).content.decode()

    assert '"providers": []' in config
    for text in (config, page):
        assert str(row.pk) not in text
        assert row.name not in text
        assert provider.url not in text
    assert (
        client.get(reverse("openid_connect_login", args=[row.organization_id])).status_code == 404
    )


def test_the_first_page_says_nothing_about_accounts(client, provider):
    connect(provider)
    UserFactory(email="ada@plain.example")

    answers = {
        client.post(reverse("sso_start"), {"email": email})
        .content.decode()
        .count("No organization")
        for email in ("ada@plain.example", "nobody@plain.example")
    }

    assert answers == {1}


def test_guessing_domains_is_slowed_down(client, provider):
    answers = [
        client.post(reverse("sso_start"), {"email": f"a@{n}.example"}).status_code
        for n in range(25)
    ]

    assert answers[0] == 200
    assert answers[-1] == 429


def test_connecting_to_the_account_that_is_signed_in_is_refused(client, provider):
    row = connect(provider)
    client.force_login(UserFactory(email="eve@elsewhere.example"))
    login = reverse("openid_connect_login", args=[row.pk])

    page = client.post(f"{login}?process=connect")
    answer = client.get(path_of(provider.back(target_in(page))))

    assert refusal(answer) == "sso_only_to_sign_in"
    assert not SocialAccount.objects.exists()


# -- sessions


def test_switching_off_ends_what_the_connection_made_and_nothing_else(client, provider):
    row = connect(provider)
    user = UserFactory(email=GRACE)
    EmailAddress.objects.create(user=user, email=GRACE, verified=True, primary=True)
    by_password = Client()
    by_password.post(reverse("account_login"), {"login": GRACE, "password": PASSWORD})
    sign_on(client, provider, GRACE)

    switch_connection(actor=actor_in(row.organization), connection_id=row.pk, enabled=False)

    assert client.get("/").status_code == 302
    assert by_password.get("/").status_code == 200
    assert UserSession.objects.count() == 1
    assert Client().post(reverse("openid_connect_login", args=[row.pk])).status_code == 404


def test_deleting_ends_sessions_and_links_but_no_membership(client, provider):
    row = connect(provider)
    sign_on(client, provider, GRACE)

    delete_connection(actor=actor_in(row.organization), connection_id=row.pk)

    assert client.get("/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert Membership.objects.filter(user__email=GRACE).exists()


def test_switched_off_while_the_provider_was_asked(client, provider):
    row = connect(provider)
    back = path_of(provider.back(leave(client, GRACE)))
    switch_connection(actor=actor_in(row.organization), connection_id=row.pk, enabled=False)

    assert client.get(back).status_code == 404
    assert signed_in_as(client) is None


def test_nobody_new_comes_into_an_organization_that_closes(client, provider):
    row = connect(provider)
    Organization.objects.filter(pk=row.organization_id).update(closing_at=now())

    sign_on(client, provider, GRACE)

    assert signed_in_as(client) is None
    assert not Membership.objects.filter(user__email=GRACE).exists()
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("claims", "vouched"),
    [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"acr": "https://refeds.org/profile/mfa"}, True),
        ({"amr": ["pwd"]}, False),
        ({"amr": "mfa"}, False),
        ({}, False),
    ],
)
def test_a_second_factor_counts_where_the_provider_says_so(client, provider, claims, vouched):
    row = connect(provider)
    provider.obey(claims=provider.person(GRACE, **claims))

    sign_on(client, provider, GRACE)

    mark = mark_of(client.session)
    assert (mark.connection_id, mark.factor) == (row.pk, vouched)
    assert factor_vouched_for(client.session, row.organization_id) is vouched
    elsewhere = OrganizationFactory()
    assert factor_vouched_for(client.session, elsewhere.pk) is False


@pytest.mark.parametrize(("amr", "status"), [(["pwd", "mfa"], 200), (["pwd"], 403)])
def test_an_organization_that_asks_for_a_factor_takes_its_providers_word(
    client, provider, amr, status
):
    row = connect(provider)
    row.organization.require_second_factor = True
    row.organization.save()
    provider.obey(claims=provider.person(GRACE, amr=amr))

    sign_on(client, provider, GRACE)

    assert client.get("/api/v1/members/").status_code == status
    strict = OrganizationFactory(require_second_factor=True)
    MembershipFactory(organization=strict, user=User.objects.get(email=GRACE))
    elsewhere = {"X-Organization": str(strict.pk)}
    assert client.get("/api/v1/members/", headers=elsewhere).status_code == 403


def test_a_factor_of_our_own_is_asked_for_all_the_same(client, provider):
    connect(provider)
    user = UserFactory(email=GRACE)
    EmailAddress.objects.create(user=user, email=GRACE, verified=True, primary=True)
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: PLC0415

    TOTP.activate(user, generate_totp_secret())

    answer = sign_on(client, provider, GRACE)

    assert answer.url == reverse("mfa_authenticate")
    assert signed_in_as(client) is None


@pytest.mark.django_db(transaction=True)
def test_two_first_sign_ins_at_once_make_one_person(provider):
    row = connect(provider)
    clients = [Client() for _ in range(4)]
    back = [path_of(provider.back(leave(one, GRACE))) for one in clients]

    outcomes = at_once(
        *[
            lambda one=one, url=url: one.get(url).status_code
            for one, url in zip(clients, back, strict=True)
        ]
    )

    assert outcomes == [302] * 4
    assert User.objects.filter(email=GRACE).count() == 1
    assert Membership.objects.filter(organization_id=row.organization_id).count() == 2
    assert SocialAccount.objects.count() == 1
    assert Entry.objects.filter(action="orgs.sso.linked").count() == 1
