"""Every pair of (how a run stands, command): what is answered, what comes of it, what stays."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from audit.models import Entry
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
    terminate_run,
)
from workflows.control_matrix import NEW, SAME, STANDINGS, TABLE, Command, standing
from workflows.errors import RunFinished, RunStateConflict
from workflows.models import Event, Run, RunPolicy, RunWait, Signal, Step
from workflows.runtime.slots import admit
from workflows.tests.engines import gapless
from workflows.tests.factories import approval_flow, make_runs, node, published

pytestmark = pytest.mark.django_db
ACTS = {
    Command.PAUSE: pause_run,
    Command.RESUME: resume_run,
    Command.CANCEL: cancel_run,
    Command.TERMINATE: terminate_run,
    Command.RETRY: retry_run,
    Command.RERUN: rerun_run,
    Command.SKIP: lambda **run: skip_node(**run, node_id="ask", handle="approve"),
    Command.SIGNAL: lambda **run: signal_run(**run, name="go", data={"n": 1}),
    Command.RESET: lambda **run: reset_run(**run, to=2),
}
UNBEGUN = {"scheduled", "held"}
PAIRS = [(command, how) for command in Command for how in STANDINGS]


@pytest.fixture
def organization():
    return OrganizationFactory()


def run_that_is(how, organization, definition=None, **fields):
    """A run after its start node, with rows as a worker leaves them when it stands like this."""
    workflow = published(definition or approval_flow(), organization)
    state, control = {
        "pausing": ("running", "pause"),
        "cancelling": ("running", "cancel"),
        "paused": ("paused", "pause"),
    }.get(how, (how, ""))
    ended = state not in Run.LIVE
    begun = how not in UNBEGUN
    run = Run.objects.create(
        organization=organization,
        workflow=workflow,
        version=workflow.published,
        trigger="api",
        trace_id="a" * 32,
        inputs={"what": "x"},
        system={"query": ""},
        state=state,
        control=control,
        started_at=now() if begun else None,
        ended_at=now() if ended else None,
        error={"code": "x", "message": "", "node_id": "ask"} if how == "failed" else None,
        step_count=1 if begun else 0,
        not_before=now() + timedelta(hours=1) if how == "scheduled" else None,
        **fields,
    )
    kinds = ["run.queued"]
    if begun:
        kinds += ["node.succeeded"]
        add_step(run, "start", "start")
    if how in {"failed", "partial-succeeded"}:
        status = "failed" if how == "failed" else "exception"
        kinds += ["node.failed"]
        add_step(run, "ask", "human-input", status=status, handle="approve")
    elif how in {"waiting", "paused"}:
        RunWait.objects.create(
            organization_id=organization.pk, run=run, node_id="ask", kind="human", key="k"
        )
    if ended:
        kinds += [f"run.{how}"]
    for seq, kind in enumerate(kinds, start=1):
        node_id = {"node.succeeded": "start", "node.failed": "ask"}.get(kind, "")
        data = {"handled": how != "failed"} if kind == "node.failed" else {}
        Event.objects.create(
            organization_id=organization.pk, run=run, seq=seq, kind=kind, node_id=node_id,
            data=data, at=now(),
        )  # fmt: skip
    run.seq = len(kinds)
    run.save(update_fields=["seq"])
    return run


def add_step(run, node_id, kind, **fields):
    return Step.objects.create(
        organization_id=run.organization_id, run=run, node_id=node_id, kind=kind,
        started_at=now(), ended_at=now(), **({"status": "succeeded"} | fields),
    )  # fmt: skip


def everything():
    models = (Run, Event, Step, RunWait, Signal, Entry)
    return {model: list(model.objects.order_by("pk").values()) for model in models}


@pytest.mark.parametrize(("command", "how"), PAIRS)
def test_the_answer_is_that_of_the_table(command, how, organization):
    run = run_that_is(how, organization)
    assert standing(run) == how
    before = everything()
    to = TABLE[command].get(how, ())

    if not to:
        with pytest.raises(RunStateConflict) as refused:
            ACTS[command](actor=actor_in(organization), run_id=run.public_id)

        assert refused.value.detail == {"state": how, "command": str(command)}
        over = run.finished and command == Command.CANCEL
        assert (type(refused.value) is RunFinished) == over
        assert everything() == before
        return
    answered = ACTS[command](actor=actor_in(organization), run_id=run.public_id)

    run.refresh_from_db()
    assert gapless(run)
    if to == SAME:
        assert answered.pk == run.pk
        assert everything() == before
    elif to == NEW:
        assert answered.pk != run.pk
        assert (answered.state, answered.source_id) == ("queued", run.pk)
        assert gapless(answered)
        assert Run.objects.filter(pk=run.pk).values().get() == before[Run][0]
    else:
        assert standing(run) == standing(answered)
        assert standing(run) in to
        assert run.seq > before[Run][0]["seq"]
        actions = set(Entry.objects.values_list("action", flat=True))
        assert any(action.startswith("workflows.run.") for action in actions)


@pytest.mark.parametrize("how", ["queued", "waiting", "paused", "parked", "running", "pausing"])
def test_a_flow_with_a_clean_up_branch_runs_it_before_it_is_cancelled(how, organization):
    definition = approval_flow()
    definition["nodes"].append(node("clean", "on-cancel"))
    run = run_that_is(how, organization, definition)

    cancel_run(actor=actor_in(organization), run_id=run.public_id, reason="enough")

    run.refresh_from_db()
    assert (standing(run), run.control) == ("cancelling", "cancel")
    assert run.state == ("running" if how in {"running", "pausing"} else "queued")
    event = Event.objects.filter(run=run).order_by("-seq").first()
    assert (event.kind, event.data) == ("run.cancelling", {"reason": "enough"})
    assert gapless(run)


@pytest.mark.parametrize("how", ["scheduled", "held"])
def test_what_never_began_has_nothing_to_clean_up(how, organization):
    definition = approval_flow()
    definition["nodes"].append(node("clean", "on-cancel"))
    run = run_that_is(how, organization, definition)

    cancel_run(actor=actor_in(organization), run_id=run.public_id)

    run.refresh_from_db()
    assert run.state == "cancelled"


@pytest.mark.parametrize(("how", "after"), [("scheduled", "scheduled"), ("held", "held")])
def test_what_was_paused_before_it_began_waits_for_its_turn_again(how, after, organization):
    run = run_that_is(how, organization, concurrency_key="one" if how == "held" else "")
    actor = actor_in(organization)
    pause_run(actor=actor, run_id=run.public_id)
    if how == "held":  # somebody else has its key
        RunPolicy.objects.create(
            organization=organization, workflow=run.workflow, concurrency_key="one"
        )
        (other,) = make_runs(organization, 1, run.workflow, state="running", concurrency_key="one")
        assert admit(other) == "queued"
    resume_run(actor=actor, run_id=run.public_id)

    run.refresh_from_db()
    assert (run.state, run.control) == (after, "")
    if how == "held":
        pause_run(actor=actor, run_id=run.public_id)
        terminate_run(actor=actor, run_id=other.public_id)
        resume_run(actor=actor, run_id=run.public_id)
        run.refresh_from_db()
        assert run.state == "queued"


def test_a_queued_run_that_was_asked_to_pause_goes_on_in_the_queue(organization):
    run = run_that_is("queued", organization)
    Run.objects.filter(pk=run.pk).update(control="pause")  # its worker died meanwhile

    resume_run(actor=actor_in(organization), run_id=run.public_id)

    run.refresh_from_db()
    assert (run.state, run.control) == ("queued", "")


def test_the_page_about_control_shows_the_table():
    text = Path("docs/control.md").read_text()
    for line in matrix_rows():
        assert line in text


def matrix_rows():
    """A row for each standing: what each command makes of it."""
    for how in STANDINGS:
        cells = [_cell(TABLE[command].get(how, ())) for command in Command]
        yield f"| {how} | {' | '.join(cells)} |"


def _cell(to):
    if not to:
        return "–"
    return "=" if to == SAME else " / ".join(to)
