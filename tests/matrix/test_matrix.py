"""Every route of the product, by every method, for everybody who should not get in.

The doors are read from what is served and must all be declared: a route that is forgotten fails
the suite. Organization B's rows carry a mark that may stand in no answer to organization A.
"""

import logging

import pytest
from django.db import connection, transaction

from orgs.models import Role
from tests.matrix import console, console_probes, gateway, probes, routes, walking
from tests.matrix.callers import callers
from tests.matrix.knocking import signed_in
from tests.worlds import make_world

pytestmark = pytest.mark.services
AT_THE_CONSOLE = ("owner elsewhere", "operator without groups", "superuser")
"""Here, for the time it takes; `make matrix` sends everybody."""
ONCE_IS_ENOUGH = (
    "admin", "builder", "approver", "invented key", "token with",
    "expired token", "support: act",
)  # fmt: skip
"""Like others that are sent: here left out for the time it takes."""


@pytest.fixture(scope="module")
def worlds(django_db_setup, django_db_blocker):
    """Two organizations for the whole module: each knock undoes what it did."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = walking.Worlds(make_world("ALPHA-A"), make_world("CANARY-B"), thorough=False)
        made.everybody = {caller.name: caller for caller in callers(*made)}
        made.settle()
        yield made
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture(autouse=True)
def _quiet():
    """Thousands of refusals need no line in the log each."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def findings():
    return walking.Findings()


@pytest.mark.django_db
def test_every_route_is_declared():
    assert walking.undeclared() == []
    assert console.undeclared() == []


@pytest.mark.django_db
def test_what_is_walked_is_what_is_served():
    assert len(routes.served()) > 190
    assert len(routes.console()) > 200
    assert routes.operations()
    assert "POST /v1/chat/completions" in routes.gateway()


def test_everybody_gets_as_far_as_is_declared(worlds, findings):
    for name, caller in worlds.everybody.items():
        if not name.startswith(ONCE_IS_ENOUGH):
            walking.walk(caller, worlds, findings)

    assert findings.pairs > 3000
    assert findings.leaks == []


def test_the_console_is_open_to_operators_by_their_permissions(worlds, findings):
    for name in AT_THE_CONSOLE:
        console.walk(worlds.everybody[name], worlds, findings)

    assert findings.leaks == []


def test_the_console_tells_nothing_by_filters_or_choices(worlds, findings):
    console_probes.everything(worlds, findings)

    assert findings.leaks == []


@pytest.mark.parametrize("probe", probes.PROBES, ids=lambda probe: probe.__name__)
def test_another_organization_does_not_show_through(worlds, findings, probe):
    probe(signed_in(worlds.ours.people[Role.OWNER]), worlds, findings)

    assert findings.pairs
    assert findings.leaks == []


@pytest.mark.django_db(transaction=True)
def test_the_gateway_knows_keys_of_its_own_alone(findings):
    made = walking.Worlds(make_world("GATE-A"), make_world("GATE-B"))

    gateway.walk(made, findings)

    assert findings.pairs == 9 * len(routes.gateway())
    assert findings.leaks == []
