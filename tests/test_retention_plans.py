"""Retention can use an index in each of its queries: what it costs hangs on what it deletes."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from orgs.models import Organization
from tests.worlds import make_world
from workflows.models import Run
from workflows.tasks import prune_runs

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="plans are PostgreSQL's"),
]
BIG = (
    "workflows_run", "workflows_step", "workflows_event", "workflows_runwait", "workflows_signal",
    "workflows_runvalue", "bpm_processinfo", "audit_entry",
)  # fmt: skip


def test_no_query_of_a_pass_reads_a_whole_table():
    world = make_world("ALPHA-A")
    Organization.objects.update(run_retention_days=5)
    Run.objects.update(state="succeeded", ended_at=now() - timedelta(days=9))

    with CaptureQueriesContext(connection) as captured:
        assert prune_runs()["runs"] == 1

    named = {table for query in captured for table in BIG if f'"{table}"' in query["sql"]}
    assert named == set(BIG)
    assert not Run.objects.of(world.organization.pk).exists()
    for query in captured:
        if not re.match(r"SELECT|DELETE|UPDATE", query["sql"]):
            continue
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        read_whole = set(re.findall(r"Seq Scan on (\w+)", plan)) & set(BIG)
        assert not read_whole, f"{query['sql']}\n{plan}"


def test_what_is_old_is_found_in_the_order_of_its_end_without_sorting():
    world = make_world("ALPHA-A")
    Organization.objects.update(run_retention_days=5)
    Run.objects.update(state="succeeded", ended_at=now() - timedelta(days=9))
    with CaptureQueriesContext(connection) as captured:
        prune_runs()
    looks = [
        query["sql"]
        for query in captured
        if 'FROM "workflows_run"' in query["sql"]
        and 'ORDER BY "workflows_run"."ended_at"' in query["sql"]
    ]

    assert len(looks) == 2  # the second goes on after the first
    for sql in looks:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "run_ended" in plan
        assert "Sort" not in plan
    assert world.rows.run
