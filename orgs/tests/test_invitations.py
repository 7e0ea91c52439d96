"""Invitations: for one address, once, for a while; whoever may not, changes nothing."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils.timezone import now

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.mailserver import BUSY, HANG_UP, REFUSE, TAKE, mail_server
from audit.models import Entry
from core.errors import InvalidInput, NotFound, PermissionRefused
from orgs.actions import (
    accept_invitation,
    change_role,
    create_invitation,
    create_team,
    decline_invitation,
    remove_member,
    resend_invitation,
    revoke_invitation,
)
from orgs.actions.invitations import issue_secret, note_sent
from orgs.errors import (
    AlreadyMember,
    InvitationClosed,
    InvitationForAnother,
    InvitationPending,
    RoleAboveYours,
    TooManyInvitations,
)
from orgs.models import Invitation, Membership, TeamMembership
from orgs.tasks import send_invitation, tend_invitations
from orgs.tests.factories import OrganizationFactory, actor_in, person_in

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://\S+/invitation/(\S+)/")


@pytest.fixture
def organization():
    return OrganizationFactory(name="Northwind")


@pytest.fixture
def owner(organization):
    return actor_in(organization)


def invite(owner, email="mei@example.com", role="builder", **more):
    """The invitation and the path of the link that was mailed."""
    row = create_invitation(actor=owner, email=email, role=role, **more)
    return row, path_of(row)


def path_of(row):
    send_invitation(str(row.pk))
    return f"/invitation/{LINK.search(mail.outbox[-1].body)[1]}/"


def reader(email="mei@example.com", **fields):
    """Somebody who is known to read `email`."""
    user = UserFactory(email=email, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def nobody_came(organization):
    return not Membership.objects.filter(organization=organization).exclude(role="owner").exists()


# -- the mail


def test_the_mail_says_who_asks_and_only_its_digest_is_stored(organization, owner):
    row, path = invite(owner)

    letter = mail.outbox[-1]
    secret = path.split("/")[2]
    row.refresh_from_db()
    assert letter.to == ["mei@example.com"]
    assert "Northwind" in letter.subject
    assert "Builder" in letter.body
    assert secret in letter.alternatives[0].content
    assert secret not in str(list(Invitation.objects.values())) + str(list(Entry.objects.values()))
    assert row.sent_at is not None


def test_whether_there_is_an_account_cannot_be_told(owner):
    reader("known@example.com")
    for email in ("known@example.com", "strange@example.com"):
        invite(owner, email)

    bodies = {LINK.sub("", each.body).replace(each.to[0], "").strip() for each in mail.outbox[-2:]}
    assert len(bodies) == 1


def test_a_lost_announcement_is_made_up_for(owner):
    row = create_invitation(actor=owner, email="mei@example.com", role="member")
    Invitation.objects.update(updated_at=now() - timedelta(minutes=5))

    tend_invitations()
    tend_invitations()

    assert [letter.to for letter in mail.outbox] == [[row.email]]


@pytest.fixture
def server(settings):
    with mail_server() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found


@pytest.mark.parametrize("mood", [BUSY, REFUSE, HANG_UP])
def test_a_mail_that_was_not_taken_is_sent_when_it_can_be(owner, server, mood):
    row = create_invitation(actor=owner, email="mei@example.com", role="member")
    server.mood = mood
    send_invitation(str(row.pk))
    row.refresh_from_db()
    assert row.sent_at is None
    server.mood = TAKE
    tend_invitations()
    assert not server.taken  # not at once again

    Invitation.objects.update(sending_at=now() - timedelta(minutes=6))
    tend_invitations()
    tend_invitations()

    row.refresh_from_db()
    assert row.sent_at is not None
    assert len(server.taken) == 1


def test_a_worker_that_dies_before_its_mail_leaves_loses_none(owner):
    row = create_invitation(actor=owner, email="mei@example.com", role="member")
    late, _secret = issue_secret(row.pk)  # and then it dies
    Invitation.objects.update(sending_at=now() - timedelta(minutes=6))

    tend_invitations()

    assert len(mail.outbox) == 1
    resend_invitation(actor=owner, invitation_id=row.pk)
    note_sent(late)  # it was only slow: another secret counts by now
    row.refresh_from_db()
    assert row.sent_at is None


def test_the_mail_speaks_the_inviters_language(owner, client):
    from django.utils.translation import override  # noqa: PLC0415

    with override("zh-hans"):
        row = create_invitation(actor=owner, email="mei@example.com", role="member")

    assert row.language == "zh-hans"


# -- who may invite, and whom


def test_nobody_invites_above_themself(organization):
    admin = actor_in(organization, "admin")

    with pytest.raises(RoleAboveYours):
        create_invitation(actor=admin, email="mei@example.com", role="owner")
    with pytest.raises(PermissionRefused):
        create_invitation(
            actor=actor_in(organization, "builder"), email="mei@example.com", role="guest"
        )

    assert not Invitation.objects.exists()
    assert not Entry.objects.exists()


def test_a_member_an_invited_and_a_malformed_address_are_refused(organization, owner):
    user, _ = person_in(organization, "guest")
    invite(owner)
    entries = Entry.objects.count()

    for email, refusal in (
        (user.email.upper(), AlreadyMember),
        ("MEI@example.com", InvitationPending),
        ("not an address", InvalidInput),
    ):
        with pytest.raises(refusal):
            create_invitation(actor=owner, email=email, role="guest")

    assert Invitation.objects.count() == 1
    assert Entry.objects.count() == entries


def test_one_that_ran_out_is_replaced(owner):
    old, _ = invite(owner)
    Invitation.objects.update(expires_at=now() - timedelta(days=1))

    new, _ = invite(owner)

    old.refresh_from_db()
    assert (old.state, new.state) == ("revoked", "open")


def test_an_organization_sends_so_many_an_hour_and_no_more(organization, owner, settings):
    settings.INVITATIONS_PER_HOUR = 2
    row, _ = invite(owner)
    resend_invitation(actor=owner, invitation_id=row.pk)

    with pytest.raises(TooManyInvitations):
        create_invitation(
            actor=actor_in(organization, "admin"), email="x@example.com", role="guest"
        )

    assert Invitation.objects.count() == 1


def test_a_person_sends_so_many_an_hour_in_all_their_organizations(owner, settings):
    settings.INVITATIONS_PER_HOUR = 1
    user = User.objects.get(pk=owner.user_id)
    elsewhere = OrganizationFactory()
    Membership.objects.create(organization=elsewhere, user=user, role="owner")
    other = type(owner)(organization_id=elsewhere.pk, role="owner", user_id=user.pk)
    invite(owner)

    with pytest.raises(TooManyInvitations):
        create_invitation(actor=other, email="x@example.com", role="guest")


def test_a_team_of_another_organization_is_not_found(owner):
    foreign = create_team(actor=actor_in(OrganizationFactory()), name="Theirs")

    with pytest.raises(NotFound):
        create_invitation(actor=owner, email="mei@example.com", role="guest", team_ids=[foreign.pk])

    assert not Invitation.objects.exists()


# -- accepting


def test_whoever_reads_the_address_joins_with_role_and_teams(organization, owner):
    team = create_team(actor=owner, name="Support")
    row, path = invite(owner, team_ids=[team.pk])
    user = reader()
    client = signed_in(user)

    client.get(path)
    assert b"Northwind" in client.get("/invitation/").content
    assert not Membership.objects.filter(user=user).exists()  # looking is not joining
    response = client.post("/invitation/accept/")

    assert response.url == "/"
    member = Membership.objects.get(user=user)
    assert (member.organization, member.role) == (organization, "builder")
    assert TeamMembership.objects.get(member=member).team == team
    assert list(user.groups.all()) == [team.group]
    row.refresh_from_db()
    assert (row.state, row.accepted_by_id) == ("accepted", user.pk)
    assert client.session["organization_id"] == str(organization.pk)


def test_an_address_nobody_has_proven_is_proven_by_the_link(organization, owner):
    _, path = invite(owner)
    user = UserFactory(email="mei@example.com")
    client = signed_in(user)

    client.get(path)
    client.post("/invitation/accept/")

    assert Membership.objects.filter(user=user, organization=organization).exists()
    assert EmailAddress.objects.get(user=user).verified


def test_without_the_link_an_unproven_address_opens_nothing(organization, owner):
    row, _ = invite(owner)
    user = UserFactory(email="mei@example.com")

    with pytest.raises(InvitationForAnother):
        accept_invitation(user=user, invitation_id=row.pk)
    response = signed_in(user).get("/api/v1/invitations/mine/")

    assert response.json()["results"] == []
    assert nobody_came(organization)


def test_another_account_is_told_why_not(organization, owner):
    row, path = invite(owner)
    client = signed_in(reader("other@example.com"))

    client.get(path)
    page = client.get("/invitation/").content.decode()
    client.post("/invitation/accept/")

    assert "but you are signed in as other@example.com" in page
    row.refresh_from_db()
    assert row.state == "open"
    assert nobody_came(organization)


def test_a_link_works_once(owner):
    _row, path = invite(owner)
    user = reader()
    client = signed_in(user)
    client.get(path)
    client.post("/invitation/accept/")
    member = Membership.objects.get(user=user)
    remove_member(actor=owner, membership_id=member.pk)

    client.get(path)
    page = client.get("/invitation/").content.decode()
    client.post("/invitation/accept/")

    assert "accepted already" in page
    assert not Membership.objects.filter(user=user).exists()


@pytest.mark.parametrize("end", ["revoked", "declined", "expired", "resent"])
def test_a_dead_link_opens_nothing(organization, owner, end):
    row, path = invite(owner)
    user = reader()
    if end == "revoked":
        revoke_invitation(actor=owner, invitation_id=row.pk)
    elif end == "declined":
        decline_invitation(user=user, invitation_id=row.pk)
    elif end == "expired":
        Invitation.objects.update(expires_at=now())
    else:
        resend_invitation(actor=owner, invitation_id=row.pk)
    client = signed_in(UserFactory() if end == "resent" else user)

    client.get(path)
    client.post("/invitation/accept/")

    assert nobody_came(organization)


def test_sent_again_the_new_link_works(organization, owner):
    row, old = invite(owner)
    Invitation.objects.update(expires_at=now() - timedelta(days=1))
    resend_invitation(actor=owner, invitation_id=row.pk)
    row.refresh_from_db()
    new = path_of(row)
    client = signed_in(reader())

    assert new != old
    client.get(new)
    client.post("/invitation/accept/")

    assert not nobody_came(organization)


def test_what_is_over_can_neither_be_sent_again_nor_revoked(owner):
    row, _ = invite(owner)
    decline_invitation(user=reader(), invitation_id=row.pk)
    entries = Entry.objects.count()

    for change in (resend_invitation, revoke_invitation):
        with pytest.raises(InvitationClosed):
            change(actor=owner, invitation_id=row.pk)

    assert Entry.objects.count() == entries


def test_a_member_by_now_keeps_the_role_they_have(organization, owner):
    row, _ = invite(owner, role="owner")
    user = reader()
    Membership.objects.create(organization=organization, user=user, role="guest")

    accept_invitation(user=user, invitation_id=row.pk)

    assert Membership.objects.get(user=user).role == "guest"
    assert not Entry.objects.filter(action="orgs.member.added").exists()


def test_what_somebody_sent_ends_with_their_right_to_invite(organization, owner):
    admin = actor_in(organization, "admin")
    gone, stays = invite(admin, "a@example.com")[0], invite(owner, "b@example.com")[0]
    row = Membership.objects.get(user_id=admin.user_id)

    change_role(actor=owner, membership_id=row.pk, role="builder")

    gone.refresh_from_db()
    stays.refresh_from_db()
    assert (gone.state, stays.state) == ("revoked", "open")


def test_an_admin_keeps_what_an_admin_may_have_sent(organization, owner):
    other = actor_in(organization, "owner")
    above, within = invite(other, "a@example.com", "owner")[0], invite(other, "b@example.com")[0]
    row = Membership.objects.get(user_id=other.user_id)

    change_role(actor=owner, membership_id=row.pk, role="admin")

    above.refresh_from_db()
    within.refresh_from_db()
    assert (above.state, within.state) == ("revoked", "open")


# -- signing up by the link


def test_a_sign_up_by_the_link_is_verified_and_founds_nothing(organization, owner):
    _, path = invite(owner)
    client = Client()
    client.get(path)
    page = client.get("/accounts/signup/").content.decode()

    client.post(
        "/accounts/signup/?next=/invitation/",
        {
            "name": "Mei Lin",
            "email": "mei@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )
    client.post("/invitation/accept/")

    assert 'value="mei@example.com"' in page
    assert 'name="organization"' not in page
    user = User.objects.get(email="mei@example.com")
    assert EmailAddress.objects.get(user=user).verified
    (member,) = Membership.objects.filter(user=user)
    assert (member.organization, member.role) == (organization, "builder")


def test_a_sign_up_by_the_link_with_another_address_is_refused(owner):
    _, path = invite(owner)
    client = Client()
    client.get(path)
    sent = {"name": "X", "email": "x@example.com", "password1": PASSWORD, "password2": PASSWORD}

    response = client.post("/accounts/signup/", sent)

    assert b"sent to mei@example.com" in response.content
    assert not User.objects.filter(email="x@example.com").exists()
    client.post("/invitation/put-away/")
    client.post("/accounts/signup/", sent)
    assert Membership.objects.get(user__email="x@example.com").role == "owner"


def test_an_unknown_link_looks_like_a_dead_one(client):
    response = client.get(f"/invitation/{'x' * 43}/")

    assert response.url == "/invitation/"
    assert b"This link leads nowhere" in client.get("/invitation/").content


def test_the_page_and_the_api_list_what_came_for_somebody(organization, owner):
    row, _ = invite(owner)
    user = reader()
    client = signed_in(user)

    home = client.get("/")
    mine = client.get("/api/v1/invitations/mine/").json()["results"]

    assert home.status_code == 403  # in no organization yet, and told so
    assert b"You are invited to Northwind." in home.content
    assert [each["id"] for each in mine] == [str(row.pk)]
    client.post("/invitation/accept/", {"id": str(row.pk)})
    assert client.get("/").status_code == 200


def test_declining_by_the_api_closes_it(owner):
    row, _ = invite(owner)

    response = signed_in(reader()).post(f"/api/v1/invitations/mine/{row.pk}/decline/")

    row.refresh_from_db()
    assert (response.status_code, row.state) == (204, "declined")


def test_the_list_of_invitations_costs_the_same_however_many(owner, django_assert_max_num_queries):
    client = signed_in(User.objects.get(pk=owner.user_id))
    for number in range(30):
        create_invitation(actor=owner, email=f"p{number}@example.com", role="guest")

    with django_assert_max_num_queries(10):
        assert client.get("/organization/invitations/").status_code == 200
    with django_assert_max_num_queries(6):
        assert len(client.get("/api/v1/invitations/").json()["results"]) == 25
