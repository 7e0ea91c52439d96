"""The in-process door: what workflow nodes call."""

import asyncio
import json

import pytest

from billing.models import Hold, UsageRecord, Wallet
from billing.proof import prove_all
from billing.tests.factories import WalletFactory
from llm.errors import (
    InsufficientFunds,
    ModelNotFound,
    ModelNotPriced,
    StreamBroken,
    UpstreamError,
    UpstreamUnreachable,
)
from llm.gateway.calls import ModelCall, call_of, close_gateway, complete
from llm.gateway.policy import check_policy
from llm.gateway.reserve import reserve
from llm.models import OFFLINE_MODEL, Model
from llm.tests.factories import ModelFactory, model_at
from llm.tests.upstreams import COST, TEXT, WORDS, provider
from orgs.tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "a" * 32


@pytest.fixture
def upstream():
    with provider() as server:
        yield server


@pytest.fixture(autouse=True)
def _proven():
    yield
    for proof in prove_all():
        assert not proof.differences
        assert proof.held == 0


def ask(model, content="hello", **fields):
    fields = {"billing_ref": "run:1:llm:", "trace_id": TRACE, **fields}
    return ModelCall(
        model.organization_id, model.name, [{"role": "user", "content": content}], **fields
    )


def calling(*calls):
    """Make the calls at once; their answers or errors in order."""

    async def main():
        try:
            return await asyncio.gather(*map(complete, calls), return_exceptions=True)
        finally:
            await close_gateway()

    return asyncio.run(main())


def test_an_answer_is_paid_and_told(upstream):
    model = model_at(upstream.url)

    (answer,) = calling(ask(model, run_id="r1", node_id="llm", params={"temperature": 0}))

    assert (answer.text, answer.finish_reason, answer.replayed) == (TEXT, "stop", False)
    assert answer.usage == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "cached_tokens": 0,
    }
    assert answer.cost == COST
    sent = upstream.requests[0]
    body = json.loads(sent.body)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("upstream-test", 0, 100)
    assert sent.headers["Idempotency-Key"] == "run:1:llm:"
    assert sent.headers["Authorization"] == "Bearer sk-upstream-1234567890"
    assert TRACE in sent.headers["traceparent"]
    usage = UsageRecord.objects.get()
    assert (usage.cost, usage.outcome, usage.usage_source) == (COST, "ok", "provider")
    assert (usage.run_id, usage.node_id, usage.trace_id) == ("r1", "llm", TRACE)
    assert Wallet.objects.get().balance == 1_000_000_000 - COST


def test_a_streamed_answer_comes_piece_by_piece_and_is_the_same(upstream):
    pieces = []

    (answer,) = calling(ask(model_at(upstream.url), on_delta=pieces.append))

    assert pieces == WORDS
    assert (answer.text, answer.cost, answer.finish_reason) == (TEXT, COST, "stop")
    assert UsageRecord.objects.get().ttft_ms is not None


def test_the_same_reference_is_answered_again_without_being_paid_again(upstream):
    model, pieces = model_at(upstream.url), []
    (first,) = calling(ask(model))

    (again,) = calling(ask(model, on_delta=pieces.append))

    assert again.replayed
    assert (again.text, again.cost, again.usage) == (first.text, first.cost, first.usage)
    assert pieces == [TEXT]
    assert len(upstream.requests) == 1
    assert UsageRecord.objects.count() == 1


def test_a_hold_left_open_by_a_dead_process_is_taken_over(upstream):
    model = model_at(upstream.url)

    async def die_before_sending():
        call = call_of(ask(model))
        await check_policy(call)
        await reserve(call)
        await close_gateway()

    asyncio.run(die_before_sending())
    hold = Hold.objects.get()
    assert hold.state == "open"

    (answer,) = calling(ask(model))

    assert (answer.text, answer.replayed) == (TEXT, False)
    hold.refresh_from_db()
    assert (hold.state, hold.captured) == ("captured", COST)
    assert Hold.objects.count() == UsageRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("status-500", UpstreamError),
        ("status-429", UpstreamError),
        ("not-json", UpstreamError),
        ("hang-up", UpstreamUnreachable),
    ],
)
def test_a_failure_before_the_answer_costs_nothing_and_frees_the_reference(upstream, fault, error):
    model = model_at(upstream.url)

    (failure,) = calling(ask(model, fault))
    (answer,) = calling(ask(model, "now it works"))

    assert isinstance(failure, error)
    assert answer.text == TEXT
    assert sorted(Hold.objects.values_list("state", "captured")) == [
        ("captured", COST),
        ("released", 0),
    ]


def test_a_stream_cut_off_is_paid_for_what_was_delivered_and_may_be_tried_again(upstream):
    model, pieces = model_at(upstream.url), []

    (failure,) = calling(ask(model, "cut", on_delta=pieces.append))
    (answer,) = calling(ask(model, "hello", on_delta=pieces.append))

    assert isinstance(failure, StreamBroken)
    assert pieces == WORDS[:4] + WORDS
    assert answer.text == TEXT
    cut, whole = UsageRecord.objects.order_by("id")
    assert (cut.outcome, cut.usage_source) == ("cut", "estimated")
    assert 0 < cut.completion_tokens < 7
    assert (
        failure.detail["cost"]
        == cut.cost
        == cut.prompt_tokens * 1_000 + cut.completion_tokens * 2_000
    )
    assert whole.cost == COST


def test_a_stream_that_brings_nothing_is_released(upstream):
    (failure,) = calling(ask(model_at(upstream.url), "cut-at-once", on_delta=print))

    assert isinstance(failure, UpstreamError)
    assert UsageRecord.objects.get().cost == 0


def test_a_provider_that_is_not_there_is_named_so():
    model = model_at("http://127.0.0.1:9")

    (failure,) = calling(ask(model))

    assert isinstance(failure, UpstreamUnreachable)
    assert Wallet.objects.get().balance == 1_000_000_000


def test_missing_usage_is_estimated_and_marked_so(upstream):
    (answer,) = calling(ask(model_at(upstream.url), "no-usage"))

    usage = UsageRecord.objects.get()
    assert usage.usage_source == "estimated"
    assert answer.cost == usage.cost > 0


def test_an_empty_wallet_sends_nothing(upstream):
    (failure,) = calling(ask(model_at(upstream.url, balance=0)))

    assert isinstance(failure, InsufficientFunds)
    assert upstream.requests == []
    assert not Hold.objects.exists()


def test_a_short_wallet_shortens_the_answer_it_asks_for(upstream):
    model = model_at(upstream.url, balance=80_000)

    (answer,) = calling(ask(model))

    sent = json.loads(upstream.requests[0].body)
    assert 16 <= sent["max_tokens"] < 40
    assert answer.text == TEXT
    assert Hold.objects.get().amount <= 80_000


@pytest.mark.parametrize("where", ["foreign", "disabled", "provider"])
def test_a_model_that_is_not_there_for_the_organization_is_not_found(upstream, where):
    model = model_at(upstream.url)
    caller = model
    if where == "foreign":
        caller = ModelFactory.build(provider=model.provider, organization=OrganizationFactory())
    elif where == "disabled":
        Model.objects.update(enabled=False)
    else:
        type(model.provider).objects.update(enabled=False)

    (failure,) = calling(ask(caller))

    assert isinstance(failure, ModelNotFound)
    assert upstream.requests == []


def test_a_model_without_a_price_is_refused(upstream):
    model = model_at(upstream.url)
    ModelFactory(provider=model.provider, name="unpriced")

    (failure,) = calling(
        ModelCall(
            model.organization_id, "unpriced", [{"role": "user", "content": "x"}], "ref", TRACE
        )
    )

    assert isinstance(failure, ModelNotPriced)
    assert upstream.requests == []


def test_a_cancelled_caller_leaves_a_settled_call_whose_answer_waits(upstream):
    model = model_at(upstream.url)

    async def main():
        task = asyncio.create_task(complete(ask(model, "slow")))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await close_gateway()
        return task.cancelled()

    assert asyncio.run(main())
    (answer,) = calling(ask(model, "slow"))

    assert answer.replayed
    assert len(upstream.requests) == 1
    assert UsageRecord.objects.get().outcome == "client_gone"


def test_the_offline_model_needs_no_setup_and_costs_a_little():
    organization = OrganizationFactory()
    WalletFactory(organization=organization, balance=10_000_000)
    question = [
        {
            "role": "user",
            "content": "Answer with one of: billing, technical, other.\nMy invoice is wrong",
        }
    ]
    chat = [{"role": "user", "content": "Where is my parcel?"}]

    pieces = []
    word, text = calling(
        ModelCall(organization.pk, OFFLINE_MODEL, question, "ref-1", TRACE),
        ModelCall(organization.pk, OFFLINE_MODEL, chat, "ref-2", TRACE, on_delta=pieces.append),
    )

    assert word.text == "billing"
    assert text.text.startswith("[offline model] ")
    assert "Where is my parcel?" in text.text
    assert "".join(pieces) == text.text
    assert len(pieces) > 10
    assert 0 < word.cost < text.cost < 1_000_000
