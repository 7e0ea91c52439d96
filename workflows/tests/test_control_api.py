"""Commands over REST, on pages and on the command line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from audit.models import Entry
from orgs.tests.factories import OrganizationFactory, person_in
from workflows.models import BulkCommand, Event, Run, Signal
from workflows.tests.factories import approval_flow, make_runs, published
from workflows.tests.test_control_matrix import run_that_is

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


def client_of(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_authenticate(user)
    client.user = user
    return client


@pytest.fixture
def client(organization):
    return client_of(organization)


@pytest.fixture
def browser(organization):
    user, _ = person_in(organization)
    client = Client()
    client.force_login(user)
    return client


def post(client, run, command, body=None, **headers):
    url = f"/api/v1/runs/{run.public_id}/{command}/"
    return client.post(url, body or {}, format="json", headers=headers)


BODIES = {
    "skip": {"node": "ask", "handle": "approve", "outputs": {"note": "x"}},
    "signal": {"name": "paid"},
    "reset": {"to": 1},
}
ANSWERS = [
    ("pause", "queued", 200, "paused"),
    ("resume", "paused", 200, "queued"),
    ("cancel", "waiting", 200, "cancelled"),
    ("terminate", "running", 200, "terminated"),
    ("retry", "failed", 200, "queued"),
    ("rerun", "failed", 201, "queued"),
    ("skip", "waiting", 200, "queued"),
    ("signal", "waiting", 200, "queued"),
    ("reset", "failed", 200, "queued"),
]


@pytest.mark.parametrize(("command", "how", "status", "state"), ANSWERS)
def test_each_command_has_its_door(client, organization, command, how, status, state):
    run = run_that_is(how, organization)

    response = post(client, run, command, BODIES.get(command))

    assert (response.status_code, response.json()["state"]) == (status, state)


@pytest.mark.parametrize("command", [each[0] for each in ANSWERS])
def test_a_refusal_has_its_code_and_changes_nothing(client, organization, command):
    how = {"rerun": "", "reset": "scheduled"}.get(command, "succeeded")
    if not how:
        return
    run = run_that_is(how, organization)
    before = list(Run.objects.values()), list(Event.objects.values())

    response = post(client, run, command, BODIES.get(command))

    code = "run_finished" if command == "cancel" else "run_state_conflict"
    assert (response.status_code, response.json()["code"]) == (409, code)
    assert response.json()["detail"] == {"state": how, "command": command}
    assert (list(Run.objects.values()), list(Event.objects.values())) == before


@pytest.mark.parametrize(("command", "how", "status", "state"), ANSWERS)
def test_who_started_a_run_may_stop_it_and_not_do_it_again(
    organization, command, how, status, state
):
    member = client_of(organization, "member")
    own = run_that_is(how, organization, started_by_id=member.user.pk)
    foreign = run_that_is(how, organization)

    assert post(member, foreign, command, BODIES.get(command)).status_code == 403
    mine = post(member, own, command, BODIES.get(command)).status_code
    redoing = {"retry", "rerun", "skip", "reset"}
    assert mine == (403 if command in redoing else status)


def test_a_command_under_a_key_is_done_once(client, organization):
    run = run_that_is("failed", organization)
    key = {"Idempotency-Key": "k1"}

    one, two = (post(client, run, "rerun", {}, **key) for _ in range(2))
    again = [post(client, run, "signal", BODIES["signal"], **key) for _ in range(2)]

    assert one.json()["id"] == two.json()["id"]
    assert two.headers["Idempotency-Replayed"] == "true"
    assert [each.status_code for each in again] == [409, 409]


def test_variables_and_control_state_are_read(client, organization):
    run = run_that_is("pausing", organization)

    found = client.get(f"/api/v1/runs/{run.public_id}/variables/").json()
    shown = client.get(f"/api/v1/runs/{run.public_id}/").json()

    assert set(found) == {"sys", "inputs", "env", "conversation", "nodes"}
    assert (shown["state"], shown["control"]) == ("running", "pause")


def test_a_run_can_be_started_later(client, organization):
    workflow = published(approval_flow(), organization)
    url = f"/api/v1/workflows/{workflow.pk}/runs/"
    body = {"inputs": {"what": "x"}}

    later = client.post(url, {**body, "delay": 3600}, format="json").json()
    both = client.post(
        url, {**body, "delay": 1, "not_before": "2030-01-01T00:00:00Z"}, format="json"
    )
    far = client.post(url, {**body, "not_before": "2130-01-01T00:00:00Z"}, format="json")

    assert later["state"] == "scheduled"
    assert parse_datetime(later["not_before"]) > parse_datetime(later["created_at"])
    assert (both.status_code, far.status_code) == (400, 400)
    assert Run.objects.count() == 1


def test_many_at_once(client, organization, django_assert_max_num_queries):
    make_runs(organization, 2)
    body = {"command": "signal", "arguments": {"name": "go"}, "filters": {"state": "queued"}}

    started = client.post("/api/v1/runs/bulk/", body, format="json")
    one = f"/api/v1/runs/bulk/{started.json()['id']}/"
    with django_assert_max_num_queries(12):
        listed = client.get("/api/v1/runs/bulk/").json()["results"]

    assert (started.status_code, started.json()["total"]) == (202, 2)
    assert client.get(one).json() == listed[0]
    assert client.post(f"{one}cancel/").json()["state"] == "cancelled"
    assert client.post(f"{one}cancel/").json()["code"] == "bulk_finished"
    assert client.get(one).json()["state"] == "cancelled"
    odd = client.post("/api/v1/runs/bulk/", {"command": "explode"}, format="json")
    assert odd.status_code == 400


# -- pages


def test_the_bar_offers_what_the_state_allows(browser, organization):
    live, over = run_that_is("waiting", organization), run_that_is("succeeded", organization)

    shown = browser.get(f"/runs/{live.public_id}/").content.decode()
    bar = browser.get(f"/runs/{over.public_id}/control/").content.decode()

    assert 'value="pause"' in shown
    assert 'data-dialog="skip-dialog"' in shown
    assert 'value="pause"' not in bar
    assert 'data-dialog="rerun-dialog"' in bar


@pytest.mark.parametrize(
    ("how", "form", "state"),
    [
        ("queued", {"command": "pause"}, "paused"),
        ("paused", {"command": "resume"}, "queued"),
        ("waiting", {"command": "cancel", "reason": "no"}, "cancelled"),
        ("waiting", {"command": "terminate"}, "terminated"),
        ("failed", {"command": "retry"}, "queued"),
        ("waiting", {"command": "skip", "node": "ask", "handle": "approve"}, "queued"),
        ("waiting", {"command": "signal", "name": "go", "data": '{"a": 1}'}, "queued"),
        ("failed", {"command": "reset", "to": "1"}, "queued"),
    ],
)
def test_the_forms_of_the_page(browser, organization, how, form, state):
    run = run_that_is(how, organization)

    response = browser.post(f"/runs/{run.public_id}/command/", form)

    run.refresh_from_db()
    assert (response.status_code, run.state) == (302, state)


def test_a_rerun_leads_to_the_new_run(browser, organization):
    run = run_that_is("failed", organization)
    form = {"command": "rerun", "node": "ask", "inputs": '{"what": "edited"}', "outputs": ""}

    response = browser.post(f"/runs/{run.public_id}/command/", form)

    new = Run.objects.get(source=run)
    assert response.url == f"/runs/{new.public_id}/"
    assert (new.inputs, new.source_node) == ({"what": "edited"}, "ask")


@pytest.mark.parametrize(
    "form",
    [
        {"command": "explode"},
        {"command": "signal", "name": "go", "data": "[1]"},
        {"command": "signal", "name": "go", "data": "{"},
        {"command": "reset", "to": "x"},
        {"command": "retry"},
    ],
)
def test_a_wrong_form_is_said_and_changes_nothing(browser, organization, form):
    run = run_that_is("waiting", organization)
    before = Run.objects.values().get()

    assert browser.post(f"/runs/{run.public_id}/command/", form).status_code == 302
    assert Run.objects.values().get() == before
    assert not Signal.objects.exists()


def test_runs_are_chosen_in_the_list(browser, organization):
    one, two = make_runs(organization, 2)
    ids = [str(each.public_id) for each in (one, two)]

    browser.post("/runs/bulk/", {"command": "cancel", "run": ids})
    browser.post("/runs/bulk/", {"command": "pause", "all": "on", "filter": "state=queued"})
    nothing = browser.post("/runs/bulk/", {"command": "pause"})

    chosen, every = BulkCommand.objects.order_by("pk")
    assert chosen.filters == {"ids": ids}
    assert (every.filters, every.total) == ({"state": "queued"}, 2)
    assert nothing.status_code == 302
    text = browser.get("/runs/bulk/").content.decode()
    assert str(chosen.pk) in text
    line = browser.get(f"/runs/bulk/{chosen.pk}/").content.decode()
    assert "every 1s" in line
    assert browser.post(f"/runs/bulk/{chosen.pk}/cancel/").status_code == 302
    assert str(two.public_id) in browser.get("/runs/").content.decode()


# -- the command line


def run_command(*args):
    out = StringIO()
    call_command("runs", *args, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("how", "args", "state"),
    [
        ("queued", ["pause"], "paused"),
        ("paused", ["resume"], "queued"),
        ("waiting", ["cancel", "--reason", "no"], "cancelled"),
        ("waiting", ["terminate"], "terminated"),
        ("failed", ["retry"], "queued"),
        ("failed", ["rerun", "--node", "ask", "--inputs", '{"what": "y"}'], "queued"),
        ("waiting", ["skip", "ask", "--handle", "approve"], "queued"),
        ("waiting", ["signal", "go", "--data", '{"a": 1}', "--delivery-id", "d"], "queued"),
        ("failed", ["reset", "1"], "queued"),
        ("failed", ["show"], "failed"),
    ],
)
def test_every_command_on_the_command_line(organization, how, args, state):
    run = run_that_is(how, organization)
    name, *rest = args

    found = json.loads(run_command(name, str(run.public_id), *rest, "--json"))

    assert found["state"] == state
    assert state in run_command("show", found["id"])
    if name != "show":
        assert Entry.objects.filter(actor_kind="system", category="workflows").exists()


def test_a_run_is_started_on_the_command_line_once_for_a_key(organization):
    workflow = published(approval_flow(), organization)
    words = ("start", str(workflow.pk), "--inputs", '{"what": "x"}', "--key", "k", "--json")

    one = json.loads(run_command(*words, "--delay", "60"))
    two = json.loads(run_command(*words))

    assert (one["state"], one["inputs"]) == ("scheduled", {"what": "x"})
    assert two["id"] == one["id"]
    with pytest.raises(CommandError, match="invalid_run_input"):
        run_command("start", str(workflow.pk), "--inputs", '{"what": 5}')
    assert Run.objects.count() == 1


def test_the_command_line_lists_and_refuses(organization):
    run = run_that_is("succeeded", organization)

    assert str(run.public_id) in run_command("list", "--org", organization.slug)
    assert run_command("list", "--org", organization.slug, "--state", "failed") == ""
    listed = json.loads(run_command("list", "--org", organization.slug, "--json"))
    assert listed[0]["id"] == str(run.public_id)
    assert "start" in run_command("variables", str(run.public_id))
    with pytest.raises(CommandError, match="run_state_conflict"):
        run_command("pause", str(run.public_id))
    with pytest.raises(CommandError, match="not_found"):
        run_command("show", "0192f0c1-0000-7000-8000-000000000001")
    with pytest.raises(CommandError):
        run_command("list", "--org", "nowhere")
