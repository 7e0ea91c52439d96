"""Runs that go wrong, through the real engine: the cause is kept, nothing hangs, money adds up."""

from itertools import pairwise

import pytest

from billing.models import Hold, LedgerEntry, UsageRecord, Wallet
from billing.proof import account_totals, prove_wallet
from core.tests.servers import LocalServer
from llm.tests.factories import model_at
from llm.tests.upstreams import COST, provider
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import start_run
from workflows.models import Event, Run, RunWait
from workflows.tests.engines import engine, wait_for
from workflows.tests.factories import end, flow, llm, node, published, start

pytestmark = pytest.mark.django_db(transaction=True)
BALANCE = 1_000_000_000


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def upstream():
    with provider() as server:
        yield server


def run_through(organization, middle, inputs=None, after=None):
    """Start -> `middle` -> end, run by a real engine until it is over."""
    nodes = [start(("what", "text-input")), middle, *([after] if after else []), end("end")]
    keys = [each["id"] for each in nodes]
    definition = flow(nodes, list(pairwise(keys)))
    run = start_run(
        actor=actor_in(organization, "builder"),
        workflow_id=published(definition, organization).pk,
        inputs=inputs or {"what": "x"},
    )
    with engine() as worker:
        worker.ring()
        return wait_for(run)


def assert_failed(run, code, node_id="middle"):
    """Failed with its cause, whole, and nothing left behind."""
    assert run.state == Run.State.FAILED
    assert run.error["code"] == code, run.error
    assert run.error["node_id"] == node_id
    assert run.error["message"]
    assert (run.owner, run.ended_at is None) == (None, False)
    events = list(Event.objects.filter(run=run).order_by("seq"))
    assert [event.seq for event in events] == list(range(1, run.seq + 1))
    assert events[-1].kind == "run.failed"
    assert not RunWait.objects.exists()
    assert not run.steps.filter(node_id="end").exists()


def assert_money_adds_up(organization):
    wallet = Wallet.objects.get(organization=organization)
    assert prove_wallet(wallet).differences == []
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    assert wallet.held == 0
    assert sum(account_totals().values()) == 0
    return wallet


def assert_nothing_was_paid(organization):
    wallet = assert_money_adds_up(organization)
    assert wallet.balance == BALANCE
    assert not LedgerEntry.objects.filter(kind=LedgerEntry.Kind.CAPTURE).exists()


# -- model calls


def test_an_upstream_nobody_answers_at_fails_the_run_and_releases_the_money(organization):
    model_at("http://127.0.0.1:9", balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", "Hello"))

    assert_failed(run, "upstream_unreachable")
    assert_nothing_was_paid(organization)


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_an_upstream_that_says_no_fails_the_run_and_releases_the_money(
    organization, upstream, status
):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", f"status-{status}"))

    assert_failed(run, "upstream_error")
    assert_nothing_was_paid(organization)


@pytest.mark.parametrize("fault", ["cut", "error-event"])
def test_a_stream_cut_in_the_middle_is_paid_for_as_far_as_it_came(organization, upstream, fault):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", fault))

    assert_failed(run, "stream_broken")
    wallet = assert_money_adds_up(organization)
    record = UsageRecord.objects.get()
    assert 0 < record.cost < COST + 100_000
    assert record.usage_source == UsageRecord.Source.ESTIMATED
    assert wallet.balance == BALANCE - record.cost
    assert (record.run_id, record.node_id) == (str(run.public_id), "middle")
    assert record.trace_id == run.trace_id


@pytest.mark.parametrize(
    ("fault", "code"),
    [("cut-at-once", "upstream_error"), ("hang-up", "upstream_unreachable")],
)
def test_an_upstream_that_hangs_up_before_the_first_word_is_not_paid(
    organization, upstream, fault, code
):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", fault))

    assert_failed(run, code)
    assert_nothing_was_paid(organization)


def test_an_answer_that_is_no_json_fails_the_run(organization, upstream):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", "not-json"))

    assert_failed(run, "upstream_error")
    assert_nothing_was_paid(organization)


def test_a_model_nobody_set_up_is_named(organization, upstream):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("middle", "Hello", model="gpt-nobody"))

    assert_failed(run, "model_not_found")
    assert "gpt-nobody" in run.error["message"]
    assert upstream.requests == []
    assert_nothing_was_paid(organization)


def test_an_empty_wallet_stops_the_run_before_anybody_is_called(organization, upstream):
    model_at(upstream.url, balance=0, organization=organization)

    run = run_through(organization, llm("middle", "Hello"))

    assert_failed(run, "insufficient_funds")
    assert upstream.requests == []
    assert assert_money_adds_up(organization).balance == 0


def test_what_was_done_before_the_failure_stays_done_and_paid(organization, upstream):
    model_at(upstream.url, balance=BALANCE, organization=organization)

    run = run_through(organization, llm("first", "Hello"), after=llm("middle", "status-500"))

    assert_failed(run, "upstream_error")
    assert run.steps.get(node_id="first").status == "succeeded"
    wallet = assert_money_adds_up(organization)
    assert wallet.balance == BALANCE - run.steps.get(node_id="first").cost
    assert UsageRecord.objects.get(outcome="ok").node_id == "first"


# -- HTTP requests


def request(url):
    return node("middle", "http-request", method="get", url=url, headers="", params="", body={})


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://192.0.0.192/",
        "http://user:secret@127.0.0.1/",
    ],
)
def test_a_request_to_a_forbidden_address_is_refused(organization, url):
    run = run_through(organization, request(url))

    assert_failed(run, "outgoing_refused")


def test_a_redirect_to_a_forbidden_address_is_refused(organization):
    from aiohttp import web  # noqa: PLC0415

    async def answer(_):
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    with LocalServer(answer) as server:
        run = run_through(organization, request(f"{server.url}/start"))

    assert_failed(run, "outgoing_refused")
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nothing", "file:///etc/passwd", ""])
def test_an_address_that_is_no_web_address_is_named(organization, url):
    assert_failed(run_through(organization, request(url)), "invalid_url")


def test_a_server_nobody_runs_fails_the_run(organization):
    run = run_through(organization, request("http://127.0.0.1:9/"))

    assert_failed(run, "outgoing_unreachable")


# -- code


def code(text, **outputs):
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return node(
        "middle", "code", code=text, code_language="python3", variables=[], outputs=declared
    )


def test_code_that_raises_fails_the_run_with_its_words(organization):
    run = run_through(
        organization, code("def main():\n    raise ValueError('no such order')", x="string")
    )

    assert_failed(run, "code_failed")
    assert "no such order" in run.error["message"]


def test_code_that_never_ends_is_stopped(organization, monkeypatch):
    monkeypatch.setattr("workflows.nodes.code.SECONDS", 1.0)

    run = run_through(organization, code("def main():\n    while True: pass", x="string"))

    assert_failed(run, "code_timeout")


@pytest.mark.parametrize(
    ("text", "outputs", "refusal"),
    [
        ("def main():\n    return {'x': 5}", {"x": "string"}, "invalid_output"),
        ("def main():\n    return {'x': 'five'}", {"x": "number"}, "invalid_output"),
        ("def main():\n    return {}", {"x": "string"}, "invalid_output"),
        ("def main():\n    return [1]", {"x": "string"}, "code_failed"),
        ("def main():\n    return {'x': {1}}", {"x": "object"}, "code_failed"),
        ("def other():\n    return {}", {"x": "string"}, "code_failed"),
        ("def main(:", {"x": "string"}, "code_failed"),
        ("import os\ndef main():\n    os._exit(3)", {"x": "string"}, "code_failed"),
    ],
)
def test_code_that_answers_something_else_fails_the_run(organization, text, outputs, refusal):
    run = run_through(organization, code(text, **outputs))

    assert_failed(run, refusal)


def test_a_failure_the_flow_minds_is_not_the_end(organization):
    """`error_strategy: fail-branch` leads on, and the run says that it was not all well."""
    minded = code("def main():\n    raise ValueError('x')", x="string")
    minded["data"]["error_strategy"] = "fail-branch"
    definition = flow(
        [
            start(("what", "text-input")),
            minded,
            end("good"),
            end("bad", why=("middle", "error_message")),
        ],
        [("start", "middle"), ("middle", "good"), ("middle", "bad", "fail-branch")],
    )
    run = start_run(
        actor=actor_in(organization, "builder"),
        workflow_id=published(definition, organization).pk,
        inputs={"what": "x"},
    )

    with engine() as worker:
        worker.ring()
        wait_for(run)

    assert run.state == Run.State.PARTIAL
    assert "x" in run.outputs["why"]


def test_bad_runs_do_not_keep_good_ones_from_ending(organization, upstream):
    model_at(upstream.url, balance=BALANCE, organization=organization)
    bad = published(
        flow([start(("what", "text-input")), llm("middle", "{{#start.what#}}"), end("end")],
             [("start", "middle"), ("middle", "end")]),
        organization,
    )  # fmt: skip
    actor = actor_in(organization, "builder")
    words = ["hello", "status-500", "cut", "hang-up"] * 5
    runs = [start_run(actor=actor, workflow_id=bad.pk, inputs={"what": word}) for word in words]

    with engine() as worker:
        worker.ring()
        for run in runs:
            wait_for(run)

    states = [run.state for run in runs]
    assert states.count(Run.State.SUCCEEDED) == 5
    assert states.count(Run.State.FAILED) == 15
    assert_money_adds_up(organization)
