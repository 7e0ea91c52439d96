"""Operators inside an organization: for a reason, for a while, in the open, never beyond."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from accounts.tasks import tend_letters
from accounts.tests.factories import UserFactory
from audit.models import Entry
from core.errors import InvalidInput, PermissionRefused
from orgs.access import can
from orgs.actions import begin_support
from orgs.models import Membership, SupportAccess
from orgs.permissions import ADMIN, SUPPORT, SUPPORT_ACT, VERBS
from orgs.support import support_actor
from orgs.tests.factories import MembershipFactory, OrganizationFactory, person_in
from workflows.models import Run
from workflows.tests.factories import approval_flow, published

pytestmark = pytest.mark.django_db
REASON = "Ticket 4711: a run never ends"


@pytest.fixture
def organization():
    return OrganizationFactory(name="Northwind")


@pytest.fixture
def operator():
    user = UserFactory(is_staff=True, name="Olga Operator")
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["add_supportaccess", "view_supportaccess"])
    )
    return user


def enter(operator, organization, level="view", **more):
    """Through the console's form, as operators do."""
    client = Client()
    client.force_login(operator)
    given = {"organization": str(organization.pk), "level": level, "reason": REASON, "minutes": 30}
    response = client.post(reverse("admin:orgs_supportaccess_add"), given | more)
    return client, response


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_an_operator_enters_looks_and_leaves_in_the_open(operator, organization):
    owner = signed_in(person_in(organization)[0])
    client, response = enter(operator, organization)
    assert response.url == "/"

    home = client.get("/").content.decode()
    assert "You are inside Northwind as support." in home
    assert REASON in home
    stay = SupportAccess.objects.get()
    page = owner.get("/organization/support/").content.decode()
    assert REASON in page
    assert "Olga Operator" in page
    listed = owner.get("/api/v1/support-access/").json()["results"]
    assert [(row["id"], row["running"]) for row in listed] == [(str(stay.pk), True)]

    client.post("/organization/support/leave/")

    assert client.get("/").status_code == 403
    stay.refresh_from_db()
    assert (stay.running, stay.ended_by_id) == (False, operator.pk)
    trail = Entry.objects.filter(organization_id=organization.pk).order_by("pk")
    assert [(row.action, row.actor_id) for row in trail if "support" in row.action] == [
        ("orgs.support.started", operator.pk),
        ("orgs.support.ended", operator.pk),
    ]


@pytest.mark.parametrize(
    "given", [{"reason": "short"}, {"reason": "     x     "}, {"minutes": 241}, {"level": "own"}]
)
def test_without_a_reason_and_a_bound_nobody_enters(operator, organization, given):
    client, response = enter(operator, organization, **given)

    assert response.status_code == 200
    assert not SupportAccess.objects.exists()
    assert client.get("/").status_code == 403


def test_the_action_asks_again(operator, organization):
    for wrong in ({"reason": "short"}, {"minutes": 241}, {"minutes": 0}, {"level": "own"}):
        with pytest.raises(InvalidInput):
            begin_support(
                **({"operator": operator, "organization_id": organization.pk, "reason": REASON}
                   | wrong)
            )  # fmt: skip
    with pytest.raises(PermissionRefused):
        begin_support(
            operator=UserFactory(is_staff=True), organization_id=organization.pk, reason=REASON
        )
    assert not SupportAccess.objects.exists()


def test_looking_changes_nothing(operator, organization):
    flow = published(approval_flow(), organization)
    client, _ = enter(operator, organization)

    assert client.get(f"/workflows/{flow.pk}/").status_code == 200
    version = str(flow.published_id)
    started = client.post(f"/workflows/{flow.pk}/start/", {"version": version, "input-what": "x"})

    assert started.status_code == 403
    assert not Run.objects.exists()


def test_acting_is_an_administrators_work_without_people_keys_and_money(operator, organization):
    other = MembershipFactory(organization=organization)
    flow = published(approval_flow(), organization)
    client, _ = enter(operator, organization, level="act")
    stay = SupportAccess.objects.get()

    version = str(flow.published_id)
    started = client.post(f"/workflows/{flow.pk}/start/", {"version": version, "input-what": "x"})
    assert started.status_code == 302
    entry = Entry.objects.get(action="workflows.run.started")
    assert entry.actor_id == operator.pk
    assert entry.support_id == stay.pk

    before = list(Membership.objects.values())
    for path, given in (
        ("/organization/invitations/", {"email": operator.email, "role": "owner"}),
        (f"/organization/members/{other.pk}/role/", {"role": "owner"}),
        ("/organization/", {"name": "Mine"}),
        ("/keys/new/", {"name": "k", "scopes": ["run.view"], "lifetime": "30"}),
        ("/usage/top-up/", {"amount": "5", "ref": "r"}),
        (f"/organization/support/{stay.pk}/end/", {}),
    ):
        assert client.post(path, given).status_code == 403, path
    assert list(Membership.objects.values()) == before


def test_the_levels_hold_what_the_table_says(operator, organization):
    look = support_actor(SupportAccess(organization=organization, operator=operator, level="view"))
    looking = {verb for verb in VERBS if verb.endswith(".view")} | {"audit.view_all"}
    assert {verb for verb in VERBS if can(look, verb)} == looking
    assert SUPPORT[SUPPORT_ACT] < {verb for verb, roles in VERBS.items() if ADMIN in roles}


def test_an_owner_ends_a_stay_at_once(operator, organization):
    owner = signed_in(person_in(organization)[0])
    client, _ = enter(operator, organization, level="act")
    stay = SupportAccess.objects.get()
    assert client.get("/").status_code == 200

    assert owner.post(f"/organization/support/{stay.pk}/end/").status_code == 302

    assert client.get("/").status_code == 403
    assert client.get("/api/v1/workflows/").status_code == 403


def test_a_stay_dies_with_its_time_the_session_and_the_operators_rank(operator, organization):
    client, _ = enter(operator, organization)
    SupportAccess.objects.update(expires_at=now() + timedelta(milliseconds=1))
    assert client.get("/").status_code == 403

    client, _ = enter(operator, organization)
    assert client.get("/").status_code == 200
    assert signed_in(operator).get("/").status_code == 403  # another session has no stay
    client.logout()
    client.force_login(operator)
    assert client.get("/").status_code == 403

    client, _ = enter(operator, organization)
    operator.user_permissions.clear()
    assert client.get("/").status_code == 403


def test_staff_without_the_right_do_not_enter(organization):
    _, response = enter(UserFactory(is_staff=True), organization)

    assert response.status_code == 403
    assert not SupportAccess.objects.exists()


def test_entering_another_organization_ends_the_stay_before(operator, organization):
    enter(operator, organization)
    enter(operator, OrganizationFactory())

    assert SupportAccess.objects.running(now()).count() == 1


def test_owners_are_told_by_mail(operator, organization):
    owner = person_in(organization)[0]
    person_in(organization, "member")
    begin_support(operator=operator, organization_id=organization.pk, reason=REASON)

    tend_letters()

    (letter,) = mail.outbox
    assert letter.to == [owner.email]
    assert REASON in letter.body
    assert "Look only" in letter.body
    assert "/organization/support/" in letter.body


def test_a_stay_never_travels_by_token(operator, organization):
    from allauth.headless.tokens.strategies.jwt import internal  # noqa: PLC0415, F401

    client, _ = enter(operator, organization)

    response = client.get("/api/v1/me/", headers={"Authorization": "Bearer nothing.of.ours"})

    assert response.status_code == 401
