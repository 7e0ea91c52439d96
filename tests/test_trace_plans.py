"""Each query of the trace search can use an index: on a large table none reads all of it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orgs.access import Actor
from orgs.models import Role
from orgs.trail_search import resolve
from orgs.trails import read_trail
from tests.worlds import make_world

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="plans are PostgreSQL's"),
]
BIG = (
    "workflows_run", "workflows_step", "workflows_event", "billing_hold", "billing_ledgerentry",
    "billing_usagerecord", "bpm_humantask", "bpm_processinfo", "bpm_decision", "bpm_comment",
    "audit_entry", "orgs_apikey",
)  # fmt: skip


@pytest.fixture
def world():
    return make_world("ALPHA-A")


def searches(world):
    owner = Actor(organization_id=world.organization.pk, role=Role.OWNER)
    member = Actor(organization_id=world.organization.pk, role=Role.MEMBER)
    return {
        "a page": lambda: read_trail(owner, [world.trace_id]),
        "a later page": lambda: read_trail(
            owner, [world.trace_id], cursor=read_trail(owner, [world.trace_id], limit=2).next
        ),
        "a member's page": lambda: read_trail(member, [world.trace_id]),
        "an operator's page": lambda: read_trail(None, [world.trace_id]),
        "by uuid": lambda: resolve(owner, str(world.rows.hold.pk)),
        "by run": lambda: resolve(owner, str(world.rows.run.public_id)),
        "by number": lambda: resolve(owner, "4711"),
        "by reference": lambda: resolve(owner, world.rows.hold.billing_ref),
        "by key": lambda: resolve(owner, str(world.rows.key.pk)),
        "by prefix, for an operator": lambda: resolve(None, world.rows.key.prefix),
        "by uuid, for an operator": lambda: resolve(None, str(world.rows.task.pk)),
    }


@pytest.mark.parametrize(
    "name",
    ["a page", "a later page", "a member's page", "an operator's page", "by uuid", "by run",
     "by number", "by reference", "by key", "by prefix, for an operator",
     "by uuid, for an operator"],
)  # fmt: skip
def test_no_search_reads_a_whole_table(world, name):
    with CaptureQueriesContext(connection) as captured:
        searches(world)[name]()

    assert captured.captured_queries
    for query in captured.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        read_whole = set(re.findall(r"Seq Scan on (\w+)", plan)) & set(BIG)
        assert not read_whole, f"{query['sql']}\n{plan}"
