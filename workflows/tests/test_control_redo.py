"""Retry, reset, rerun, skip and signals: what stays, what goes, and that it goes on for real."""

import pytest
from django.utils.timezone import now

from audit.models import Entry
from billing.tests.factories import PriceFactory
from bpm.actions import decide_task
from bpm.errors import TaskCancelled
from bpm.models import HumanTask
from core.errors import InvalidInput, NotFound
from llm.models import Provider
from llm.tests.factories import ModelFactory, model_at
from llm.tests.upstreams import provider
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import (
    cancel_run,
    pause_run,
    rerun_run,
    reset_run,
    resume_run,
    retry_run,
    signal_run,
    skip_node,
    start_run,
    terminate_run,
)
from workflows.errors import NodeStateConflict, ResetImpossible, TooManySignals, ValueTooLarge
from workflows.models import Event, Run, RunWait, Signal, Step
from workflows.redoing import history_of, numbers_of, settled_of
from workflows.runtime.ending import close_orphans
from workflows.runtime.sweep import sweep
from workflows.tests.engines import engine, gapless, until, wait_for
from workflows.tests.factories import (
    approval_flow,
    ask,
    chain_of_calls,
    edge,
    end,
    flow,
    llm,
    make_runs,
    node,
    published,
    start,
    template,
)
from workflows.variables import query_variables

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization)


def begin(actor, workflow, **inputs):
    return start_run(actor=actor, workflow_id=workflow.pk, inputs=inputs or {"what": "x"})


def carried_out(run, *states):
    with engine() as worker:
        worker.ring()
        return wait_for(run, *states)


def nodes_of(run):
    return list(Step.objects.filter(run=run).order_by("pk").values_list("node_id", flat=True))


def kinds(run):
    rows = Event.objects.filter(run=run).order_by("seq")
    return [f"{kind} {node}".strip() for kind, node in rows.values_list("kind", "node_id")]


def two_calls():
    return chain_of_calls(2)


def offer(name, organization):
    """Another model of the organization's provider, with a price."""
    first = Provider.objects.filter(organization=organization).order_by("pk").first()
    model = ModelFactory(provider=first, name=name)
    PriceFactory(organization=organization, model=model.name)


def failed_at_second(actor, organization, url):
    model_at(url, organization=organization)
    definition = two_calls()
    definition["nodes"][2] = llm("call2", "hello", model="missing")
    run = begin(actor, published(definition, organization))
    return carried_out(run)


# -- retry


def test_a_retry_goes_on_from_what_failed_and_pays_nothing_twice(organization, actor):
    with provider() as upstream:
        run = failed_at_second(actor, organization, upstream.url)
        assert (run.state, nodes_of(run)) == ("failed", ["start", "call1", "call2"])
        first = Step.objects.get(run=run, node_id="call1")
        calls = len(upstream.requests)
        offer("missing", organization)

        retry_run(actor=actor, run_id=run.public_id)
        run.refresh_from_db()
        assert (run.state, run.ended_at, run.error) == ("queued", None, None)
        assert (run.step_count, run.generation) == (2, 0)
        run = carried_out(run)

    assert run.state == "succeeded"
    assert Step.objects.get(run=run, node_id="call1").pk == first.pk
    assert len(upstream.requests) == calls + 1
    assert gapless(run)
    assert run.step_count == len(nodes_of(run)) == 4
    assert Entry.objects.get(action="workflows.run.retried").data["nodes"] == ["call2"]


def test_a_question_that_was_taken_back_is_asked_anew(organization, actor):
    run = carried_out(begin(actor, published(approval_flow(), organization)), "waiting")
    terminate_run(actor=actor, run_id=run.public_id, reason="no")

    retry_run(actor=actor, run_id=run.public_id)
    run = carried_out(run, "waiting")

    assert run.generation == 1
    statuses = list(HumanTask.objects.order_by("pk").values_list("status", flat=True))
    assert statuses[0] == "cancelled"


def test_of_a_partial_success_the_handled_failure_is_done_again_with_what_came_of_it(
    organization, actor
):
    run = make_runs(
        organization, 1, published(two_calls(), organization), state="partial-succeeded"
    )
    run = run[0]
    for node_id, status in (
        ("start", "succeeded"), ("call1", "exception"), ("call2", "succeeded"),
        ("end", "succeeded"),
    ):  # fmt: skip
        settle(run, node_id, status=status)

    retry_run(actor=actor, run_id=run.public_id)

    run.refresh_from_db()
    assert (nodes_of(run), run.step_count, run.state) == (["start"], 1, "queued")
    assert gapless(run)


def settle(run, node_id, status="succeeded", iteration=""):
    """A step and its event, as one commit writes them."""
    common = {"organization_id": run.organization_id, "run": run, "node_id": node_id}
    Step.objects.create(
        **common, kind="x", status=status, iteration=iteration, started_at=now(), ended_at=now()
    )
    run.seq += 1
    kind = "node.succeeded" if status == "succeeded" else "node.failed"
    Event.objects.create(
        **common, seq=run.seq, kind=kind, data={"handled": status == "exception"}, at=now()
    )
    run.save(update_fields=["seq"])
    return run.seq


# -- reset


def test_a_reset_keeps_exactly_what_was_settled_by_the_event(organization, actor):
    with provider() as upstream:
        model_at(upstream.url, organization=organization)
        run = carried_out(begin(actor, published(two_calls(), organization)))
        assert run.state == "succeeded"
        to = Event.objects.get(run=run, kind="node.succeeded", node_id="call1").seq

        reset_run(actor=actor, run_id=run.public_id, to=to)
        run.refresh_from_db()
        assert nodes_of(run) == ["start", "call1"]
        assert (run.state, run.generation, run.outputs) == ("queued", 1, None)
        run = carried_out(run)

    assert (run.state, nodes_of(run)) == ("succeeded", ["start", "call1", "call2", "end"])
    assert gapless(run)
    assert "run.reset" in kinds(run)


@pytest.mark.parametrize("to", range(1, 5))
def test_every_event_is_a_point_to_go_back_to(organization, actor, to):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="failed")
    seqs = [settle(run, node_id) for node_id in ("start", "call1", "call2")]
    settle(run, "end", status="failed")

    reset_run(actor=actor, run_id=run.public_id, to=to)

    kept = [node for node, seq in zip(("start", "call1", "call2"), seqs, strict=True) if seq <= to]
    assert nodes_of(run) == kept


def test_what_an_earlier_reset_did_away_with_is_not_there_to_go_back_to(organization, actor):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="failed")
    for node_id in ("start", "call1", "call2"):
        settle(run, node_id)
    reset_run(actor=actor, run_id=run.public_id, to=1)
    run.refresh_from_db()
    settle(run, "call1")
    before = list(Run.objects.values()), list(Step.objects.values()), list(Event.objects.values())

    with pytest.raises(ResetImpossible) as refused:
        reset_run(actor=actor, run_id=run.public_id, to=2)

    assert refused.value.detail == {"nodes": ["call1"]}
    after = list(Run.objects.values()), list(Step.objects.values()), list(Event.objects.values())
    assert after == before
    reset_run(actor=actor, run_id=run.public_id, to=5)
    assert nodes_of(run) == ["start", "call1"]


def test_steps_inside_iterations_are_told_apart_by_their_order(organization, actor):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="failed")
    seqs = [settle(run, "call1", iteration=str(turn)) for turn in (1, 0, 2)]
    steps = settled_of(run)

    numbers = numbers_of(steps, history_of(run))

    assert [(step.iteration, numbers[step.pk]) for step in steps] == [
        ("1", seqs[0]), ("0", seqs[1]), ("2", seqs[2]),
    ]  # fmt: skip


def test_a_reset_cancels_the_runs_that_were_started_since(organization, actor):
    workflow = published(two_calls(), organization)
    (run,) = make_runs(organization, 1, workflow, state="waiting")
    settle(run, "start")
    kept, lost = make_runs(organization, 2, workflow, parent=run, parent_close="cancel")
    Run.objects.filter(pk=kept.pk).update(parent_node="start")
    Run.objects.filter(pk=lost.pk).update(parent_node="call1")

    reset_run(actor=actor, run_id=run.public_id, to=1)

    assert Run.objects.get(pk=kept.pk).state == "queued"
    assert Run.objects.get(pk=lost.pk).state == "cancelled"


@pytest.mark.parametrize("to", [0, 99])
def test_a_number_without_an_event_is_refused(organization, actor, to):
    (run,) = make_runs(organization, 1, state="failed")
    settle(run, "start")

    with pytest.raises(InvalidInput):
        reset_run(actor=actor, run_id=run.public_id, to=to)


# -- rerun


def test_a_rerun_from_a_node_takes_the_others_over_and_leaves_the_old_run_alone(
    organization, actor
):
    with provider() as upstream:
        model_at(upstream.url, organization=organization)
        old = carried_out(begin(actor, published(two_calls(), organization)))
        calls = len(upstream.requests)
        before = Run.objects.filter(pk=old.pk).values().get()

        new = rerun_run(
            actor=actor,
            run_id=old.public_id,
            node_id="call2",
            inputs={"what": "other"},
            outputs={"call1": {"text": "edited"}},
        )
        new = carried_out(new)

    assert (new.state, new.trigger, new.source_id, new.source_node) == (
        "succeeded", "rerun", old.pk, "call2",
    )  # fmt: skip
    assert len(upstream.requests) == calls + 1
    assert "Step 2 of other" in str(upstream.requests[-1])
    assert Step.objects.get(run=new, node_id="call1").outputs == {"text": "edited"}
    assert Step.objects.get(run=new, node_id="start").outputs["what"] == "other"
    assert Step.objects.get(run=new, node_id="call1").cost == 0
    assert Run.objects.filter(pk=old.pk).values().get() == before
    assert gapless(new)
    assert kinds(new)[:2] == ["run.queued", "run.reused"]


def test_a_rerun_can_itself_be_set_back(organization, actor):
    workflow = published(two_calls(), organization)
    (old,) = make_runs(organization, 1, workflow, state="failed")
    old.inputs = {"what": "x"}
    old.save()
    settle(old, "start")
    settle(old, "call1")
    new = rerun_run(actor=actor, run_id=old.public_id, node_id="call2")
    new.refresh_from_db()
    settle(new, "call2")

    reset_run(actor=actor, run_id=new.public_id, to=1)

    assert nodes_of(new) == ["start", "call1"]


def test_large_contents_are_copied_with_their_steps(organization, actor, settings):
    settings.ENGINE_VALUE_LIMIT = 200
    definition = flow(
        [start(("what", "text-input")), template("t", "{{ a }}" * 50, a=("start", "what")),
         end(o=("t", "output"))],
        [("start", "t"), ("t", "end")],
    )  # fmt: skip
    old = carried_out(begin(actor, published(definition, organization), what="y" * 20))

    new = rerun_run(actor=actor, run_id=old.public_id, node_id="end")

    copy, original = (Step.objects.get(run=run, node_id="t") for run in (new, old))
    assert copy.outputs == original.outputs
    raw = Step.objects.filter(node_id="t").order_by("pk").values_list("outputs", flat=True)
    assert raw[0]["$stored"]["id"] != raw[1]["$stored"]["id"]


def test_a_node_the_run_never_came_to_is_refused(organization, actor):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="failed")
    run.inputs = {"what": "x"}
    run.save()
    settle(run, "start")

    with pytest.raises(NodeStateConflict):
        rerun_run(actor=actor, run_id=run.public_id, node_id="call2")
    with pytest.raises(NotFound):
        rerun_run(actor=actor, run_id=run.public_id, node_id="nowhere")
    with pytest.raises(InvalidInput):
        rerun_run(actor=actor, run_id=run.public_id, node_id="call1", outputs={"end": {}})
    assert Run.objects.count() == 1


def test_one_key_makes_one_new_run(organization, actor):
    (run,) = make_runs(organization, 1, state="failed", inputs={"what": "x"})

    one = rerun_run(actor=actor, run_id=run.public_id, idempotency_key="k")
    two = rerun_run(actor=actor, run_id=run.public_id, idempotency_key="k")

    assert one.pk == two.pk
    assert two.repeated


# -- skip


def waiting(actor, organization):
    return carried_out(begin(actor, published(approval_flow(), organization)), "waiting")


def test_a_skip_of_a_waiting_question_takes_it_back_and_leaves_an_answer(organization, actor):
    run = waiting(actor, organization)

    skip_node(
        actor=actor, run_id=run.public_id, node_id="ask", handle="approve", outputs={"note": "ok"}
    )

    run.refresh_from_db()
    assert run.state == "queued"
    assert HumanTask.objects.get().status == "cancelled"
    payload = Signal.objects.get(run=run, node_id="ask").payload
    assert payload == {"__command": "skip", "outputs": {"note": "ok"}, "handle": "approve"}
    with pytest.raises(NodeStateConflict) as refused:
        skip_node(actor=actor, run_id=run.public_id, node_id="ask", handle="approve")
    assert refused.value.detail["state"] == "answered"


@pytest.mark.parametrize(
    ("node_id", "handle", "state"), [("start", "source", "settled"), ("yes", "source", "unreached")]
)
def test_what_is_settled_or_unreached_is_not_skipped(organization, actor, node_id, handle, state):
    run = waiting(actor, organization)

    with pytest.raises(NodeStateConflict) as refused:
        skip_node(actor=actor, run_id=run.public_id, node_id=node_id, handle=handle)

    assert refused.value.detail == {"node": node_id, "state": state}
    assert HumanTask.objects.get().status != "cancelled"
    assert not Signal.objects.exists()


def test_a_node_at_work_is_not_skipped(organization, actor):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="running")
    seq = settle(run, "start")
    Event.objects.create(
        organization_id=organization.pk, run=run, seq=seq + 1, kind="node.started",
        node_id="call1", at=run.created_at,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(seq=seq + 1)

    with pytest.raises(NodeStateConflict) as refused:
        skip_node(actor=actor, run_id=run.public_id, node_id="call1")

    assert refused.value.detail["state"] == "running"


def test_a_branch_that_is_not_there_is_refused(organization, actor):
    run = waiting(actor, organization)

    with pytest.raises(InvalidInput) as refused:
        skip_node(actor=actor, run_id=run.public_id, node_id="ask", handle="perhaps")

    assert refused.value.detail["known"] == ["approve", "reject"]


def test_a_failed_node_is_skipped_and_the_run_taken_up(organization, actor):
    (run,) = make_runs(organization, 1, published(two_calls(), organization), state="failed")
    settle(run, "start")
    settle(run, "call1", status="failed")

    skip_node(actor=actor, run_id=run.public_id, node_id="call1", outputs={"text": "given"})

    run.refresh_from_db()
    assert (run.state, nodes_of(run)) == ("queued", ["start"])
    assert kinds(run)[-2:] == ["run.retried", "node.skipping call1"]
    assert gapless(run)


def test_a_skipped_question_settles_as_its_answer_would(organization, actor):
    run = waiting(actor, organization)

    skip_node(
        actor=actor, run_id=run.public_id, node_id="ask", handle="approve", outputs={"note": "ok"}
    )
    run = carried_out(run)

    assert (run.state, run.outputs["answer"]) == ("succeeded", "ok")
    step = Step.objects.get(run=run, node_id="ask")
    assert (step.status, step.outputs) == ("skipped", {"note": "ok"})
    assert HumanTask.objects.get().status == "cancelled"
    assert gapless(run)


def test_a_failed_call_is_skipped_and_the_flow_goes_on_after_it(organization, actor):
    with provider() as upstream:
        run = failed_at_second(actor, organization, upstream.url)
        skip_node(actor=actor, run_id=run.public_id, node_id="call2", outputs={"text": "by hand"})
        run = carried_out(run)

    assert (run.state, run.outputs) == ("succeeded", {"text": "by hand"})
    assert gapless(run)


# -- cancelling with a clean-up


def with_cleanup():
    definition = approval_flow()
    definition["nodes"] += [node("clean", "on-cancel"), template("tidy", "tidied")]
    definition["edges"].append(edge("clean", "tidy"))
    return definition


def test_a_cancelled_run_cleans_up_and_can_be_taken_up_again(organization, actor):
    run = begin(actor, published(with_cleanup(), organization))
    run = carried_out(run, "waiting")

    cancel_run(actor=actor, run_id=run.public_id, reason="enough")
    run = carried_out(run)
    assert run.state == "cancelled"
    assert "tidy" in nodes_of(run)
    assert HumanTask.objects.get().status == "cancelled"

    retry_run(actor=actor, run_id=run.public_id)
    run.refresh_from_db()
    assert nodes_of(run) == ["start"]
    run = carried_out(run, "waiting")
    assert HumanTask.objects.filter(status="open").count() == 1
    assert gapless(run)


def test_a_running_run_is_paused_once_its_call_has_settled(organization, actor):
    with provider() as upstream:
        model_at(upstream.url, organization=organization)
        workflow = published(two_calls(), organization)
        definition = workflow.published.definition
        definition["nodes"][1]["data"]["prompt_template"][0]["text"] = "slow"
        workflow.published.save()
        with engine() as worker:
            run = begin(actor, workflow)
            worker.ring()
            until(lambda: upstream.requests)
            pause_run(actor=actor, run_id=run.public_id)
            run = wait_for(run, "paused")
            assert nodes_of(run) == ["start", "call1"]
            assert len(upstream.requests) == 1
            resume_run(actor=actor, run_id=run.public_id)
            worker.ring()
            run = wait_for(run)

    assert run.state == "succeeded"
    assert gapless(run)
    assert [kind for kind in kinds(run) if "paus" in kind] == ["run.pausing", "run.paused"]


# -- signals


def test_a_signal_is_kept_and_delivered_once(organization, actor):
    (run,) = make_runs(organization, 1, state="waiting")

    for _ in range(2):
        signal_run(actor=actor, run_id=run.public_id, name="paid", data={"n": 1}, delivery_id="p-1")

    run.refresh_from_db()
    assert (run.state, run.wakes, run.seq) == ("queued", 1, 1)
    assert Signal.objects.get().payload == {"n": 1}
    Signal.objects.all().delete()  # a node took it
    signal_run(actor=actor, run_id=run.public_id, name="paid", data={"n": 1}, delivery_id="p-1")
    assert not Signal.objects.exists()


def test_a_signal_nobody_waits_for_does_not_keep_waking_the_run(organization, actor):
    (run,) = make_runs(organization, 1, state="waiting")
    RunWait.objects.create(
        organization_id=organization.pk, run=run, node_id="ask", kind="human", key="k"
    )
    signal_run(actor=actor, run_id=run.public_id, name="paid")
    Run.objects.filter(pk=run.pk).update(state="waiting")  # a worker looked and lay down again

    sweep()

    assert Run.objects.get(pk=run.pk).state == "waiting"


def test_signals_are_bounded(organization, actor, monkeypatch):
    monkeypatch.setattr("workflows.actions.steering.MOST_SIGNALS", 2)
    (run,) = make_runs(organization, 1, state="paused")
    for _ in range(2):
        signal_run(actor=actor, run_id=run.public_id, name="go")

    with pytest.raises(TooManySignals):
        signal_run(actor=actor, run_id=run.public_id, name="go")
    with pytest.raises(ValueTooLarge):
        signal_run(actor=actor, run_id=run.public_id, name="go", data={"a": "x" * 300_000})
    for bad in ({"name": ""}, {"name": "x" * 101}, {"name": "go", "data": {"__command": "skip"}}):
        with pytest.raises(InvalidInput):
            signal_run(actor=actor, run_id=run.public_id, **bad)
    assert Run.objects.get(pk=run.pk).state == "paused"


# -- children


def test_children_go_the_way_of_the_run_that_started_them(organization, actor):
    (run,) = make_runs(organization, 1, state="waiting")
    cared, left = make_runs(organization, 2, run.workflow, parent=run)
    Run.objects.filter(pk=cared.pk).update(parent_close="cancel")
    Run.objects.filter(pk=left.pk).update(parent_close="leave")
    (grandchild,) = make_runs(organization, 1, run.workflow, parent=cared, parent_close="cancel")

    terminate_run(actor=actor, run_id=run.public_id)

    states = {each.pk: each.state for each in Run.objects.all()}
    assert states[cared.pk] == states[grandchild.pk] == "terminated"
    assert states[left.pk] == "queued"


def test_what_a_lost_worker_did_not_close_is_found(organization):
    (run,) = make_runs(organization, 1, state="succeeded")
    (child,) = make_runs(organization, 1, run.workflow, parent=run, parent_close="cancel")

    assert close_orphans() == 1
    assert close_orphans() == 0
    assert Run.objects.get(pk=child.pk).state == "cancelled"


def test_a_decision_that_comes_after_the_cancelling_is_refused(organization, actor):
    run = waiting(actor, organization)
    task = HumanTask.objects.get()
    cancel_run(actor=actor, run_id=run.public_id)

    with pytest.raises(TaskCancelled):
        decide_task(actor=actor_in(organization, "approver"), task_id=task.pk, action_id="approve")
    assert not Signal.objects.exists()


# -- variables


def test_variables_are_what_the_flow_can_read_without_secrets(organization, actor):
    definition = flow(
        [start(("what", "text-input")), template("t", "{{ a }}", a=("env", "TOKEN")), ask("ask"),
         end(o=("t", "output"))],
        [("start", "t"), ("t", "ask"), ("ask", "end", "approve")],
    )  # fmt: skip
    definition["environment"] = [
        {"name": "TOKEN", "value": "s3cret-token", "value_type": "secret"},
        {"name": "PLACE", "value": "here", "value_type": "string"},
    ]
    definition["conversation"] = [{"name": "mood", "value": "calm"}]
    run = carried_out(begin(actor, published(definition, organization)), "waiting")

    found = query_variables(actor=actor, run_id=run.public_id)

    assert found["env"] == {"TOKEN": "••••", "PLACE": "here"}
    assert found["inputs"] == {"what": "x"}
    assert found["conversation"] == {"mood": "calm"}
    assert found["nodes"]["t"] == {"output": "••••"}
    assert "s3cret" not in str(found)
