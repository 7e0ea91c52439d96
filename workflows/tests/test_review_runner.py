"""Runs whose nodes, flows and people do what nobody expects."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from workflows.flowtests import MemoryJournal
from workflows.nodes.base import NodeFailed
from workflows.nodes.llm_thinking import split_thinking
from workflows.nodes.services import NodeHttpResponse
from workflows.runner import RunState, Wait, advance
from workflows.tests.flows import World, chain, end, llm, node, run, run_node, start, task
from workflows.tests.test_runner_waiting import asking

RETRIES = {"retry_enabled": True, "max_retries": 1, "retry_interval": 0}
SECRET = {"name": "key", "value_type": "secret", "value": "hush-hush"}


class BrokenOff(World):
    async def complete_model(self, call):
        raise asyncio.CancelledError


async def test_a_node_that_is_broken_off_from_inside_does_not_hang_its_run():
    with pytest.raises(RuntimeError, match="broken off"):
        async with asyncio.timeout(5):
            await run(chain(start(), llm("a", "x"), end(text="a.text")), BrokenOff())


async def test_secrets_stay_out_of_the_events_of_retries():
    failure = NodeFailed("the key hush-hush is wrong")
    flow = chain(start(), llm("a", "x", retry_config=RETRIES), environment=[SECRET])

    _, journal, _ = await run(flow, World(fail={"a": [failure]}))

    (retried,) = [e for c in journal.changes for e in c.events if e.kind == "node.retried"]
    assert retried.data["error"] == "the key •••• is wrong"


async def test_an_endless_error_is_cut():
    failure = NodeFailed("no " * 1_000_000)

    _, journal, last = await run(chain(start(), llm("a", "x")), World(fail={"a": [failure]}))

    assert last.state == RunState.FAILED
    assert len(last.error["message"]) < 5000
    assert len(journal.steps[-1].error) < 5000


@pytest.mark.parametrize("value", ["nan", "often", "-inf", [], "1e400"])
async def test_senseless_retry_settings_mean_no_retries(value):
    config = {"retry_enabled": True, "max_retries": value, "retry_interval": value}
    flow = chain(start(), llm("a", "x", retry_config=config))

    state, _, last = await run(flow, World(fail={"a": [NodeFailed("no")]}))

    assert (state, last.error["message"]) == (RunState.FAILED, "no")


class DecidedMeanwhile(World):
    async def close_human_task(self, key):
        self.closed.append(key)
        return False


async def test_an_answer_given_in_the_last_moment_counts():
    wait = Wait("ask", "", "human", "k", datetime.now(UTC) - timedelta(seconds=1))
    world, journal = DecidedMeanwhile(), MemoryJournal()
    _, before, _ = await run(asking())
    given = task(asking(), steps=tuple(before.steps), waits=(wait,))

    state = await advance(given, journal, world)

    assert (state, world.closed) == (RunState.WAITING, ["k"])
    assert journal.steps == []
    assert all(not change.resolved for change in journal.changes)


def test_unclosed_thoughts_are_read_in_one_pass():
    started = time.process_time()

    assert split_thinking("<think>" * 50_000) == ("<think>" * 50_000, "")
    assert split_thinking("a<THINK x=1>b</think>c<think>d") == ("ac<think>d", "b")
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", ["punycode", "undefined", "unicode_escape", "no\x00ne", "hex"])
async def test_only_charsets_of_the_world_decode_an_answer(name):
    world = World()
    headers = {"Content-Type": f"text/plain; charset={name}"}
    world.response = NodeHttpResponse(200, headers, "a-é\\x41".encode())

    outcome = await run_node(node("h", "http-request", url="http://x.test/"), services=world)

    assert outcome.outputs["body"] == "a-é\\x41"
