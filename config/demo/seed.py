"""What `up` and `demo` start with. Repeating it changes nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.actions import vouch_for_address
from accounts.models import User
from billing.actions import top_up_wallet
from billing.models import LedgerEntry
from config.env import persistent_secret
from orgs.access import Actor, memberships_of
from orgs.actions import (
    add_member,
    add_to_team,
    create_invitation,
    create_project,
    create_team,
    found_organization,
)
from orgs.models import Invitation, Membership, Organization, Project, Role, Team
from workflows.actions import create_trigger, import_flow, publish_version
from workflows.models import Workflow

FLOW = Path(__file__).with_name("support_mail.yml")
ORGANIZATION = "Northwind"
OWNER = "ada@northwind.example"
PEOPLE = (
    ("ben@northwind.example", "Ben Builder", Role.BUILDER),
    ("mei@northwind.example", "Mei Lin", Role.APPROVER),
    ("finn@northwind.example", "Finn Ledger", Role.FINANCE),
)
CREDIT = 25 * 10**9
"""Nanos: 25.00 in the wallet's currency."""


@dataclass(frozen=True, slots=True)
class Demo:
    organization: Organization
    owner: Actor
    approver: Actor
    workflow: Workflow
    password: str


def seed_demo() -> Demo:
    """The demo organization, made on first use."""
    password = persistent_secret(settings.DATA_DIR / "demo_password", _password)
    with transaction.atomic():
        owner = _owner(password)
        for email, name, role in PEOPLE:
            _person(owner, password, email, name, role)
        _credit(owner)
        _places(owner)
        workflow = _workflow(owner)
        _triggers(owner, workflow)
    organization = Organization.objects.get(pk=owner.organization_id)
    return Demo(organization, owner, _actor("mei@northwind.example"), workflow, password)


def _password() -> str:
    return f"demo-{secrets.token_urlsafe(9)}"


def _owner(password: str) -> Actor:
    user = User.objects.filter(email=OWNER).first()
    if user is None:
        user = User.objects.create_superuser(OWNER, password, name="Ada Operator")
        found_organization(user_id=user.pk, name=ORGANIZATION)
    return _actor(OWNER)


def _actor(email: str) -> Actor:
    user = User.objects.get(email=email)
    row: Membership = memberships_of(user.pk)[0]
    return Actor(organization_id=row.organization_id, role=row.role, user_id=user.pk)


def _person(owner: Actor, password: str, email: str, name: str, role: str) -> None:
    if User.objects.filter(email=email).exists():
        return
    vouch_for_address(User.objects.create_user(email, password, name=name))
    add_member(actor=owner, email=email, role=role)


def _places(owner: Actor) -> None:
    """A team with a lead, a project beside the default one, and an invitation that is out."""
    if not Team.objects.of(owner.organization_id).exists():
        team = create_team(actor=owner, name="Support", description="Answers customers' mail.")
        rows = Membership.objects.of(owner.organization_id)
        for email, lead in (("mei@northwind.example", True), ("ben@northwind.example", False)):
            member = rows.get(user__email=email)
            add_to_team(actor=owner, team_id=team.pk, membership_id=member.pk, lead=lead)
    if Project.objects.of(owner.organization_id).count() == 1:
        create_project(actor=owner, name="Claims", description="What customers want back.")
    if not Invitation.objects.of(owner.organization_id).exists():
        create_invitation(actor=owner, email="lee@northwind.example", role=Role.MEMBER)


def _credit(owner: Actor) -> None:
    ref = "demo-credit"
    if not LedgerEntry.objects.filter(
        wallet__organization_id=owner.organization_id, ref=ref
    ).exists():
        top_up_wallet(actor=owner, amount=CREDIT, ref=ref)


def _workflow(owner: Actor) -> Workflow:
    found = Workflow.objects.of(owner.organization_id).filter(name="Support mail").first()
    if found is None:
        version = import_flow(actor=owner, raw=FLOW.read_bytes(), filename=FLOW.name)
        publish_version(actor=owner, version_id=version.pk)
        found = version.workflow
        found.refresh_from_db()
    workflow: Workflow = found
    return workflow


def _triggers(owner: Actor, workflow: Workflow) -> None:
    """One of each kind that starts from outside; the schedule is off, so that nothing runs."""
    if workflow.triggers.exists():
        return
    create_trigger(
        actor=owner,
        workflow_id=workflow.pk,
        kind="schedule",
        name="Every working morning",
        enabled=False,
        config={"cron": "0 8 * * MON-FRI", "time_zone": "Europe/Berlin", "catch_up": "last"},
        inputs={"mail": "What came in overnight?", "amount": 0},
    )
    create_trigger(
        actor=owner,
        workflow_id=workflow.pk,
        kind="webhook",
        name="Mail from the website",
        config={"scheme": "hmac", "mapping": {"mail": "body.message", "amount": "body.amount"}},
    )
