"""Log lines of runs: stored with a commit, bounded, masked, read page by page."""

from datetime import UTC, datetime

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from orgs.tests.factories import OrganizationFactory
from workflows.history.logs import lines_of
from workflows.models import Run, RunLog
from workflows.models.history import LONGEST_MESSAGE
from workflows.removal import remove_runs
from workflows.runner import Change, LogLine
from workflows.runner.redaction import masked_line
from workflows.runtime.store import open_store
from workflows.runtime.store.base import Commit
from workflows.tests.callers import client_of, page_client
from workflows.tests.factories import make_runs

AT = datetime(2026, 3, 4, tzinfo=UTC)


async def commit(run, *lines, epoch=1):
    store = open_store()
    await store.open()
    try:
        return await store.commit([Commit(run.pk, epoch, 0, Change(logs=lines), AT)])
    finally:
        await store.close()


def run_under_way(organization=None):
    return make_runs(organization or OrganizationFactory(), 1, state="running", epoch=1)[0]


@pytest.mark.django_db(transaction=True)
async def test_lines_are_stored_in_order_within_their_bounds():
    run = await sync_to_async(run_under_way)()
    (done,) = await commit(
        run,
        LogLine("info", "one", "a", "0", AT),
        LogLine("shout", "x" * 9000 + "\x00", "b"),
    )
    await commit(run, LogLine("error", "three"))
    (fenced,) = await commit(run, LogLine("error", "of a zombie"), epoch=9)

    assert (done.ok, fenced.ok) == (True, False)
    rows = [row async for row in RunLog.objects.order_by("seq")]
    assert [(row.seq, row.level, row.node_id, row.iteration) for row in rows] == [
        (1, "info", "a", "0"), (2, "info", "b", ""), (3, "error", "", ""),
    ]  # fmt: skip
    assert rows[0].at == AT
    assert len(rows[1].message) == LONGEST_MESSAGE
    assert rows[0].organization_id == run.organization_id


@pytest.mark.django_db(transaction=True)
async def test_a_run_that_says_too_much_is_not_listened_to(monkeypatch):
    run = await sync_to_async(run_under_way)()
    await RunLog.objects.acreate(
        organization_id=run.organization_id, run=run, seq=9_998, message="late", at=AT
    )
    await commit(run, *(LogLine("info", f"line {n}") for n in range(5)))

    kept = [row.message async for row in RunLog.objects.order_by("seq")]
    assert kept == ["late", "line 0", "line 1"]


def test_secrets_of_the_flow_are_masked():
    line = masked_line(LogLine("info", "key hunter22 sent"), ("hunter22",))
    assert line.message == "key •••• sent"


@pytest.fixture
def told(db):
    organization = OrganizationFactory()
    run = run_under_way(organization)
    levels = ("debug", "info", "warning", "error")
    RunLog.objects.bulk_create(
        RunLog(
            organization_id=organization.pk, run=run, seq=n + 1, level=levels[n % 4],
            node_id=f"node{n % 2}", message=f"line <b>{n}</b>", at=AT,
        )
        for n in range(12)
    )  # fmt: skip
    return organization, run


def test_lines_are_read_by_level_node_and_page(told, django_assert_max_num_queries):
    organization, run = told
    client = client_of(organization, "member")
    url = f"/api/v1/runs/{run.public_id}/logs/"

    whole = client.get(url).json()
    bad = client.get(url, {"level": "warning", "node": "node1"}).json()["results"]
    rest = client.get(url, {"after": whole["results"][9]["id"]}).json()["results"]

    assert [row["message"] for row in whole["results"]] == [f"line <b>{n}</b>" for n in range(12)]
    assert whole["more"] is False
    assert {row["level"] for row in bad} == {"error"}
    assert [row["message"] for row in rest] == ["line <b>10</b>", "line <b>11</b>"]
    assert lines_of(run, limit=5)[1] is True
    assert client.get(url, {"level": "loud"}).status_code == 400
    assert client_of(OrganizationFactory(), "owner").get(url).status_code == 404
    with django_assert_max_num_queries(8):
        client.get(url)


def test_the_page_shows_them_and_escapes_them(told):
    organization, run = told
    page = page_client(organization, "member").get(reverse("run_logs", args=[run.public_id]))

    assert "line &lt;b&gt;3&lt;/b&gt;" in page.content.decode()


def test_lines_go_with_their_run(told):
    _, run = told
    remove_runs([run.pk], wait=True)
    assert not RunLog.objects.exists()
    assert not Run.objects.exists()
