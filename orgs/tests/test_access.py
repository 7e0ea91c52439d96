"""Who may do what, asked at the one place that answers."""

import pytest

from core.errors import NotFound, PermissionRefused
from orgs.access import Actor, can, require
from orgs.models import Role
from orgs.permissions import VERBS
from orgs.tests.factories import MembershipFactory, OrganizationFactory, actor_in

pytestmark = pytest.mark.django_db


def test_every_role_in_the_table_exists():
    assert set().union(*VERBS.values()) == set(Role.values)


def test_a_guest_holds_nothing_everywhere():
    guest = actor_in(OrganizationFactory(), "guest")

    assert [verb for verb in VERBS if can(guest, verb)] == ["org.view"]


def test_what_belongs_to_others_is_not_found_even_for_an_owner():
    owner, foreign = actor_in(OrganizationFactory()), MembershipFactory()

    assert not can(owner, "member.manage", foreign)
    with pytest.raises(NotFound):
        require(owner, "member.manage", foreign)


def test_a_missing_right_names_its_verb():
    member = actor_in(OrganizationFactory(), "member")

    with pytest.raises(PermissionRefused) as caught:
        require(member, "workflow.edit")

    assert caught.value.detail == {"verb": "workflow.edit"}


def test_a_key_holds_its_scopes_and_nothing_else():
    organization = OrganizationFactory()
    key = Actor(organization.pk, api_key_id=organization.pk, scopes=frozenset({"run.view"}))

    assert can(key, "run.view")
    assert not can(key, "workflow.view")
