"""Fixtures of bpm tests: an organization, people in it, and a subject that listens."""

import pytest

from bpm.tests.factories import handling, make_actor
from orgs.tests.factories import OrganizationFactory


@pytest.fixture
def handled():
    with handling() as decisions:
        yield decisions


@pytest.fixture
def organization(db):
    return OrganizationFactory()


@pytest.fixture
def approver(organization):
    return make_actor(organization)
