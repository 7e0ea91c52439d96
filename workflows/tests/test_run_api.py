"""A run over REST: its detail, history, live stream, cancelling and trace."""

import json
import time

import pytest
import requests
from rest_framework.test import APIClient

from bpm.models import HumanTask
from llm.tests.factories import model_at
from llm.tests.upstreams import provider
from orgs.actions import revoke_key
from orgs.models import ApiKey, Role
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from workflows.models import Event, Run, RunWait
from workflows.tests.engines import engine, wait_for
from workflows.tests.factories import approval_flow, ask, end, flow, llm, published, start
from workflows.tests.serving import frames, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def client_of(organization, role):
    client = APIClient()
    client.force_login(person_in(organization, role)[0])
    return client


def start_by(client, workflow, what="this"):
    address = f"/api/v1/workflows/{workflow.pk}/runs/"
    response = client.post(address, {"inputs": {"what": what}}, format="json")
    assert response.status_code == 201, response.json()
    return Run.objects.get(public_id=response.json()["id"])


def waiting(client, organization):
    run = start_by(client, published(approval_flow(), organization))
    with engine():
        wait_for(run, "waiting")
    return run


def decide(organization, task, action="approve"):
    return client_of(organization, "approver").post(
        f"/api/v1/tasks/{task.pk}/decide/",
        {"action_id": action, "comment": "fine by me", "data": {"note": "ok"}},
        format="json",
    )


# -- detail and history


def test_a_run_shows_its_steps_and_its_history_in_order(client, organization):
    run = waiting(client, organization)
    decide(organization, HumanTask.objects.get())
    with engine():
        wait_for(run)

    shown = client.get(f"/api/v1/runs/{run.public_id}/").json()
    history = client.get(f"/api/v1/runs/{run.public_id}/events/").json()["results"]
    rest = client.get(f"/api/v1/runs/{run.public_id}/events/?after=2").json()["results"]

    assert (shown["state"], shown["outputs"]) == ("succeeded", {"answer": "ok", "by": "approve"})
    assert [step["node_id"] for step in shown["steps"]] == ["start", "ask", "yes"]
    assert shown["duration_ms"] is not None
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    assert (history[0]["kind"], history[-1]["kind"]) == ("run.queued", "run.succeeded")
    assert rest == history[2:]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 5000, "%00"])
def test_an_odd_number_to_start_after_is_refused(client, organization, after):
    run = start_by(client, published(approval_flow(), organization))

    response = client.get(f"/api/v1/runs/{run.public_id}/events/?after={after}")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")


# -- cancelling


def cancel(client, run, **body):
    return client.post(f"/api/v1/runs/{run.public_id}/cancel/", body, format="json")


def test_a_waiting_run_is_cancelled_and_its_task_taken_back(client, organization):
    run = waiting(client, organization)

    response = cancel(client, run, reason="not needed")

    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert response.json()["error"]["message"] == "not needed"
    assert HumanTask.objects.get().status == HumanTask.Status.CANCELLED
    assert not RunWait.objects.exists()
    with engine():
        pass
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED


def test_a_queued_run_is_cancelled_before_it_did_anything(client, organization):
    run = start_by(client, published(approval_flow(), organization))

    assert cancel(client, run).status_code == 200
    with engine() as worker:
        worker.ring()
        other = start_by(client, published(approval_flow(), organization))
        worker.ring()
        wait_for(other, "waiting")

    run.refresh_from_db()
    assert (run.state, run.step_count) == (Run.State.CANCELLED, 0)
    assert list(Event.objects.filter(run=run).values_list("kind", flat=True).order_by("seq")) == [
        "run.queued",
        "run.cancelled",
    ]


def test_a_finished_run_cannot_be_cancelled(client, organization):
    run = start_by(client, published(approval_flow(), organization))
    cancel(client, run)
    before = list(Event.objects.values()), list(Run.objects.values())

    response = cancel(client, run)

    assert (response.status_code, response.json()["code"]) == (409, "run_finished")
    assert (list(Event.objects.values()), list(Run.objects.values())) == before


def test_a_member_cancels_only_what_they_started(client, organization):
    member = client_of(organization, "member")
    workflow = published(approval_flow(), organization)
    own, foreign = start_by(member, workflow), start_by(client, workflow)

    refused = cancel(member, foreign)

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    foreign.refresh_from_db()
    assert foreign.state == Run.State.QUEUED
    assert cancel(member, own).json()["state"] == "cancelled"


# -- the live stream


def stream_of(url, run, token, **headers):
    return requests.get(
        f"{url}/api/v1/runs/{run.public_id}/stream/",
        headers={"Authorization": f"Bearer {token}", **headers},
        stream=True,
        timeout=20,
    )


def read(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return frames(response.iter_lines(decode_unicode=True))


def test_the_stream_tells_everything_once_and_ends_with_the_run(client, organization):
    token = key_in(organization, "run.view")
    with provider() as upstream, serving() as url:
        model_at(upstream.url, organization=organization)
        definition = flow(
            [start(("what", "text-input")), llm("call", "paced"), end(text=("call", "text"))],
            [("start", "call"), ("call", "end")],
        )
        run = start_by(client, published(definition, organization))
        with stream_of(url, run, token) as response, engine():
            seen = read(response)  # returns because the run ends

    numbered = [frame for frame in seen if "id" in frame]
    assert [int(frame["id"]) for frame in numbered] == list(range(1, len(numbered) + 1))
    stored = Event.objects.filter(run=run).order_by("seq")
    assert [frame["event"] for frame in numbered] == [event.kind for event in stored]
    assert numbered[-1]["event"] == "run.succeeded"
    assert json.loads(numbered[0]["data"])["kind"] == "run.queued"
    assert all(frame["event"] == "delta" for frame in seen if "id" not in frame)


def test_a_stream_resumes_after_the_last_number_seen(client, organization):
    run = start_by(client, published(approval_flow(), organization))
    cancel(client, run)
    token = key_in(organization, "run.view")

    with serving() as url:
        whole = read(stream_of(url, run, token))
        resumed = read(stream_of(url, run, token, **{"Last-Event-ID": "1"}))
        asked = read(requests_after(url, run, token, 1))
        nothing = read(stream_of(url, run, token, **{"Last-Event-ID": whole[-1]["id"]}))
        odd = read(stream_of(url, run, token, **{"Last-Event-ID": "9" * 5000}))

    assert [frame["event"] for frame in whole] == ["run.queued", "run.cancelled"]
    assert resumed == asked == whole[1:]
    assert nothing == []
    assert odd == whole


def requests_after(url, run, token, after):
    return requests.get(
        f"{url}/api/v1/runs/{run.public_id}/stream/?after={after}",
        headers={"Authorization": f"Bearer {token}"},
        stream=True,
        timeout=20,
    )


def test_a_history_longer_than_one_read_comes_at_once(client, organization):
    run = start_by(client, published(approval_flow(), organization))
    cancel(client, run)
    Event.objects.bulk_create(
        Event(
            organization_id=organization.pk,
            run=run,
            seq=seq,
            kind="node.started",
            at=run.created_at,
        )
        for seq in range(3, 1203)
    )

    with serving() as url:
        response = stream_of(url, run, key_in(organization, "run.view"))
        seen = read(response)

    assert [int(frame["id"]) for frame in seen] == list(range(1, 1203))
    assert response.elapsed.total_seconds() < 5


def test_a_person_who_waits_sees_the_decision_arrive(client, organization):
    run = waiting(client, organization)
    token = key_in(organization, "run.view")

    with serving() as url, stream_of(url, run, token) as response:
        decide(organization, HumanTask.objects.get())
        with engine():
            seen = read(response)

    kinds = [frame["event"] for frame in seen]
    assert kinds.index("run.waiting") < kinds.index("run.resumed") < kinds.index("run.succeeded")


def test_a_stream_ends_within_a_second_of_its_key(client, organization):
    run = waiting(client, organization)
    token, kept = key_in(organization, "run.view"), key_in(organization, "run.view")
    key = ApiKey.objects.get(prefix=token[3:11])

    with serving() as url, stream_of(url, run, token) as ended, stream_of(url, run, kept) as open_:
        lines = ended.iter_lines(decode_unicode=True)
        next(lines)
        revoke_key(actor=actor_in(organization), key_id=key.pk)
        revoked = time.monotonic()
        for _ in lines:
            pass
        took = time.monotonic() - revoked
        still = requests.get(f"{url}/api/v1/runs/", headers=_bearer(kept), timeout=10)
        assert next(open_.iter_lines(decode_unicode=True)) == "retry: 1000"

    assert took <= 1.0
    assert still.status_code == 200


def _bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_stream_is_closed_to_strangers(client, organization):
    run = start_by(client, published(approval_flow(), organization))
    foreign = key_in(OrganizationFactory(), "run.view")
    bare = key_in(organization, "file.view")

    with serving() as url:
        address = f"{url}/api/v1/runs/{run.public_id}/stream/"
        nobody = requests.get(address, timeout=10)
        wrong = stream_of(url, run, "lw_aaaaaaaa_" + "x" * 43)
        others = stream_of(url, run, foreign)
        scopeless = stream_of(url, run, bare)
        posted = requests.post(address, headers={"Authorization": f"Bearer {foreign}"}, timeout=10)

    assert (nobody.status_code, nobody.json()["code"]) == (401, "not_authenticated")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "authentication_failed")
    assert (others.status_code, others.json()["code"]) == (404, "not_found")
    assert (scopeless.status_code, scopeless.json()["code"]) == (404, "not_found")
    assert posted.status_code in {403, 405}


# -- the trace


def approved_call():
    """A model call, then a person."""
    return flow(
        [
            start(("what", "text-input")),
            llm("draft", "Answer {{#start.what#}}"),
            ask("ask"),
            end("yes", text=("draft", "text"), note=("ask", "note")),
            end("no"),
        ],
        [("start", "draft"), ("draft", "ask"), ("ask", "yes", "approve"), ("ask", "no", "reject")],
    )


@pytest.fixture
def traced(client, organization):
    """A run through a model and an approval, everything under one trace id."""
    with provider() as upstream:
        model_at(upstream.url, organization=organization)
        run = start_by(client, published(approved_call(), organization))
        with engine() as worker:
            wait_for(run, "waiting")
            assert decide(organization, HumanTask.objects.get()).status_code == 200
            worker.ring()
            wait_for(run)
    assert run.state == Run.State.SUCCEEDED
    return run


EVERYTHING = {"run", "event", "step", "call", "hold", "ledger", "task", "decision", "audit"}


def trail_of(client, run):
    response = client.get(f"/api/v1/trace/{run.trace_id}/")
    assert response.status_code == 200
    return response.json()["results"]


def test_one_id_finds_everything_that_happened(organization, traced):
    trail = trail_of(client_of(organization, "owner"), traced)

    by_kind = {}
    for item in trail:
        by_kind.setdefault(item["kind"], []).append(item)
    assert set(by_kind) == EVERYTHING
    assert [item["id"] for item in by_kind["run"]] == [str(traced.public_id)]
    assert len(by_kind["step"]) == traced.step_count
    cost = traced.cost
    assert cost > 0
    assert [item["cost"] for item in by_kind["call"]] == [cost]
    assert [item["cost"] for item in by_kind["ledger"]] == [cost]
    assert by_kind["decision"][0]["data"]["comment"] == "fine by me"
    assert {item["title"] for item in by_kind["audit"]} >= {"workflows.run.started"}
    assert any(item["title"].startswith("bpm.") for item in by_kind["audit"])
    assert [item["at"] for item in trail] == sorted(item["at"] for item in trail)


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        (Role.MEMBER, {"call", "hold", "ledger", "audit"}),
        (Role.APPROVER, {"call", "hold", "ledger", "audit"}),
        (Role.BUILDER, {"audit"}),
        (Role.FINANCE, set()),
    ],
)
def test_a_trace_leaves_out_the_rooms_a_role_may_not_see(organization, traced, role, hidden):
    kinds = {item["kind"] for item in trail_of(client_of(organization, role), traced)}

    assert kinds == EVERYTHING - hidden


def test_a_trace_of_others_is_empty(traced):
    assert trail_of(client_of(OrganizationFactory(), "owner"), traced) == []


@pytest.mark.parametrize("trace_id", ["x", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "%00" * 32])
def test_what_nobody_knows_leads_nowhere(client, trace_id):
    response = client.get(f"/api/v1/trace/{trace_id}/")

    assert (response.status_code, response.json()["results"]) == (200, [])
