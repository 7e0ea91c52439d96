"""What Prometheus reads, who may, and that the alert rules speak of what there is."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from django.core.cache import cache
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families

from orgs.tests.factories import OrganizationFactory
from workflows.models import WorkerProcess
from workflows.runner import Change, RunState, Step
from workflows.runtime.metrics import Tally, observed, place_of, tally
from workflows.runtime.store.base import Commit, Committed
from workflows.tests.factories import make_runs

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent
AT = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def token(settings):
    settings.METRICS_TOKEN = "scrape-me"
    cache.clear()
    return {"Authorization": "Bearer scrape-me"}


def read(client, token):
    text = client.get("/metrics", headers=token).content.decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_without_a_token_of_ours_there_is_no_door_and_without_theirs_no_answer(client, settings):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404

    settings.METRICS_TOKEN = "scrape-me"
    for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "scrape-me"}):
        answer = client.get("/metrics", headers=given)
        assert (answer.status_code, answer.content) == (401, b"")


def commit(state=None):
    step = Step("call", "llm", AT, AT + timedelta(seconds=2), attempts=3)
    return Commit(1, 1, 0, Change(steps=(step,), state=state), AT)


def test_what_engines_counted_is_told_by_worker(client, token):
    found = Tally()
    commits = [commit(), commit(RunState.FAILED), commit()]
    found.observe(commits, [Committed(True), Committed(True), Committed(False)], 0.004)
    cache.set(place_of("host-a", 7), found.as_json())
    WorkerProcess.objects.create(host="host-a", pid=7, alive_until=now() + timedelta(minutes=1))
    WorkerProcess.objects.create(host="dead", pid=8, alive_until=now() - timedelta(minutes=1))

    seen = read(client, token)

    worker = ("worker", "host-a:7")
    assert seen["loomwork_workers",] == 1
    assert seen["loomwork_commits_total", worker] == 1
    assert seen["loomwork_commits_fenced_total", worker] == 1
    steps = ("loomwork_steps_total", ("kind", "llm"), ("status", "succeeded"), worker)
    assert seen[steps] == 2
    assert seen["loomwork_retries_total", ("kind", "llm"), worker] == 4
    assert seen["loomwork_runs_ended_total", ("state", "failed"), worker] == 1
    assert seen["loomwork_commit_seconds_bucket", ("le", "0.0025"), worker] == 0
    assert seen["loomwork_commit_seconds_bucket", ("le", "0.005"), worker] == 1
    assert seen["loomwork_step_seconds_count", ("kind", "llm"), worker] == 2


def test_the_queue_is_told_from_the_database(client, token):
    organization = OrganizationFactory()
    for run in make_runs(organization, 3):
        run.created_at = now() - timedelta(seconds=90)
        run.save(update_fields=["created_at"])
    make_runs(organization, 2, state="failed")

    seen = read(client, token)

    assert seen["loomwork_runs", ("state", "queued")] == 3
    assert seen["loomwork_runs", ("state", "running")] == 0
    assert 90 <= seen["loomwork_queue_oldest_seconds",] < 120


def test_what_is_told_costs_the_same_queries_at_any_number(
    client, token, django_assert_max_num_queries
):
    make_runs(OrganizationFactory(), 50)
    with django_assert_max_num_queries(8):
        read(client, token)


async def test_a_store_is_counted_without_its_noticing():
    async def flush(commits):
        return [Committed(True) for _ in commits]

    before = tally.counts["commits",]
    assert await observed(flush)([commit()]) == [Committed(True)]
    assert tally.counts["commits",] == before + 1


def test_every_rule_names_a_metric_that_is_told(client, token):
    cache.set(place_of("h", 1), Tally().as_json())
    WorkerProcess.objects.create(host="h", pid=1, alive_until=now() + timedelta(minutes=1))
    text = client.get("/metrics", headers=token).content.decode()
    told = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    (group,) = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text())["groups"]

    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")
        named = set(re.findall(r"\bloomwork_\w+", rule["expr"]))
        assert named
        for name in named:
            assert {name, re.sub(r"_(bucket|count|sum)$", "", name)} & told, name
