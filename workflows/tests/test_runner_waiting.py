"""Runs that rest until somebody answers."""

from datetime import UTC, datetime, timedelta

import pytest

from workflows.flowtests import MemoryJournal
from workflows.runner import RunState, Signal, Wait, advance
from workflows.tests.flows import (
    World,
    end,
    flow,
    kinds,
    llm,
    node,
    run,
    settled,
    start,
    task,
)


def ask(node_id="ask"):
    actions = [{"id": "approve", "title": "Yes"}, {"id": "reject", "title": "No"}]
    fields = [{"type": "paragraph", "output_variable_name": "note"}]
    return node(node_id, "human-input", form_content="?", user_actions=actions, inputs=fields)


def asking():
    return flow(
        start(),
        ask(),
        end("yes", note="ask.note"),
        end("no", no="ask.__action_id"),
        end("late", late="ask.__action_id"),
        edges=["start -> ask", "ask:approve -> yes", "ask:reject -> no", "ask:__timeout -> late"],
    )


async def test_a_question_lays_the_run_to_rest():
    world = World()

    state, journal, last = await run(asking(), world)

    assert state == last.state == RunState.WAITING
    assert len(world.opened) == 1
    (wait,) = [wait for change in journal.changes for wait in change.waits]
    assert (wait.node_id, wait.kind, wait.key) == ("ask", "human", "run:r1:ask:")
    assert kinds(last)[-1] == "run.waiting"
    assert settled(journal) == ["start"]


@pytest.mark.parametrize(
    ("payload", "outputs"),
    [
        ({"action": "approve", "inputs": {"note": "fine"}}, {"note": "fine"}),
        ({"action": "reject"}, {"no": "reject"}),
        ({"action": "__timeout"}, {"late": "__timeout"}),
    ],
)
async def test_an_answer_takes_the_run_up_again(payload, outputs):
    _, before, _ = await run(asking())
    waits = tuple(wait for change in before.changes for wait in change.waits)
    world, journal = World(), MemoryJournal()

    state = await advance(
        task(
            asking(),
            steps=tuple(before.steps),
            waits=waits,
            signals=(Signal("ask", "", payload),),
        ),
        journal,
        world,
    )

    (change,) = journal.changes
    assert (state, change.outputs) == (RunState.SUCCEEDED, outputs)
    assert change.resolved == (("ask", ""),)
    assert kinds(change)[0] == "run.resumed"
    assert world.opened == []


async def resumed(*waits, signals=()):
    _, before, _ = await run(asking())
    world, journal = World(), MemoryJournal()
    given = task(asking(), steps=tuple(before.steps), waits=waits, signals=signals)
    return await advance(given, journal, world), journal, world


async def test_without_an_answer_a_run_rests_on():
    later = datetime.now(UTC) + timedelta(hours=1)

    state, journal, world = await resumed(Wait("ask", "", "human", "k", later))

    assert state == RunState.WAITING
    assert (journal.steps, world.opened, world.closed) == ([], [], [])


async def test_when_its_time_has_come_a_wait_ends_by_itself():
    past = datetime.now(UTC) - timedelta(seconds=1)

    state, journal, world = await resumed(Wait("ask", "", "human", "k", past))

    assert (state, journal.changes[-1].outputs) == (RunState.SUCCEEDED, {"late": "__timeout"})
    assert world.closed == ["k"]


async def test_other_branches_go_on_while_one_waits():
    definition = flow(
        start(), ask(), llm("m", "x"), end(o="m.text"),
        edges=["start -> ask", "start -> m", "m -> end"],
    )  # fmt: skip

    state, journal, _ = await run(definition)

    assert state == RunState.WAITING
    assert settled(journal) == ["start", "m", "end"]
