"""The engine against a simple model: commands, failures, crashes and zombies in random order.

The model knows what was asked and answered, never how the engine works. After every rule the rows
must make sense together; at the end everything that was held up is let go, and the run must come
to what the model says. `make prove-engine` tries many more histories.
"""

import os
from collections import Counter
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.utils.timezone import now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as prove

from core.errors import DomainError
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import (
    cancel_run,
    deliver_decision,
    pause_run,
    resume_run,
    signal_run,
    skip_node,
    start_run,
    terminate_run,
)
from workflows.control_matrix import TABLE, Command, standing
from workflows.models import Event, Run, RunWait, Signal, Step
from workflows.runner import Change
from workflows.runner import Event as RunEvent
from workflows.runtime.store.base import Commit
from workflows.runtime.sweep import close_ended, sweep
from workflows.tests.deterministic import Driver, Plan, Receiver
from workflows.tests.factories import published
from workflows.tests.flows import end, flow, node, start

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "0"))
RETRY = {"max_retries": 3, "initial_seconds": 600}
GIVEN = {
    "a": {"body": "given"},
    "last": {"body": "given"},
    "w": {"signal": {"n": "given"}},
    "ask": {"__action_id": "given"},
}
"""Outputs with which nodes are skipped."""
ENDED = {Run.State.SUCCEEDED, Run.State.CANCELLED, Run.State.TERMINATED}
ADD = {"variable_selector": ["lp", "n"], "operation": "+=", "input_type": "constant", "value": 2}


def call(key, name=""):
    url = f"http://x/{name or key}"
    retry = {"retry_enabled": True, "max_retries": 3, "retry_interval": 1}
    return node(
        key, "http-request", method="post", url=url, retry_config=retry, loomwork={"retry": RETRY}
    )


def definition(*, cleans):
    """At once an effect, a loop of effects, a question and a signal; then another effect."""
    rounds = {"label": "n", "var_type": "number", "value_type": "constant", "value": "1"}
    inner = [
        node("lp_start", "loop-start"),
        call("pay", "pay-{{#lp.n#}}"),
        node("add", "assigner", items=[ADD]),
    ]
    parts = [
        start(),
        call("a"),
        node("lp", "loop", loop_count=2, loop_variables=[rounds], start_node_id="lp_start"),
        *[each | {"parent": "lp"} for each in inner],
        node("ask", "human-input", user_actions=[{"id": "approve"}], form_content="?"),
        node("w", "wait", until=[{"type": "signal", "name": "go"}]),
        call("last"),
        end(a="a.body", n="lp.n", by="ask.__action_id", got="w.signal", last="last.body"),
    ]
    edges = "start -> a,start -> lp,start -> ask,start -> w,lp_start -> pay,pay -> add,a -> last,"
    edges += "lp -> last,ask:approve -> last,w -> last,last -> end"
    if cleans:
        parts += [node("undo", "on-cancel"), call("undone")]
        edges += ",undo -> undone"
    return flow(*parts, edges=edges.split(","), compat=False)


rare = st.sampled_from(
    ["pause", "resume", "signal", "answer", "skip"] * 3 + ["cancel", "terminate"]
)
names = st.sampled_from(sorted(GIVEN))
plans = st.tuples(
    st.sampled_from(["", "die", "die", "stall", "command"]), st.integers(0, 14), st.booleans()
)


class Histories(RuleBasedStateMachine):
    """One run, from its start to its end."""

    driver: Driver

    @initialize(
        cleans=st.booleans(),
        busy=st.dictionaries(
            st.sampled_from(["a", "pay-1", "pay-3", "last", "undone"]), st.integers(1, 2)
        ),
    )
    def begin(self, cleans, busy):
        self.driver.stalled.clear()  # what an example that failed left behind
        Run.objects.unfinished().update(state=Run.State.TERMINATED, owner=None)
        self.cleans = cleans
        organization = OrganizationFactory()
        self.actor = actor_in(organization)
        workflow = published(definition(cleans=cleans), organization)
        self.receiver = Receiver(busy)
        self.run = start_run(actor=self.actor, workflow_id=workflow.pk, inputs={})
        self.asked = Counter()
        self.sent = []
        self.skipped = set()
        self.answered = False
        self.steps = {}
        self.last = (Run.State.QUEUED, 0, 0)

    # -- what the engine does

    @rule(plan=plans, command=rare, name=names, recover=st.sampled_from([True, True, False]))
    def a_worker_goes_through_it(self, plan, command, name, recover):
        what, at, heard = plan
        queued = self._row().state == Run.State.QUEUED
        work = lambda: self._command(command, name)  # noqa: E731 - as the plan wants it
        claimed = self.driver.pass_(self.receiver, Plan(what, at, work, heard))
        assert (claimed is not None) == queued
        if claimed is not None:
            assert claimed.pk == self.run.pk
        if recover and what == "die":
            self.leases_lapse_and_somebody_sweeps(stalled=False)

    @rule(at=st.integers(0, 14))
    def a_worker_dies_and_another_goes_on(self, at):
        for what in ("die", ""):
            self.driver.pass_(self.receiver, Plan(what, at))
            self.leases_lapse_and_somebody_sweeps(stalled=False)

    @rule(stalled=st.booleans())
    def leases_lapse_and_somebody_sweeps(self, stalled):
        self.driver.lapse(stalled=stalled)
        sweep()
        close_ended()

    @rule()
    def time_passes(self):
        RunWait.objects.filter(run=self.run).exclude(wake_at=None).update(wake_at=now())
        sweep()

    @precondition(lambda self: self.driver.stalled)
    @rule(data=st.data())
    def what_stood_still_goes_on(self, data):
        going = data.draw(st.sampled_from(self.driver.stalled))
        row = self._row()
        ours = (row.epoch, row.state) == (going.claimed.epoch, Run.State.RUNNING)
        before = self._rows()
        self.driver.wake(going)
        if not ours:
            assert self._rows() == before, "a zombie wrote"

    @rule(back=st.integers(1, 3), ends=st.booleans())
    def a_zombie_writes(self, back, ends):
        row = self._row()
        epoch = row.epoch - (back if row.state == Run.State.RUNNING else back - 1)
        state = Run.State.SUCCEEDED if ends else None
        event = RunEvent("run.succeeded" if ends else "node.succeeded")
        change = Change(events=(event,), state=state, outputs={"evil": 1} if ends else None)
        before = self._rows()
        done = self.driver.write_as_zombie(Commit(row.pk, epoch, row.wakes, change, now()))
        assert (done.ok, self._rows()) == (False, before)

    # -- what people do

    @rule(command=rare, name=names)
    def somebody_commands(self, command, name):
        before, row = self._rows(), self._row()
        allowed = command == "answer" or standing(row) in TABLE[Command(command)]
        if self._command(command, name) is None:
            assert self._rows() == before, "it was refused, and changed something"
            assert command in {"skip", "answer"} or not allowed
        else:
            assert allowed

    def _command(self, command, name):
        """The run afterwards, or None when it was refused."""
        try:
            getattr(self, f"_{command}")(name)
        except DomainError:
            return None
        self.asked[command] += 1
        return self._row()

    def _pause(self, _):
        pause_run(actor=self.actor, run_id=self.run.public_id)

    def _resume(self, _):
        resume_run(actor=self.actor, run_id=self.run.public_id)

    def _cancel(self, _):
        cancel_run(actor=self.actor, run_id=self.run.public_id)

    def _terminate(self, _):
        terminate_run(actor=self.actor, run_id=self.run.public_id)

    def _signal(self, _):
        """Every signal twice: what is sent again under its id is no news."""
        number = len(self.sent)
        for _ in range(2):
            signal_run(
                actor=self.actor,
                run_id=self.run.public_id,
                name="go",
                data={"n": number},
                delivery_id=f"d{number}",
            )
        self.sent.append(number)

    def _answer(self, _):
        """As bpm hands on a decision: once, and only to a question that is open."""
        waits = RunWait.objects.filter(run=self.run, node_id="ask")
        if self.answered or "ask" in self.skipped or not waits.exists():
            raise DomainError("Nobody asks.")
        task = SimpleNamespace(pk=self.run.pk, subject_id=f"{self.run.public_id}:ask:")
        decision = SimpleNamespace(action_id="approve", data={}, comment="", actor_id="x")
        with transaction.atomic():  # as the decision's own
            deliver_decision(task, decision)
        self.answered = True

    def _skip(self, name):
        if self._row().state in ENDED:
            raise DomainError("It could go on from there; this model lets what is over be over.")
        handle = "approve" if name == "ask" else "source"
        skip_node(
            actor=self.actor,
            run_id=self.run.public_id,
            node_id=name,
            outputs=GIVEN[name],
            handle=handle,
        )
        self.skipped.add(name)

    # -- what must hold

    def _row(self):
        return Run.objects.get(pk=self.run.pk)

    def _rows(self):
        """Everything there is of the run."""
        tables = (
            Run.objects.filter(pk=self.run.pk),
            *(
                rows.objects.filter(run=self.run).order_by("pk")
                for rows in (Event, Step, RunWait, Signal)
            ),
        )
        return [list(table.values()) for table in tables]

    @invariant()
    def the_rows_make_sense(self):
        if not hasattr(self, "run"):
            return
        row = self._row()
        events = Event.objects.filter(run=row).order_by("seq").values_list("seq", "kind")
        assert [seq for seq, _ in events] == list(range(1, row.seq + 1))
        steps = {step["id"]: step for step in Step.objects.filter(run=row).values()}
        assert row.step_count == len(steps)
        assert len({(step["node_id"], step["iteration"]) for step in steps.values()}) == len(steps)
        assert self.steps.items() <= steps.items(), "a step changed or is gone"
        self.steps = steps
        kinds = Counter(kind for _, kind in events)
        settled = sum(kinds[f"node.{word}"] for word in ("succeeded", "failed", "skipped"))
        assert settled == len(steps)
        self._moves_on(row, kinds)
        assert all(times == 1 for times in self.receiver.done.values())

    def _moves_on(self, row, kinds):
        state, epoch, seq = self.last
        assert row.epoch >= epoch
        assert row.seq >= seq
        assert state not in ENDED or (state, epoch, seq) == (row.state, row.epoch, row.seq)
        assert (row.owner is not None) == (row.state == Run.State.RUNNING)
        assert row.state not in {Run.State.FAILED, Run.State.TIMED_OUT, Run.State.PARTIAL}, (
            row.error
        )
        ends = sum(kinds[f"run.{ended}"] for ended in ENDED)
        assert ends == (row.state in ENDED)
        assert row.state != Run.State.CANCELLED or self.asked["cancel"]
        assert row.state != Run.State.TERMINATED or self.asked["terminate"]
        assert row.state != Run.State.PAUSED or self.asked["pause"]
        self.last = row.state, row.epoch, row.seq

    # -- the end

    def teardown(self):
        if not hasattr(self, "run"):
            return
        while self.driver.stalled:
            self.driver.wake(self.driver.stalled[0])
        for _ in range(25):
            self.leases_lapse_and_somebody_sweeps(stalled=True)
            if self._row().finished:
                break
            for command in ("resume", "answer", "signal"):
                self._command(command, "")
            self.time_passes()
            self.driver.pass_(self.receiver, Plan())
            self.the_rows_make_sense()
        self._judge()

    def _judge(self):
        row = self._row()
        self.the_rows_make_sense()
        assert row.finished, f"still {row.state}"
        close_ended()
        assert not RunWait.objects.filter(run=row).exists()
        assert not Signal.objects.filter(run=row).exists()
        done = self.receiver.done
        if row.state == Run.State.SUCCEEDED:
            self._judge_success(row)
        elif row.state == Run.State.CANCELLED and Step.objects.filter(run=row, node_id="undo"):
            assert done["undone"] == 1
        if not self.cleans or row.state == Run.State.SUCCEEDED:
            assert not done["undone"]

    def _judge_success(self, row):
        by_name = {step["node_id"]: step for step in self.steps.values()}
        given = {name for name, step in by_name.items() if step["status"] == "skipped"}
        assert given <= self.skipped
        wanted = {
            "a": "given" if "a" in given else "did a",
            "n": 5,
            "by": "given" if "ask" in given else "approve",
            "got": {"n": "given"} if "w" in given else {"n": 0},
            "last": "given" if "last" in given else "did last",
        }
        assert row.outputs == wanted
        for name in {"a", "pay-1", "pay-3", "last"} - given:
            assert self.receiver.done[name] == 1, name


def test_whatever_happens_in_whatever_order_the_run_comes_to_what_the_model_says():
    Histories.driver = Driver()
    count, steps = (EXAMPLES, 50) if EXAMPLES else (12, 18)
    try:
        prove(
            Histories,
            settings=settings(
                max_examples=count,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=not EXAMPLES,  # the suite judges the change, not its luck
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Histories.driver.close()
