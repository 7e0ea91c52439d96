"""Organizations with people in every role, and keys."""

import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from orgs.access import Actor
from orgs.actions import create_default_project, create_key
from orgs.models import Membership, Organization, Role


class OrganizationFactory(DjangoModelFactory):
    class Meta:
        model = Organization
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")

    @factory.post_generation
    def project(self, create, extracted, **kwargs):
        """As `found_organization` does it."""
        if create:
            create_default_project(self.pk)


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.MEMBER


def actor_in(organization, role="owner"):
    """A new person with `role`, as an Actor; `person_in` when you need the user too."""
    return person_in(organization, role)[1]


def person_in(organization, role="owner"):
    row = MembershipFactory(organization=organization, role=role)
    return row.user, Actor(organization_id=organization.pk, role=row.role, user_id=row.user.pk)


def key_in(organization, *scopes, project=None):
    """The clear token of a new key with `scopes`; without a project, in the default one."""
    maker = actor_in(organization)
    _, token = create_key(
        actor=maker, name="test", scopes=scopes, project_id=project and project.pk
    )
    return token
