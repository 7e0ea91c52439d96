"""How long runs are kept: who says so, what goes with them, what stays, and who may interrupt."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from rest_framework.test import APIClient

from audit.models import Entry
from billing.models import Hold, LedgerEntry, UsageRecord
from bpm.models import Comment, Decision, HumanTask
from core.errors import InvalidInput, NotFound, PermissionRefused
from orgs.actions import set_run_retention
from orgs.models import Organization
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from tests.worlds import make_world, snapshot_of
from workflows.actions import deliver_decision, prune_runs, set_workflow_retention
from workflows.actions import retention as policy
from workflows.actions.retention import due_workflows, kept_days
from workflows.errors import RunFinished
from workflows.models import Event, Run, RunValue, RunWait, Signal, Step
from workflows.panels import run_url
from workflows.removal import remove_runs, sweep_orphans
from workflows.tasks import prune_runs as prune_task
from workflows.tests.engines import ROOT, database_url, until
from workflows.tests.factories import approval_flow, make_runs, published
from workflows.values import Aside

pytestmark = pytest.mark.django_db(transaction=True)
PARTS = (Run, Step, Event, RunWait, Signal)


@pytest.fixture
def organization():
    return OrganizationFactory()


def ended(organization, count, days, workflow=None, **fields):
    """Runs that ended so many days ago, each with two steps, three events and a large value."""
    at = now() - timedelta(days=days)
    runs = make_runs(
        organization, count, workflow,
        **{"state": "succeeded", "ended_at": at, "seq": 3, "step_count": 2, **fields},
    )  # fmt: skip
    for run in runs:
        shared = {"organization_id": organization.pk, "run_id": run.pk}
        times = {"started_at": at, "ended_at": at, "kind": "end", "status": "succeeded"}
        outputs = Aside(organization.pk, run.public_id).row_form({"text": f"{run.pk}" * 40_000})
        Step.objects.create(**shared, **times, node_id="a", outputs=outputs)
        Step.objects.create(**shared, **times, node_id="b")
        Event.objects.bulk_create(
            Event(**shared, seq=n, kind="node.succeeded", at=at) for n in (1, 2, 3)
        )
    return runs


def keep(organization, days):
    Organization.objects.filter(pk=organization.pk).update(run_retention_days=days)


def rows_of(runs):
    pks = [run.pk for run in runs]
    left = {model: model.objects.filter(run_id__in=pks).count() for model in PARTS[1:]}
    left[Run] = Run.objects.filter(pk__in=pks).count()
    return left


# -- the policy


def test_the_organizations_policy_is_set_told_and_bounded(organization):
    user, _ = person_in(organization)
    page, api = Client(), APIClient()
    page.force_login(user)
    api.force_login(user)

    assert api.get("/api/v1/organization/").json()["run_retention_days"] is None
    answer = api.patch("/api/v1/organization/", {"run_retention_days": 90}, format="json")
    assert answer.json()["run_retention_days"] == 90
    assert b'value="90"' in page.get(reverse("organization_settings")).content
    page.post(reverse("organization_retention"), {"days": ""})
    page.post(reverse("organization_retention"), {"days": ""})  # changes nothing, tells nothing

    told = Entry.objects.filter(action="orgs.runs.retention_changed").order_by("pk")
    assert [(entry.before, entry.after) for entry in told] == [
        ({"days": None}, {"days": 90}), ({"days": 90}, {"days": None}),
    ]  # fmt: skip
    for days in (0, -1, 36_501, "x"):
        body = {"run_retention_days": days}
        assert api.patch("/api/v1/organization/", body, format="json").status_code == 400
        page.post(reverse("organization_retention"), {"days": days})
    for role in ("builder", "approver", "member"):
        with pytest.raises(PermissionRefused):
            set_run_retention(actor=actor_in(organization, role), days=5)
    with pytest.raises(InvalidInput):
        set_run_retention(actor=actor_in(organization), days=0)
    organization.refresh_from_db()
    assert organization.run_retention_days is None


def test_a_workflows_policy_is_set_told_and_bounded(organization):
    workflow = published(approval_flow(), organization)
    user, builder = person_in(organization, "builder")
    page, api = Client(), APIClient()
    page.force_login(user)
    api.force_login(user)
    keep(organization, 14)

    address = f"/api/v1/workflows/{workflow.pk}/retention/"
    answer = api.put(address, {"days": 30}, format="json")
    assert answer.json() == {"days": 30, "kept_days": 14}
    assert api.get(f"/api/v1/workflows/{workflow.pk}/").json()["run_retention_days"] == 30
    shown = page.get(reverse("workflow", args=[workflow.pk])).content.decode()
    assert "Runs are kept for 14 days." in shown
    assert 'value="30"' in shown
    page.post(reverse("workflow_retention", args=[workflow.pk]), {"days": "7"})

    told = Entry.objects.filter(action="workflows.workflow.retention_changed").order_by("pk")
    assert [(entry.before, entry.after, entry.project_id) for entry in told] == [
        ({"days": None}, {"days": 30}, workflow.project_id),
        ({"days": 30}, {"days": 7}, workflow.project_id),
    ]
    for days in (0, 36_501, "x"):
        assert api.put(address, {"days": days}, format="json").status_code == 400
        page.post(reverse("workflow_retention", args=[workflow.pk]), {"days": days})
    with pytest.raises(PermissionRefused):
        set_workflow_retention(
            actor=actor_in(organization, "member"), workflow_id=workflow.pk, days=1
        )
    with pytest.raises(NotFound):
        set_workflow_retention(
            actor=actor_in(OrganizationFactory()), workflow_id=workflow.pk, days=1
        )
    workflow.refresh_from_db()
    assert workflow.run_retention_days == 7
    set_workflow_retention(actor=builder, workflow_id=workflow.pk, days=None)
    workflow.refresh_from_db()
    assert kept_days(workflow) == 14


@pytest.mark.parametrize(
    ("organization_days", "workflow_days", "kept"),
    [(None, None, None), (5, None, 5), (None, 5, 5), (5, 9, 5), (9, 5, 5)],
)
def test_the_fewer_days_hold(organization, organization_days, workflow_days, kept):
    keep(organization, organization_days)
    workflow = published(approval_flow(), organization)
    workflow.run_retention_days = workflow_days
    workflow.save()
    old, young = ended(organization, 1, 6, workflow)[0], ended(organization, 1, 4, workflow)[0]
    workflow.refresh_from_db()
    workflow.organization.refresh_from_db()
    assert kept_days(workflow) == kept

    removed = prune_runs()

    assert removed.runs == (1 if kept else 0)
    assert Run.objects.filter(pk=old.pk).exists() == (kept is None)
    assert Run.objects.filter(pk=young.pk).exists()


# -- what goes and what stays


def test_a_run_goes_with_all_that_hangs_on_it_and_only_that(organization):
    keep(organization, 30)
    other = OrganizationFactory()
    old, young, theirs = (
        ended(organization, 3, 31), ended(organization, 2, 29), ended(other, 2, 400),
    )  # fmt: skip
    live = make_runs(organization, 2, state="waiting", created_at=now() - timedelta(days=400))
    keys = {
        run.pk: RunValue.objects.get(run_public_id=run.public_id).key
        for run in [*old, *young, *theirs]
    }

    done = prune_task()

    assert done == {
        "runs": 3, "steps": 6, "events": 9, "values": 3, "orphans": 0, "erased": 3,
        "bytes": done["bytes"],
    }  # fmt: skip
    assert done["bytes"] > 100_000
    assert set(rows_of(old).values()) == {0}
    assert rows_of(young) == {Run: 2, Step: 4, Event: 6, RunWait: 0, Signal: 0}
    assert rows_of(theirs) == {Run: 2, Step: 4, Event: 6, RunWait: 0, Signal: 0}
    assert Run.objects.filter(pk__in=[run.pk for run in live]).count() == 2
    for run in [*old, *young, *theirs]:
        assert default_storage.exists(keys[run.pk]) == (run not in old)
    assert RunValue.objects.count() == 4


def test_one_entry_for_an_organization_tells_how_much_went(organization, monkeypatch):
    monkeypatch.setattr(policy, "RUNS", 2)
    keep(organization, 1)
    ended(organization, 5, 3)
    ended(organization, 2, 3)

    prune_runs()
    prune_runs()  # nothing more, and nothing to tell

    told = Entry.objects.get(action="workflows.runs.pruned")
    assert told.data == {"runs": 7, "steps": 14, "events": 21, "values": 7}
    assert (told.actor_kind, told.organization_id) == ("system", organization.pk)
    assert prune_runs().runs == 0
    assert Entry.objects.filter(action="workflows.runs.pruned").count() == 1


def test_money_the_trail_and_peoples_decisions_stay(client):
    world, other = make_world("ALPHA-A"), make_world("BETA-B")
    run = world.rows.run
    Run.objects.filter(pk=run.pk).update(state="succeeded", ended_at=now() - timedelta(days=9))
    before, theirs = snapshot_of(world), snapshot_of(other)
    keep(world.organization, 5)

    prune_task()

    after = snapshot_of(world)
    gone = {"workflows.Run", "workflows.RunValue", "workflows.Step", "workflows.Event"}
    gone |= {"workflows.RunWait", "workflows.Signal", "workflows.ConcurrencySlot"}
    for model in (Hold, LedgerEntry, UsageRecord, Decision, Comment):
        assert after[model._meta.label] == before[model._meta.label]
    entries = Entry._meta.label
    assert [row for row in after[entries] if row in before[entries]] == before[entries]
    assert {label for label in after if not after[label] and before[label]} == gone
    assert snapshot_of(other) == theirs
    # The task that was open is taken back; both are there to be read, without a way to the run.
    tasks = HumanTask.objects.filter(pk__in=[world.rows.task.pk, world.rows.decided.pk])
    assert [run_url(task) for task in tasks] == ["", ""]
    assert run_url(other.rows.task) == f"/runs/{other.rows.run.public_id}/"
    client.force_login(world.people["owner"])
    page = client.get(reverse("inbox_task", args=[world.rows.decided.pk]))
    assert page.status_code == 200
    assert str(run.public_id) not in page.content.decode()
    assert client.get(f"/runs/{run.public_id}/").status_code == 404
    assert client.get(f"/api/v1/trace/{world.trace_id}/").status_code == 200
    with pytest.raises(RunFinished), transaction.atomic():
        deliver_decision(world.rows.decided, Decision.objects.get(task=world.rows.decided))


def test_a_key_of_a_run_that_is_gone_starts_a_new_one(organization):
    keep(organization, 5)
    workflow = published(approval_flow(), organization)
    ended(organization, 1, 9, workflow, idempotency_key="once")

    prune_runs()

    assert make_runs(organization, 1, workflow, idempotency_key="once")[0].pk


# -- batches, several at once, killed in the middle


def test_a_transaction_is_bounded_in_rows(organization, monkeypatch):
    keep(organization, 1)
    ended(organization, 6, 3)
    sizes = []
    monkeypatch.setattr(policy, "ROWS", 12)  # a run has 1 + 2 + 3
    real = policy.remove_runs
    monkeypatch.setattr(
        policy, "remove_runs", lambda pks, **more: sizes.append(len(pks)) or real(pks, **more)
    )

    assert prune_runs().runs == 6

    assert sizes == [2, 2, 2]


def test_a_run_larger_than_a_transaction_goes_alone(organization, monkeypatch):
    keep(organization, 1)
    ended(organization, 2, 3)
    monkeypatch.setattr(policy, "ROWS", 1)

    assert prune_runs().runs == 2


def test_a_pass_is_bounded_in_seconds_and_the_next_goes_on(organization, monkeypatch):
    keep(organization, 1)
    ended(organization, 4, 3)
    monkeypatch.setattr(policy, "RUNS", 1)
    monkeypatch.setattr(policy, "PAUSE", 0.2)

    assert prune_runs(seconds=0).runs == 0
    assert 1 <= prune_runs(seconds=0.3).runs <= 3
    assert prune_runs().runs >= 1
    assert not Run.objects.exists()


def test_one_with_a_great_many_does_not_keep_the_others_waiting(organization, monkeypatch):
    monkeypatch.setattr(policy, "RUNS", 1)
    other = OrganizationFactory()
    for each in (organization, other):
        keep(each, 1)
    ended(organization, 30, 3)
    ended(other, 1, 3)
    monkeypatch.setattr(policy, "PAUSE", 0.2)

    prune_runs(seconds=0.5)

    assert not Run.objects.of(other.pk).exists()
    assert Run.objects.of(organization.pk).exists()


def test_two_at_once_delete_each_run_once_and_tell_it_once(organization, monkeypatch):
    monkeypatch.setattr(policy, "RUNS", 3)
    keep(organization, 1)
    ended(organization, 40, 3)
    start, found = threading.Barrier(2), []

    def work():
        try:
            start.wait()
            found.append(prune_runs().runs)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(found) == 40
    assert not Run.objects.exists()
    assert not Step.objects.exists()
    told = Entry.objects.filter(action="workflows.runs.pruned")
    assert sum(entry.data["runs"] for entry in told) == 40


PROGRAM = """
import django; django.setup()
from workflows.actions import prune_runs, retention
retention.RUNS, retention.PAUSE = 2, 0.05
print("ready", flush=True)
prune_runs()
"""


def test_who_is_killed_in_the_middle_leaves_nothing_by_halves(organization):
    keep(organization, 1)
    runs = ended(organization, 60, 3)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ
        | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "ready"
    until(lambda: Run.objects.count() < 55)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    left = Run.objects.count()
    assert 0 < left < 60
    assert rows_of(runs) == {Run: left, Step: 2 * left, Event: 3 * left, RunWait: 0, Signal: 0}
    assert RunValue.objects.filter(doomed_at=None).count() == left
    keys = [row.key for row in RunValue.objects.all()]

    done = prune_task()

    assert (done["runs"], done["orphans"], done["erased"]) == (left, 0, 60)
    assert not RunValue.objects.exists()
    assert not any(default_storage.exists(key) for key in keys)


def test_a_run_that_somebody_holds_is_left_for_the_next_pass(organization):
    keep(organization, 1)
    runs = ended(organization, 2, 3)
    if connection.vendor != "postgresql":
        pytest.skip("rows are locked on PostgreSQL alone")
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Run.objects.select_for_update().get(pk=runs[0].pk)
            held.set()
            done.wait(30)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    first = prune_runs().runs
    done.set()
    thread.join(30)

    assert (first, prune_runs().runs) == (1, 1)


def test_a_run_that_lives_is_not_deleted_whatever_its_dates_say(organization):
    keep(organization, 1)
    runs = ended(organization, 1, 3, state="running")

    prune_runs()
    remove_runs([runs[0].pk], wait=False, state="succeeded")

    assert rows_of(runs)[Run] == 1


# -- orphans


def test_rows_of_runs_that_are_gone_are_found_step_by_step(organization):
    runs = ended(organization, 4, 3)
    Run.objects.filter(pk__in=[runs[0].pk, runs[2].pk])._raw_delete("default")

    found = [sweep_orphans(window=4) for _ in range(6)]

    assert sum(found) == 2 * (2 + 3)
    assert found[0] < 10
    assert rows_of([runs[0], runs[2]]) == {Run: 0, Step: 0, Event: 0, RunWait: 0, Signal: 0}
    assert rows_of([runs[1], runs[3]]) == {Run: 2, Step: 4, Event: 6, RunWait: 0, Signal: 0}


def test_workflows_without_old_runs_are_not_even_looked_at(organization):
    keep(organization, 5)
    ended(organization, 1, 2)
    old = ended(organization, 1, 8)[0]

    assert [due.workflow_id for due in due_workflows(now())] == [old.workflow_id]
