"""`/v1` as clients meet it: the official client, raw HTTP, a provider with faults, the ledger."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
import requests

from billing.models import Hold, UsageRecord, Wallet
from billing.proof import prove_all
from llm.models import OFFLINE_MODEL, Model
from llm.tests.factories import model_at
from llm.tests.servers import gateway
from llm.tests.upstreams import COST, TEXT, WORDS, provider
from orgs.actions import revoke_key
from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, actor_in, key_in

pytestmark = pytest.mark.django_db(transaction=True)
START = 1_000_000_000


@pytest.fixture
def upstream():
    with provider() as server:
        yield server


@pytest.fixture
def model(upstream):
    return model_at(upstream.url, balance=START)


@pytest.fixture
def key(model):
    return key_in(model.organization, "model.call")


@pytest.fixture(scope="module")
def address():
    """One gateway for all: it keeps nothing of a test for longer than a second."""
    with gateway() as running:
        yield running


@pytest.fixture
def url(model, address):
    """After the test, and whatever happened, every call is settled and the ledger proves it."""
    yield address
    for _ in range(100):
        if not Hold.objects.filter(state="open").exists():
            break
        time.sleep(0.05)
    for proof in prove_all():
        assert not proof.differences
        assert proof.held == 0
        assert proof.balance >= 0


@pytest.fixture
def client(url, key):
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        yield client


def say(content="hello"):
    return [{"role": "user", "content": content}]


def ask(client, content="hello", **fields):
    return client.chat.completions.create(model="gpt-test", messages=say(content), **fields)


def post(url, key, body=None, **headers):
    body = {"model": "gpt-test", "messages": say(), **(body or {})}
    headers = {"Authorization": f"Bearer {key}", **headers}
    return requests.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=20)


def settled(count=1):
    """The usage records, once `count` of them are there."""
    for _ in range(100):
        rows = list(UsageRecord.objects.order_by("id"))
        if len(rows) >= count:
            return rows
        time.sleep(0.05)
    raise AssertionError("nothing was settled")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere"])
def test_every_answer_is_kept_from_caches_and_from_guessing_its_type(address, path):
    headers = requests.get(f"{address}{path}", timeout=10).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in headers


def test_over_tls_every_answer_says_to_stay_there(address, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000

    headers = requests.get(f"{address}/v1/models", timeout=10).headers

    assert headers["strict-transport-security"].startswith("max-age=31536000; includeSubDomains")


def test_the_official_client_gets_an_answer_and_the_wallet_pays_for_it(client, upstream):
    answer = ask(client, temperature=0.5, extra_body={"top_k": 3})

    assert answer.choices[0].message.content == TEXT
    assert answer.usage.total_tokens == 18
    sent = json.loads(upstream.requests[0].body)
    assert (sent["model"], sent["temperature"], sent["top_k"]) == ("upstream-test", 0.5, 3)
    usage = UsageRecord.objects.get()
    assert (usage.cost, usage.outcome, usage.usage_source, usage.stream) == (
        COST,
        "ok",
        "provider",
        False,
    )
    assert usage.api_key_id == ApiKey.objects.get().pk
    assert Wallet.objects.get().balance == START - COST


def test_the_official_client_streams(client):
    chunks = list(ask(client, stream=True))

    assert [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content] == WORDS
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    usage = UsageRecord.objects.get()
    assert (usage.cost, usage.stream, usage.outcome) == (COST, True, "ok")


def test_a_client_that_asks_for_usage_in_its_stream_gets_it(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))

    assert chunks[-1].usage.total_tokens == 18
    assert chunks[-1].choices == []


def test_a_stream_is_settled_before_its_last_piece_leaves(url, key):
    with requests.post(
        f"{url}/v1/chat/completions",
        json={"model": "gpt-test", "messages": say("paced"), "stream": True},
        headers={"Authorization": f"Bearer {key}"},
        stream=True,
        timeout=20,
    ) as answer:
        seen = b""
        for piece in answer.iter_content(None):
            seen += piece
            if b"[DONE]" in seen:
                assert UsageRecord.objects.get().cost == COST
                assert not Hold.objects.filter(state="open").exists()
    assert seen.endswith(b"data: [DONE]\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_the_trace_id_of_the_caller_comes_back_and_stands_in_the_records(url, key, upstream):
    trace = "0af7651916cd43dd8448eb211c80319c"

    answer = post(url, key, traceparent=f"00-{trace}-b7ad6b7169203331-01")

    assert answer.headers["x-request-id"] == trace
    assert answer.headers["traceparent"].split("-")[1] == trace
    assert UsageRecord.objects.get().trace_id == Hold.objects.get().trace_id == trace
    assert trace in upstream.requests[0].headers["traceparent"]


def test_models_are_listed_and_found_by_name(client):
    assert [row.id for row in client.models.list()] == ["gpt-test", OFFLINE_MODEL]
    assert client.models.retrieve("gpt-test").owned_by == "Local"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_the_offline_model_answers_and_streams_and_is_labelled(client):
    plain = client.chat.completions.create(model=OFFLINE_MODEL, messages=say())
    chunks = client.chat.completions.create(model=OFFLINE_MODEL, messages=say(), stream=True)

    text = plain.choices[0].message.content
    assert text.startswith("[offline model] ")
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == text
    first, second = UsageRecord.objects.order_by("id")
    assert first.cost == second.cost > 0


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer lw_aaaaaaaa_" + "b" * 43, "Basic abc"])
def test_a_wrong_key_is_refused(url, upstream, token):
    headers = {"Authorization": token} if token else {}
    answer = requests.post(f"{url}/v1/chat/completions", json={}, headers=headers, timeout=10)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.json()["error"]["trace_id"] == answer.headers["x-request-id"]
    assert upstream.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_browsers_neither_keep_sniff_nor_frame_an_answer(url, key, settings, stream):
    settings.SECURE_HSTS_SECONDS = 60
    answer = post(url, key, {"stream": stream})
    refused = requests.get(f"{url}/v1/nothing", timeout=10)

    assert (answer.status_code, refused.status_code) == (200, 404)
    for headers in (answer.headers, refused.headers):
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"].startswith("max-age=60;")


def test_a_revoked_key_stops_working_within_a_second(url, key, model):
    assert post(url, key).status_code == 200
    row = ApiKey.objects.get()

    revoke_key(actor=actor_in(model.organization), key_id=row.pk)
    time.sleep(1.05)

    assert post(url, key).status_code == 401


def test_a_key_without_the_scope_is_refused(url, model, upstream):
    answer = post(url, key_in(model.organization, "model.view"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_permissions")
    assert upstream.requests == []


def test_a_model_of_another_organization_is_not_found(url, upstream):
    key = key_in(OrganizationFactory(), "model.call")

    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as stranger,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        ask(stranger)

    assert caught.value.code == "model_not_found"
    assert upstream.requests == []
    assert not Hold.objects.exists()


def test_a_disabled_model_is_not_found(client, upstream):
    Model.objects.update(enabled=False)

    with pytest.raises(openai.NotFoundError):
        ask(client)

    assert upstream.requests == []


def test_an_empty_wallet_is_told_so_and_not_to_retry(url, key, upstream):
    poor = model_at(upstream.url, balance=0)
    answer = post(url, key_in(poor.organization, "model.call"))

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (
        402,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert answer.headers["x-should-retry"] == "false"
    assert upstream.requests == []
    assert not Hold.objects.exists()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_refusal_of_the_provider_is_passed_on_and_costs_nothing(client, status, error):
    with pytest.raises(error) as caught:
        ask(client, f"status-{status}")

    assert caught.value.status_code == status
    assert caught.value.body["message"] == f"says status-{status}"
    assert caught.value.response.headers["retry-after"] == "7"
    assert UsageRecord.objects.get().cost == 0
    assert Hold.objects.get().state == "released"
    assert Wallet.objects.get().balance == START


@pytest.mark.parametrize("status", [401, 403])
def test_the_providers_quarrel_with_our_key_is_not_the_clients(client, status):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, f"status-{status}")

    assert caught.value.status_code == 502
    assert "says" not in str(caught.value.body)


def test_a_provider_that_is_away_is_a_502(url):
    gone = model_at("http://127.0.0.1:9", name="gone")
    answer = post(url, key_in(gone.organization, "model.call"), {"model": "gone"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert set(Hold.objects.values_list("state", flat=True)) == {"released"}


def test_a_cut_stream_ends_with_an_error_and_never_with_done(url, key):
    answer = post(url, key, {"messages": say("cut"), "stream": True})

    assert answer.status_code == 200
    assert "[DONE]" not in answer.text
    last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "stream_broken"
    (usage,) = settled()
    assert (usage.outcome, usage.usage_source) == ("cut", "estimated")
    assert 0 < usage.cost < COST * 2


def test_the_official_client_raises_on_a_cut_stream(client):
    seen = []
    with pytest.raises(openai.APIError, match="ended before"):
        seen.extend(chunk.choices[0].delta.content for chunk in ask(client, "cut", stream=True))

    assert seen == [] or seen == WORDS[:4]


def test_an_error_inside_a_stream_is_passed_on_and_ends_it(url, key):
    answer = post(url, key, {"messages": say("error-event"), "stream": True})

    assert "overloaded" in answer.text
    assert answer.text.count('"error"') == 1
    assert "[DONE]" not in answer.text
    assert settled()[0].outcome == "cut"


def test_a_stream_that_brings_nothing_is_a_502_and_free(url, key):
    answer = post(url, key, {"messages": say("cut-at-once"), "stream": True})

    assert answer.status_code == 502
    assert UsageRecord.objects.get().cost == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_missing_usage_is_estimated(url, key, streamed):
    answer = post(url, key, {"messages": say("no-usage"), "stream": streamed})

    assert answer.status_code == 200
    (usage,) = settled()
    assert (usage.usage_source, usage.outcome) == ("estimated", "ok")
    assert usage.cost > 0


def hang_up(url, key, body, after):
    """Send a request, wait for `after` bytes of the answer or `after` seconds, and leave."""
    host, port = url.removeprefix("http://").split(":")
    data = json.dumps({"model": "gpt-test", **body}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + data)
        seen = b""
        if isinstance(after, bytes):
            while after not in seen:
                seen += connection.recv(4096)
        else:
            time.sleep(after)


def test_who_leaves_a_stream_pays_what_the_provider_counts(url, key):
    hang_up(url, key, {"messages": say("paced"), "stream": True}, b"from")

    (usage,) = settled()
    assert (usage.outcome, usage.usage_source, usage.cost) == ("client_gone", "provider", COST)


@pytest.mark.parametrize("streamed", [True, False])
def test_who_leaves_before_the_first_byte_pays_what_the_provider_counts(url, key, streamed):
    hang_up(url, key, {"messages": say("slow"), "stream": streamed}, 0.15)

    (usage,) = settled()
    assert (usage.outcome, usage.usage_source, usage.cost) == ("client_gone", "provider", COST)


def test_an_abandoned_stream_is_not_read_for_ever(url, key, monkeypatch):
    monkeypatch.setattr("llm.gateway.relay.DRAIN_SECONDS", 0.01)

    hang_up(url, key, {"messages": say("paced"), "stream": True}, b"from")

    (usage,) = settled()
    assert (usage.outcome, usage.usage_source) == ("client_gone", "estimated")
    assert 0 < usage.completion_tokens < 7


def test_twenty_at_once_with_one_reference_are_one_call(url, key, upstream):
    with ThreadPoolExecutor(20) as threads:
        answers = list(
            threads.map(
                lambda _: post(url, key, {"messages": say("slow")}, **{"Idempotency-Key": "one"}),
                range(20),
            )
        )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.headers["x-should-retry"] == "false"
    assert refused.json()["error"]["code"] == "reference_in_use"
    assert len(upstream.requests) == 1
    assert Hold.objects.get().billing_ref == "one"
    assert UsageRecord.objects.count() == 1


def test_a_reference_is_refused_again_once_it_is_paid(url, key):
    assert post(url, key, **{"Idempotency-Key": "one"}).status_code == 200
    assert post(url, key, **{"Idempotency-Key": "one"}).status_code == 409
    assert post(url, key, {"temperature": 1}, **{"Idempotency-Key": "one"}).status_code == 409
    assert UsageRecord.objects.count() == 1


def test_fifty_at_once_on_a_wallet_with_room_for_thirteen(url, upstream):
    body = {"model": "gpt-test", "messages": say("slow"), "max_tokens": 7}
    one_hold = probe(url, upstream, body)
    poor = model_at(upstream.url, balance=13 * one_hold + one_hold // 2)
    key = key_in(poor.organization, "model.call")
    before = len(upstream.requests)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: post(url, key, body), range(50)))

    assert sorted(a.status_code for a in answers) == [200] * 13 + [402] * 37
    assert len(upstream.requests) - before == 13
    wallet = Wallet.objects.get(organization=poor.organization)
    assert wallet.balance == 13 * one_hold + one_hold // 2 - 13 * COST
    assert wallet.held == 0


def probe(url, upstream, body):
    """What one call of `body` holds."""
    rich = model_at(upstream.url)
    assert post(url, key_in(rich.organization, "model.call"), body).status_code == 200
    return Hold.objects.get(wallet__organization=rich.organization).amount


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b"\xff\xfe", 400, "invalid_request"),
        (b'{"model": "gpt-test", "messages": "x"}', 400, "invalid_request"),
        (b'{"model": "gpt-test", "messages": []}', 400, "invalid_request"),
        (b'{"messages": [1]}', 400, "invalid_request"),
        (b'{"model": "gpt-test", "messages": [{}], "max_tokens": -1}', 400, "invalid_request"),
        (b'{"model": "gpt-test", "messages": [{}], "stream": "yes"}', 400, "invalid_request"),
        (b'{"model": "gpt-test", "messages": [{"content": "\\ud800"}]}', 400, "invalid_request"),
        (b'{"model": "gpt-test", "model": "gpt-free"}', 400, "repeated_parameter"),
        (b'{"messages": [{"role": "user", "role": "system"}]}', 400, "repeated_parameter"),
        (b"[" * 100_000, 400, "invalid_request"),
        (b" " * (10 * 1024 * 1024 + 1), 413, "request_too_large"),
    ],
)
def test_a_bad_body_is_refused_in_the_protocols_form(url, key, upstream, raw, status, code):
    answer = requests.post(
        f"{url}/v1/chat/completions",
        data=raw,
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert upstream.requests == []
    assert not Hold.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nope"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1"),
    ],
)
def test_what_is_not_there_is_a_404_in_the_protocols_form(url, method, path):
    answer = requests.request(method, f"{url}{path}", timeout=10)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_the_async_client_works_too(url, key):
    async def main():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.create(model="gpt-test", messages=say())
                    for _ in range(5)
                )
            )

    answers = asyncio.run(main())

    assert [answer.choices[0].message.content for answer in answers] == [TEXT] * 5
    assert Wallet.objects.get().balance == START - 5 * COST
