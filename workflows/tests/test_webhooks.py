"""Webhooks: who is believed, what a delivery starts, and what it is answered."""

import base64
import hashlib
import hmac
import json
import logging
import time
from datetime import timedelta

import pytest
import requests
from django.test import Client
from django.utils.timezone import now

from core.trace import trace_id_of
from orgs.models import Membership
from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import (
    change_trigger,
    create_trigger,
    rotate_trigger,
    set_trigger_enabled,
)
from workflows.errors import InvalidTrigger
from workflows.models import Run, Trigger, TriggerFiring
from workflows.tests.engines import engine
from workflows.tests.factories import approval_flow, end, flow, node, published, start, template
from workflows.tests.serving import serving
from workflows.triggers.acting import MOST_FAILURES
from workflows.triggers.configs import WebhookSettings
from workflows.triggers.deliveries import MAX_BODY
from workflows.triggers.signatures import believed

pytestmark = pytest.mark.django_db
SECRET = "it is a secret to everybody"
BODY = b'{"what": "an order", "order": {"id": 7, "lines": [{"sku": "a"}]}}'


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization, "builder")


def hook_of(actor, organization, definition=None, **config):
    made = create_trigger(
        actor=actor,
        workflow_id=published(definition or approval_flow(), organization).pk,
        kind="webhook",
        name="Orders",
        config={"mapping": {"what": "body.what"}} | config,
        secret=SECRET if config.get("scheme", "none") != "none" else "",
    )
    return made.trigger, f"/hooks/{made.token}/"


def post(address, body=BODY, content_type="application/json", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().post(address, body, content_type=content_type, headers=named)


def mac(message, key=SECRET, algorithm="sha256"):
    return hmac.new(key.encode(), message, algorithm)


def signed(scheme, body=BODY, at=None, key=SECRET):
    """The headers that the scheme's sender would send."""
    at = str(int(time.time()) if at is None else at)
    if scheme == "github":
        return {"X-Hub-Signature-256": f"sha256={mac(body, key).hexdigest()}"}
    if scheme == "stripe":
        digest = mac(f"{at}.".encode() + body, key).hexdigest()
        return {"Stripe-Signature": f"t={at},v0=x,v1={'0' * 64},v1={digest}"}
    if scheme == "slack":
        digest = mac(f"v0:{at}:".encode() + body, key).hexdigest()
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}"}
    return {"X-Signature": mac(body, key).hexdigest()}


# -- what a delivery starts


def test_a_delivery_starts_a_run_with_what_is_mapped(actor, organization):
    definition = flow(
        [
            start(("what", "paragraph"), ("event", "text-input"), ("n", "number")),
            end(x=("start", "n")),
        ],
        [("start", "end")],
    )
    mapping = {"what": "body", "event": "headers.X-Event", "n": "body.order.id"}
    _, address = hook_of(actor, organization, definition, mapping=mapping)

    response = post(address, X_Event="made")

    run = Run.objects.get()
    assert response.status_code == 202
    assert response.json()["run"] == str(run.public_id)
    assert response.json()["status_url"].endswith(f"/api/v1/runs/{run.public_id}/")
    assert (run.trigger, run.started_by_id) == ("webhook", actor.user_id)
    assert json.loads(run.inputs["what"]) == json.loads(BODY)
    assert (run.inputs["event"], run.inputs["n"]) == ("made", 7)
    assert TriggerFiring.objects.get().run_id == run.public_id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("body.order.lines[0].sku", "a"), ('body["order"].id', "7"), ("query.name", "x"),
        ("headers.content-type", "application/json"), ("body.order.lines", '[{"sku": "a"}]'),
    ],
)  # fmt: skip
def test_a_path_leads_to_a_part(actor, organization, path, value):
    _, address = hook_of(actor, organization, mapping={"what": path})

    assert post(address + "?name=x").status_code == 202
    assert Run.objects.get().inputs == {"what": value}


def test_a_form_is_read_and_json_inside_it(actor, organization):
    _, address = hook_of(actor, organization, mapping={"what": "body.payload.user"})
    body = 'payload={"user": "ada"}&other=1'

    response = post(address, body, "application/x-www-form-urlencoded")

    assert response.status_code == 202
    assert Run.objects.get().inputs == {"what": "ada"}


@pytest.mark.parametrize("path", ["", "outputs.x", "body..x", "body.x[", "body[-1]", "Body.x"])
def test_a_path_that_cannot_be_read_is_refused(actor, organization, path):
    with pytest.raises(InvalidTrigger):
        hook_of(actor, organization, mapping={"what": path})


def test_the_run_has_the_trace_of_its_delivery(actor, organization):
    _, address = hook_of(actor, organization)

    response = post(address, X_Request_ID="order-7")

    assert Run.objects.get().trace_id == trace_id_of("order-7") == response["X-Request-ID"]


# -- who is believed


@pytest.mark.parametrize("scheme", ["github", "stripe", "slack", "hmac"])
def test_the_right_signature_is_believed_and_no_other(actor, organization, scheme):
    trigger, address = hook_of(actor, organization, scheme=scheme)
    good = signed(scheme)

    wrong = [
        post(address),
        post(address, **signed(scheme, key="another secret")),
        post(address, BODY + b" ", **good),
        post(address, **{name: value[:-1] for name, value in good.items()}),
        post(address, **dict.fromkeys(good, "ü")),
        post(address, **dict.fromkeys(good, "")),
    ]
    assert {(each.status_code, each.json()["code"]) for each in wrong} == {(401, "hook_refused")}
    assert len({json.dumps({**each.json(), "trace_id": ""}) for each in wrong}) == 1
    assert not Run.objects.exists()

    assert post(address, **good).status_code == 202
    rows = TriggerFiring.objects.filter(trigger=trigger)
    assert rows.filter(outcome="refused", reason="hook_refused").count() == len(wrong)
    assert not any(SECRET in str(row.__dict__) for row in rows)


@pytest.mark.parametrize("scheme", ["stripe", "slack"])
@pytest.mark.parametrize("away", [-400, 400])
def test_a_signature_of_another_time_is_not_believed(actor, organization, scheme, away):
    _, address = hook_of(actor, organization, scheme=scheme, tolerance_seconds=300)

    assert post(address, **signed(scheme, at=int(time.time()) + away)).status_code == 401
    assert not Run.objects.exists()


@pytest.mark.parametrize("at", ["", "x", "-1", "1" * 30, "٣"])
def test_a_time_that_is_none_is_not_believed(actor, organization, at):
    _, address = hook_of(actor, organization, scheme="slack")
    headers = signed("slack") | {"X-Slack-Request-Timestamp": at}

    assert post(address, **headers).status_code == 401


def test_the_published_examples_are_believed():
    """GitHub's own from its documentation: secret, body and signature."""
    settings = WebhookSettings(scheme="github")
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": signature}
    assert believed(settings, headers, b"Hello, World!", ["It's a Secret to Everybody"])


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sig="])
def test_the_generic_scheme_signs_as_it_is_told(actor, organization, algorithm, encoding, prefix):
    own = {"algorithm": algorithm, "encoding": encoding, "prefix": prefix}
    _, address = hook_of(actor, organization, scheme="hmac", header="X-Own", **own)
    made = mac(BODY, algorithm=algorithm)
    text = made.hexdigest() if encoding == "hex" else base64.b64encode(made.digest()).decode()

    assert post(address, X_Own="no" + prefix + text).status_code == 401
    assert post(address, X_Own=prefix + text).status_code == 202


def test_the_generic_scheme_can_sign_a_time(actor, organization):
    _, address = hook_of(actor, organization, scheme="hmac", timestamp_header="X-Time")
    at = str(int(time.time()))
    text = mac(at.encode() + b"." + BODY).hexdigest()

    assert post(address, X_Signature=text, X_Time=str(int(at) - 1)).status_code == 401
    assert post(address, X_Signature=text, X_Time=at).status_code == 202


def test_two_secrets_are_believed_while_one_replaces_the_other(actor, organization):
    trigger, address = hook_of(actor, organization, scheme="github", window_seconds=0)

    made = rotate_trigger(
        actor=actor, trigger_id=trigger.pk, what="secret", overlap=timedelta(hours=1)
    )

    assert len(made.secret) == 64
    assert post(address, **signed("github")).status_code == 202
    assert post(address, **signed("github", key=made.secret)).status_code == 202
    Trigger.objects.update(previous_until=now())
    assert post(address, **signed("github")).status_code == 401
    assert post(address, **signed("github", key=made.secret)).status_code == 202


def test_a_new_address_ends_the_old_one(actor, organization):
    trigger, address = hook_of(actor, organization)

    made = rotate_trigger(actor=actor, trigger_id=trigger.pk, what="token")

    assert post(address).status_code == 404
    assert post(f"/hooks/{made.token}/").status_code == 202


def test_only_listed_addresses_are_let_in(actor, organization):
    _, address = hook_of(actor, organization, ip_allow=["203.0.113.0/24"])

    assert post(address).status_code == 401
    inside = Client(REMOTE_ADDR="203.0.113.7").post(address, BODY, content_type="application/json")
    assert inside.status_code == 202


# -- the same delivery again


@pytest.mark.parametrize(
    ("scheme", "headers", "body"),
    [
        ("github", {"X_GitHub_Delivery": "72d3162e"}, BODY),
        ("stripe", {}, b'{"id": "evt_1", "what": "x"}'),
        ("slack", {}, b'{"event_id": "Ev1", "what": "x"}'),
        ("none", {}, BODY),
        ("hmac", {}, BODY),
    ],
)
def test_the_same_delivery_is_answered_with_the_same_run(
    actor, organization, scheme, headers, body
):
    trigger, address = hook_of(actor, organization, scheme=scheme)

    answers = [post(address, body, **headers, **signed(scheme, body)) for _n in range(3)]

    assert {each.status_code for each in answers} == {202}
    assert {each.json()["run"] for each in answers} == {str(Run.objects.get().public_id)}
    assert [each.headers.get("Idempotency-Replayed") for each in answers] == [None, "true", "true"]
    assert TriggerFiring.objects.filter(trigger=trigger, outcome="replayed").count() == 2


def test_another_delivery_of_the_same_content_is_another_run(actor, organization):
    _, address = hook_of(actor, organization, scheme="github")

    for name in ("a", "b"):
        post(address, X_GitHub_Delivery=name, **signed("github"))

    assert Run.objects.count() == 2


def test_content_is_remembered_for_its_window_alone(actor, organization):
    _, address = hook_of(actor, organization, window_seconds=60)
    post(address)
    TriggerFiring.objects.update(created_at=now() - timedelta(seconds=61))

    post(address)

    assert Run.objects.count() == 2


def test_an_own_header_can_name_a_delivery(actor, organization):
    _, address = hook_of(actor, organization, delivery_header="X-Delivery")

    for name in ("a", "b", "a"):
        post(address, X_Delivery=name)

    assert Run.objects.count() == 2


# -- greetings


def test_slack_is_answered_its_challenge(actor, organization):
    _, address = hook_of(actor, organization, scheme="slack")
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'

    assert post(address, body).status_code == 401
    response = post(address, body, **signed("slack", body))

    assert (response.status_code, response.json()) == (200, {"challenge": "3eZbrw1aB"})
    assert not Run.objects.exists()


def test_a_ping_of_github_starts_nothing(actor, organization):
    _, address = hook_of(actor, organization, scheme="github")

    response = post(address, X_GitHub_Event="ping", **signed("github"))

    assert response.json() == {"pong": True}
    assert not Run.objects.exists()


# -- refusals


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "hook_unreadable"),
        (b"\xff", "application/json", 400, "hook_unreadable"),
        (b"[" * 5000, "application/json", 400, "hook_unreadable"),
        (b"[" * 40 + b"]" * 40, "application/json", 400, "hook_unreadable"),
        (b"--x--", "multipart/form-data; boundary=x", 400, "hook_unreadable"),
        (b'"' + b"x" * MAX_BODY + b'"', "application/json", 413, "hook_too_large"),
        (b"{}", "application/json", 400, "invalid_run_input"),
        (b"", "", 400, "invalid_run_input"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_a_code(actor, organization, body, kind, status, code):
    trigger, address = hook_of(actor, organization)

    response = post(address, body, kind)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Run.objects.exists()
    trigger.refresh_from_db()
    assert trigger.failures == 0


def test_an_address_that_nobody_was_given_leads_nowhere():
    for token in ("x", "a" * 43, "%00", "ü"):
        response = post(f"/hooks/{token}/")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_other_methods_are_not_taken(actor, organization):
    _, address = hook_of(actor, organization)
    response = Client().get(address)

    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_a_webhook_that_is_off_says_so_to_who_is_believed(actor, organization):
    trigger, address = hook_of(actor, organization, scheme="github")
    set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=False)

    assert post(address).json()["code"] == "hook_refused"
    response = post(address, **signed("github"))
    assert (response.status_code, response.json()["code"]) == (409, "trigger_disabled")
    assert not Run.objects.exists()


def test_who_left_starts_nothing_and_the_webhook_is_switched_off(actor, organization):
    _, address = hook_of(actor, organization, window_seconds=0)
    Membership.objects.filter(user_id=actor.user_id).delete()

    codes = [post(address).json()["code"] for _n in range(MOST_FAILURES + 1)]

    assert codes == ["trigger_owner_gone"] * MOST_FAILURES + ["trigger_disabled"]
    assert not Run.objects.exists()


def test_too_many_deliveries_are_told_to_wait(actor, organization, monkeypatch):
    monkeypatch.setattr("workflows.triggers.deliveries.DELIVERIES_PER_MINUTE", 2)
    _, address = hook_of(actor, organization)

    answers = [post(address) for _n in range(3)]

    assert [each.status_code for each in answers] == [202, 202, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_a_flood_of_refusals_is_not_a_flood_of_rows(actor, organization, monkeypatch):
    monkeypatch.setattr("workflows.triggers.deliveries.REFUSALS_PER_MINUTE", 3)
    _, address = hook_of(actor, organization, scheme="github")

    for _n in range(6):
        post(address)

    assert TriggerFiring.objects.count() == 3


def test_nothing_of_a_token_or_a_secret_is_logged_or_kept(actor, organization, caplog):
    with caplog.at_level(logging.DEBUG):
        trigger, address = hook_of(actor, organization, scheme="github")
        post(address)
        post(address, **signed("github"))
    token = address.split("/")[2]

    assert token not in caplog.text
    assert SECRET not in caplog.text
    row = Trigger.objects.values().get(pk=trigger.pk)
    assert token not in str(row)
    assert SECRET not in str(row)
    assert row["token_digest"] == hashlib.sha256(token.encode()).hexdigest()


def test_a_secret_has_a_length(actor, organization):
    trigger, _ = hook_of(actor, organization, scheme="github")
    with pytest.raises(InvalidTrigger):
        rotate_trigger(actor=actor, trigger_id=trigger.pk, what="secret", secret="short")
    with pytest.raises(InvalidTrigger):
        change_trigger(actor=actor, trigger_id=trigger.pk, config={"scheme": "rot13"})


# -- awaited, on a real server


QUICK = flow(
    [start(("what", "text-input")), template("say", "Hello {{ it }}", it=("start", "what")),
     end(said=("say", "output"))],
    [("start", "say"), ("say", "end")],
)  # fmt: skip
BROKEN = flow(
    [start(("what", "text-input")), node("say", "template-transform", template="{{ 1/0 }}",
     variables=[]), end(said=("say", "output"))],
    [("start", "say"), ("say", "end")],
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_an_awaited_answer_is_the_outputs(actor, organization):
    _, address = hook_of(actor, organization, QUICK, answer="awaited")

    with engine(), serving() as base:
        response = requests.post(base + address, json={"what": "Ada"}, timeout=30)

    assert response.status_code == 200
    assert (response.json()["state"], response.json()["outputs"]) == (
        "succeeded", {"said": "Hello Ada"},
    )  # fmt: skip
    run = Run.objects.get()
    assert response.json()["run"] == str(run.public_id)
    assert response.headers["X-Request-ID"] == run.trace_id
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
def test_an_awaited_run_that_fails_says_that_it_did_and_no_more(actor, organization):
    _, address = hook_of(actor, organization, BROKEN, answer="awaited")

    with engine(), serving() as base:
        response = requests.post(base + address, json={"what": "Ada"}, timeout=30)

    assert (response.status_code, response.json()["code"]) == (502, "run_not_successful")
    assert set(response.json()["detail"]) == {"state", "run", "status_url"}


@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_is_told_and_the_run_goes_on(actor, organization):
    _, address = hook_of(actor, organization, answer="awaited", wait_seconds=1)

    with engine(), serving() as base:
        begun = time.monotonic()
        response = requests.post(base + address, json={"what": "x"}, timeout=30)
        waited = time.monotonic() - begun

    assert (response.status_code, response.json()["code"]) == (504, "run_not_finished")
    assert 0.9 < waited < 5
    assert not Run.objects.get().finished


@pytest.mark.django_db(transaction=True)
def test_a_real_server_bounds_bodies_that_do_not_say_their_length(actor, organization):
    _, address = hook_of(actor, organization)

    def pieces():
        for _n in range(MAX_BODY // 65_536 + 2):
            yield b" " * 65_536

    with serving() as base:
        response = requests.post(base + address, data=pieces(), timeout=30)
        unknown = requests.post(base + "/hooks/nobody/", json={}, timeout=30)
        wrong = requests.get(base + address, timeout=30)

    assert (response.status_code, response.json()["code"]) == (413, "hook_too_large")
    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert not Run.objects.exists()
