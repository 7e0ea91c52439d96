"""Large values of runs: where they lie, who gets them back, and what no flow can do with them."""

import asyncio
import json
from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import pytest
from botocore.config import Config
from django.core.files.storage import default_storage
from django.utils.timezone import now
from rest_framework.test import APIClient

from bpm.actions import decide_task
from bpm.models import HumanTask
from core.bus import get_bus
from core.errors import IdempotencyMismatch
from core.groupcommit import GroupCommitter
from files.errors import FileGone, StorageUnavailable
from files.tests.s3 import BucketServer
from files.tests.test_s3 import use_bucket
from orgs.models import Organization
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.actions import start_run
from workflows.erasing import run_rows, step_rows
from workflows.errors import ValueTooLarge
from workflows.models import Event, Run, RunValue, Step
from workflows.models.values import MARK, is_reference, reference_to
from workflows.removal import sweep_orphans
from workflows.runner import Change, Outside, RunState
from workflows.runner import Event as RunEvent
from workflows.runtime.journal import StoreJournal
from workflows.runtime.store import open_store
from workflows.runtime.store.base import Claimed
from workflows.tests.engines import engine, until, wait_for
from workflows.tests.factories import approval_flow, ask, end, flow, published, start, template
from workflows.values import Aside, erase_doomed

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "long text " * 10_000


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


def doubling():
    """What comes in goes twice through a template, waits for a person and goes out."""
    return flow(
        [
            start(("what", "json_object")),
            template("twice", "{{ what }}{{ what }}", what=("start", "what")),
            ask("ask"),
            end("yes", text=("twice", "output")),
        ],
        [("start", "twice"), ("twice", "ask"), ("ask", "yes", "approve")],
    )


def echo():
    return flow(
        [start(("what", "paragraph")), end(text=("start", "what"))],
        [("start", "end")],
    )


def run_of(actor, definition, inputs, **more):

    organization = Organization.objects.get(pk=actor.organization_id)
    workflow = published(definition, organization)
    return start_run(actor=actor, workflow_id=workflow.pk, inputs=inputs, **more)


def finished(run):
    with engine():
        return wait_for(run)


def raw(run, name="outputs"):
    return Run.objects.filter(pk=run.pk).values_list(name, flat=True).get()


def test_a_run_of_large_values_leaves_small_rows_and_gives_all_of_it_back(actor):
    run = run_of(actor, echo(), {"what": LONG})
    assert is_reference(raw(run, "inputs"))
    finished(run)

    rows = Step.objects.filter(run=run).values_list("inputs", "outputs")
    for inputs, outputs in [*rows, (raw(run, "inputs"), raw(run))]:
        assert len(json.dumps([inputs, outputs])) < 1000
    again = Run.objects.get(pk=run.pk)
    assert again.outputs == {"text": LONG}
    assert again.inputs == {"what": LONG}
    assert again.steps.get(node_id="end").outputs == {"text": LONG}
    with_content = {row.pk: default_storage.size(row.key) for row in RunValue.objects.all()}
    assert with_content == dict(RunValue.objects.values_list("pk", "size"))


def test_the_same_content_is_stored_once_a_claim(actor):
    run = finished(run_of(actor, echo(), {"what": LONG}))

    named = {raw(run)[MARK]["id"]}
    named |= {
        value[MARK]["id"]
        for pair in Step.objects.filter(run=run, node_id="end").values_list("inputs", "outputs")
        for value in pair
        if is_reference(value)
    }
    assert len(named) == 1


def test_small_values_stay_where_they_are(actor):
    run = finished(run_of(actor, echo(), {"what": "short"}))

    assert raw(run) == {"text": "short"}
    assert not RunValue.objects.exists()


def test_a_run_that_rested_goes_on_from_what_was_put_aside(actor, organization):
    run = run_of(actor, doubling(), {"what": {"text": LONG}})
    with engine():
        wait_for(run, "waiting")
    assert is_reference(Step.objects.filter(run=run, node_id="twice").values_list("outputs")[0][0])

    approver = actor_in(organization, "approver")
    task = HumanTask.objects.get()
    decide_task(
        actor=approver, task_id=task.pk, action_id="approve", comment="", data={"note": "x"}
    )
    finished(run)

    assert run.state == Run.State.SUCCEEDED, run.error
    assert run.outputs["text"].count(LONG) == 2


def test_api_and_pages_give_it_in_full_and_lists_do_not(actor, organization):
    run = finished(run_of(actor, echo(), {"what": LONG}))
    client = APIClient()
    client.force_login(person_in(organization, "builder")[0])

    found = client.get(f"/api/v1/runs/{run.public_id}/").json()
    assert found["outputs"] == {"text": LONG}
    assert found["inputs"] == {"what": LONG}
    assert {step["node_id"]: step["outputs"] for step in found["steps"]}["end"] == {"text": LONG}
    listed = client.get("/api/v1/runs/")
    assert len(listed.content) < 3000
    assert listed.json()["results"][0]["outputs"][MARK]["size"] > len(LONG)
    assert LONG in client.get(f"/runs/{run.public_id}/result/").content.decode()
    assert LONG in client.get(f"/runs/{run.public_id}/node/?node=end").content.decode()


def test_the_archive_of_an_organization_holds_it_in_full(actor, organization):
    run = finished(run_of(actor, echo(), {"what": LONG}))

    [row] = run_rows(organization.pk)
    assert row["outputs"] == {"text": LONG}
    assert {"text": LONG} in [row["outputs"] for row in step_rows(organization.pk)]
    default_storage.delete(RunValue.objects.get(pk=raw(run)[MARK]["id"]).key)
    [row] = run_rows(organization.pk)
    assert is_reference(row["outputs"])


@pytest.mark.parametrize("small", [True, False])
def test_a_forged_reference_is_only_a_text(actor, small):
    """Whoever writes what looks like a reference gets just that back, and nobody's content."""
    other = actor_in(OrganizationFactory())
    theirs = finished(run_of(other, echo(), {"what": LONG}))
    stolen = raw(theirs)
    definition = flow(
        [start(("what", "json_object")), end(text=("start", "what"))], [("start", "end")]
    )
    given = stolen if small else {**stolen, "more": LONG}

    run = finished(run_of(actor, definition, {"what": given}))
    aside = Aside(actor.organization_id, run.public_id)
    form = aside.row_form(stolen)

    assert run.outputs == {"text": given}
    assert form != stolen
    run.outputs = form
    assert run.outputs == stolen
    run.outputs = stolen  # were it in the row all the same
    with pytest.raises(FileGone):
        _ = run.outputs


def test_saving_what_was_read_in_full_leaves_the_row_small(actor):
    run = finished(run_of(actor, echo(), {"what": LONG}))
    found = Run.objects.get(pk=run.pk)
    assert found.outputs["text"] == LONG

    found.save()

    assert is_reference(raw(run))
    found.outputs = {"text": "new"}
    assert found.outputs == {"text": "new"}


def test_what_was_altered_in_the_store_is_not_given_out(actor):
    run = finished(run_of(actor, echo(), {"what": LONG}))
    key = RunValue.objects.get(pk=raw(run)[MARK]["id"]).key
    default_storage.delete(key)

    default_storage.save(key, BytesIO(b'{"text": "forged"}'))

    with pytest.raises(FileGone):
        _ = Run.objects.get(pk=run.pk).outputs


# -- bounds


def test_inputs_that_are_too_large_are_refused(actor, settings, organization):
    settings.ENGINE_VALUE_MAX = 1000
    workflow = published(echo(), organization)
    with pytest.raises(ValueTooLarge):
        start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x" * 1000})
    with pytest.raises(ValueTooLarge):
        start_run(actor=actor, workflow_id=workflow.pk, inputs={"what": "x"}, query="q" * 1000)
    client = APIClient()
    client.force_login(person_in(organization, "builder")[0])
    answer = client.post(
        f"/api/v1/workflows/{workflow.pk}/runs/", {"inputs": {"what": "x" * 1000}}, format="json"
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "value_too_large")
    assert not Run.objects.exists()
    assert not RunValue.objects.exists()


def test_a_node_with_too_large_outputs_fails(actor, settings):
    settings.ENGINE_VALUE_MAX = 2000
    definition = flow(
        [
            start(("what", "paragraph")),
            template("twice", "{{ what }}{{ what }}", what=("start", "what")),
            end(text=("twice", "output")),
        ],
        [("start", "twice"), ("twice", "end")],
    )

    run = finished(run_of(actor, definition, {"what": "x" * 1200}))

    assert (run.state, run.error["code"]) == (Run.State.FAILED, "value_too_large")
    assert run.error["node_id"] == "twice"
    step = run.steps.get(node_id="twice")
    assert (step.error_code, step.outputs) == ("value_too_large", {})


def test_outputs_of_all_ends_together_are_bounded(actor, settings):
    settings.ENGINE_VALUE_MAX = 2000
    ends = [end(f"end{n}", **{f"text{n}": ("start", "what")}) for n in range(3)]
    definition = flow(
        [start(("what", "paragraph")), *ends], [("start", f"end{n}") for n in range(3)]
    )

    run = finished(run_of(actor, definition, {"what": "x" * 900}))

    assert (run.state, run.error["code"]) == (Run.State.FAILED, "value_too_large")
    assert run.outputs is None


# -- when something is away


def test_a_store_that_does_not_answer_costs_room_and_no_run(actor, settings):
    with BucketServer() as bucket:
        use_bucket(settings, bucket.url)
        url = bucket.url
    use_bucket(settings, url)  # and now it is gone
    settings.STORAGES["default"]["OPTIONS"]["client_config"] = quick()

    run = finished(run_of(actor, echo(), {"what": LONG}))

    assert raw(run) == {"text": LONG}
    assert RunValue.objects.count() == RunValue.objects.doomed().count() > 0
    with pytest.raises(StorageUnavailable):
        Aside(run.organization_id, run.public_id).row_form({MARK: 1})


def quick():

    return Config(retries={"max_attempts": 0}, connect_timeout=1, s3={"addressing_style": "path"})


def test_a_run_whose_store_does_not_answer_is_tried_again_and_not_failed(actor, settings):
    run, files = run_of(actor, echo(), {"what": LONG}), settings.STORAGES
    with BucketServer() as bucket:
        use_bucket(settings, bucket.url)
    settings.STORAGES["default"]["OPTIONS"]["client_config"] = quick()

    with engine(lease=0.4):
        until(lambda: Run.objects.get(pk=run.pk).crashes > 0)
        settings.STORAGES = files
        wait_for(run)

    assert run.state == Run.State.SUCCEEDED, run.error
    assert run.outputs == {"text": LONG}


def test_it_lies_in_a_bucket_as_well(actor, settings):
    with BucketServer() as bucket:
        use_bucket(settings, bucket.url)
        run = finished(run_of(actor, echo(), {"what": LONG}))

        assert Run.objects.get(pk=run.pk).outputs == {"text": LONG}
        assert f"loomwork/{RunValue.objects.first().key}" in bucket.objects


def test_a_run_whose_content_is_lost_fails_and_says_so(actor, organization):
    run = run_of(actor, echo(), {"what": LONG})
    default_storage.delete(RunValue.objects.get().key)

    finished(run)

    assert run.state == Run.State.FAILED
    assert "FileGone" in run.error["message"]


def test_a_repeated_start_with_large_inputs_is_the_same_run(actor, organization):
    workflow = published(echo(), organization)
    call = {"actor": actor, "workflow_id": workflow.pk, "idempotency_key": "once"}
    first = start_run(**call, inputs={"what": LONG})

    again = start_run(**call, inputs={"what": LONG})

    assert (again.pk, again.repeated) == (first.pk, True)
    with pytest.raises(IdempotencyMismatch):
        start_run(**call, inputs={"what": LONG + "!"})
    assert erase_doomed(seconds=5)[0] == 2  # of the two that came to nothing
    assert Run.objects.get(pk=first.pk).inputs == {"what": LONG}


def test_events_are_put_aside_too(actor, organization):
    run = run_of(actor, approval_flow(), {"what": "x"})
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, epoch=1)

    async def commit():
        store = open_store()
        await store.open()
        claimed = Claimed(
            run.pk, run.public_id, 1, organization.pk, run.workflow_id, run.version_id,
            run.trace_id, {}, {}, 0, 0, 1, "", None, None,
        )  # fmt: skip
        journal = StoreJournal(claimed, GroupCommitter(store.commit), get_bus(), Outside())
        event = RunEvent("node.failed", "n", {"error": LONG})
        try:
            return await journal.commit(Change(events=(event,), state=RunState.FAILED))
        finally:
            await store.close()

    assert asyncio.run(commit())
    rows = Event.objects.filter(run=run, kind="node.failed")
    assert is_reference(rows.values_list("data", flat=True).get())
    assert rows.get().data == {"error": LONG}


# -- what belongs to nobody


def test_contents_of_runs_that_never_came_to_be_are_found_and_erased(actor):
    run = run_of(actor, echo(), {"what": LONG})
    Aside(actor.organization_id, uuid4()).row_form({"of": LONG})
    assert sweep_orphans() == 0  # its run may be coming

    RunValue.objects.update(created_at=now() - timedelta(hours=2))
    assert sweep_orphans() == 1
    assert erase_doomed(seconds=5)[0] == 1

    assert run.inputs == {"what": LONG}
    assert RunValue.objects.get().run_public_id == run.public_id


def test_a_reference_of_another_shape_is_no_reference(actor):
    run = run_of(actor, echo(), {"what": "x"})
    for odd in ({MARK: 1}, {MARK: {"id": "x"}}, {MARK: None}):
        run.outputs = odd
        assert run.outputs == odd
    run.outputs = reference_to(uuid4(), 1, "0" * 64)
    with pytest.raises(FileGone):
        _ = run.outputs
