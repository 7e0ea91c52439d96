"""Triggers over REST and as pages: made, changed, fired, listed, and by whom."""

from datetime import timedelta

import pytest
import requests
from django.test import Client
from django.utils.timezone import now
from rest_framework.test import APIClient

from audit.models import Entry
from orgs.grants import grant
from orgs.tests.factories import OrganizationFactory, key_in, person_in
from workflows.models import Run, Trigger, TriggerFiring
from workflows.tests.engines import engine
from workflows.tests.factories import approval_flow, end, flow, published, start, template
from workflows.tests.serving import serving
from workflows.triggers.keeping import KEPT, prune_firings

pytestmark = pytest.mark.django_db
PLACE = "/api/v1/triggers/"


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def workflow(organization):
    return published(approval_flow(), organization)


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def client_of(organization, role):
    client = APIClient()
    client.force_login(person_in(organization, role)[0])
    return client


def page_client(organization, role="builder"):
    client = Client()
    client.force_login(person_in(organization, role)[0])
    return client


def made(client, workflow, **body):
    given = {"workflow": str(workflow.pk), "name": "Nightly", "inputs": {"what": "x"}} | body
    if not {"schedule", "webhook", "run_ended"} & set(given):
        given["schedule"] = {"cron": "0 6 * * *", "time_zone": "Europe/Berlin"}
    return client.post(PLACE, given, format="json")


# -- over REST


def test_a_schedule_is_made_shown_changed_and_deleted(client, workflow):
    answer = made(client, workflow)
    assert answer.status_code == 201, answer.json()
    shown = answer.json()["trigger"]
    place = f"{PLACE}{shown['id']}/"

    assert (shown["kind"], shown["enabled"], shown["webhook"]) == ("schedule", True, None)
    assert shown["schedule"]["cron"] == "0 6 * * *"
    assert len(shown["next"]) == 10
    assert shown["next"][0] == shown["next_at"]
    assert (answer.json()["url"], answer.json()["secret"]) == ("", "")

    changed = client.patch(place, {"schedule": {"every_seconds": 60}}, format="json")
    assert changed.status_code == 200, changed.json()
    assert changed.json()["schedule"]["every_seconds"] == 60
    assert changed.json()["inputs"] == {"what": "x"}
    assert [row["id"] for row in client.get(PLACE).json()["results"]] == [shown["id"]]

    assert client.delete(place).status_code == 204
    assert not Trigger.objects.exists()
    said = list(Entry.objects.filter(target_type="trigger").values_list("action", flat=True))
    assert sorted(said) == [
        f"workflows.trigger.{what}" for what in ("changed", "created", "deleted")
    ]


def test_a_webhook_shows_its_address_and_secret_once(client, workflow):
    answer = made(client, workflow, webhook={"scheme": "github"}).json()
    place = f"{PLACE}{answer['trigger']['id']}/"

    assert "/hooks/" in answer["url"]
    assert len(answer["secret"]) == 64
    again = client.get(place).json()
    assert again["signed"] is True
    assert answer["secret"] not in str(again)
    assert answer["url"].split("/")[-2] not in str(again)

    token = client.post(f"{place}rotate/", {"what": "token"}, format="json").json()
    secret = client.post(
        f"{place}rotate/", {"what": "secret", "overlap_seconds": 60}, format="json"
    )
    assert token["url"] not in {"", answer["url"]}
    assert secret.json()["secret"] not in {"", answer["secret"]}
    trail = str(list(Entry.objects.values("data", "before", "after", "summary")))
    assert answer["secret"] not in trail
    assert secret.json()["secret"] not in trail


def test_it_follows_another_workflow(client, organization, workflow):
    other = published(approval_flow(), organization)
    answer = made(
        client,
        workflow,
        run_ended={"mapping": {"what": "outputs.x"}},
        source_workflow=str(other.pk),
    )

    assert answer.status_code == 201, answer.json()
    assert answer.json()["trigger"]["source_workflow"] == str(other.pk)
    assert answer.json()["trigger"]["run_ended"]["states"] == ["succeeded", "partial-succeeded"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"schedule": {"cron": "x"}}, "invalid_schedule"),
        ({"schedule": {"cron": "* * * * *", "time_zone": "X"}}, "invalid_schedule"),
        ({"schedule": {}}, "invalid_schedule"),
        ({"schedule": {"cron": "* * * * *"}, "webhook": {}}, "invalid_input"),
        ({"webhook": {"mapping": {"what": "nowhere.x"}}}, "invalid_trigger"),
        ({"webhook": {"scheme": "x"}}, "invalid_input"),
        ({"webhook": {"ip_allow": ["x"]}}, "invalid_address"),
        ({"webhook": {"header": "a b"}}, "invalid_trigger"),
        ({"name": "\u0000"}, "invalid_input"),
    ],
)
def test_what_does_not_fit_is_refused(client, workflow, body, code):
    answer = made(client, workflow, **body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Trigger.objects.exists()


def test_it_is_switched_off_and_on_and_fired(client, workflow):
    place = f"{PLACE}{made(client, workflow).json()['trigger']['id']}/"

    off = client.post(f"{place}disable/").json()
    assert (off["enabled"], off["next_at"], off["next"]) == (False, None, [])
    on = client.post(f"{place}enable/").json()
    assert on["enabled"] is True
    assert on["next_at"] is not None
    fired = client.post(f"{place}fire/")
    assert fired.status_code == 201
    assert fired.json()["trigger"] == "schedule"
    (row,) = client.get(f"{place}firings/").json()["results"]
    assert (row["outcome"], row["run_id"]) == ("started", fired.json()["id"])


def test_a_preview_says_when_and_stores_nothing(client):
    answer = client.post(f"{PLACE}preview/", {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"})

    assert len(answer.json()["next"]) == 10
    assert not Trigger.objects.exists()
    assert client.post(f"{PLACE}preview/", {}).json()["code"] == "invalid_schedule"


@pytest.mark.parametrize(("role", "sees"), [("member", True), ("finance", True), ("guest", False)])
def test_others_look_at_most(client, organization, workflow, role, sees):
    place = f"{PLACE}{made(client, workflow).json()['trigger']['id']}/"
    other = client_of(organization, role)
    before = Trigger.objects.values().get()

    assert len(other.get(PLACE).json()["results"]) == int(sees)
    assert other.get(place).status_code == (200 if sees else 404)
    refused = 403 if sees else 404
    assert other.patch(place, {"name": "x"}, format="json").status_code == refused
    assert other.post(f"{place}disable/").status_code == refused
    assert other.delete(place).status_code == refused
    assert made(other, workflow).status_code == refused
    assert str(Trigger.objects.values().get()) == str(before)


def test_a_guest_who_may_edit_the_workflow_makes_and_keeps_triggers(organization, workflow):
    owner = person_in(organization, "owner")[1]
    user, _ = person_in(organization, "guest")
    grant(actor=owner, obj=workflow, verb="workflow.share", right="edit", user_id=user.pk)
    guest = APIClient()
    guest.force_login(user)

    answer = made(guest, workflow)

    assert answer.status_code == 201
    place = f"{PLACE}{answer.json()['trigger']['id']}/"
    assert guest.post(f"{place}fire/").status_code == 201
    assert guest.delete(place).status_code == 204


def test_nobody_sees_those_of_another_organization(client, workflow):
    place = f"{PLACE}{made(client, workflow).json()['trigger']['id']}/"
    stranger = client_of(OrganizationFactory(), "owner")

    assert stranger.get(PLACE).json()["results"] == []
    for method, path in (("get", ""), ("delete", ""), ("post", "fire/"), ("get", "firings/")):
        assert getattr(stranger, method)(place + path).status_code == 404
    assert made(stranger, workflow).status_code == 404
    assert Trigger.objects.count() == 1


def test_a_key_makes_one_that_acts_as_the_key(organization, workflow):
    token = key_in(organization, "workflow.view", "workflow.edit", "workflow.run")
    client = APIClient(headers={"Authorization": f"Bearer {token}"})

    answer = made(client, workflow)

    assert answer.status_code == 201, answer.json()
    assert answer.json()["trigger"]["acts_for_key_id"] is not None
    assert answer.json()["trigger"]["acts_for_user_id"] is None


def test_pages_cost_the_same_however_many_there_are(
    client, organization, workflow, django_assert_max_num_queries
):
    for number in range(12):
        made(client, workflow, name=f"n{number}")
    row = Trigger.objects.first()
    TriggerFiring.objects.bulk_create(
        TriggerFiring(organization=organization, trigger=row, outcome="skipped") for _n in range(60)
    )
    with django_assert_max_num_queries(12):
        assert len(client.get(PLACE).json()["results"]) == 12
    with django_assert_max_num_queries(12):
        first = client.get(f"{PLACE}{row.pk}/firings/").json()
    assert len(first["results"]) == 25
    assert len(client.get(first["next"]).json()["results"]) == 25
    found = client.get(PLACE, {"workflow": str(workflow.pk), "enabled": "true", "limit": 5}).json()
    assert len(found["results"]) == 5


def test_it_goes_with_its_workflow_and_old_firings_go_by_age(client, organization, workflow):
    made(client, workflow)
    row = Trigger.objects.get()
    for outcome in ("skipped", "queued", "skipped"):
        TriggerFiring.objects.create(organization=organization, trigger=row, outcome=outcome)
    first, second = TriggerFiring.objects.order_by("pk")[:2]
    old = now() - KEPT - timedelta(days=1)
    TriggerFiring.objects.filter(pk__in=(first.pk, second.pk)).update(created_at=old)

    assert prune_firings() == 1
    assert TriggerFiring.objects.count() == 2

    workflow.delete()
    assert not Trigger.objects.exists()
    assert not TriggerFiring.objects.exists()


# -- waiting for a run

QUICK = flow(
    [start(("what", "text-input")), template("say", "Hello {{ it }}", it=("start", "what")),
     end(said=("say", "output"))],
    [("start", "say"), ("say", "end")],
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_who_starts_a_run_can_wait_for_its_end(organization):
    workflow = published(QUICK, organization)
    token = key_in(organization, "workflow.view", "workflow.run", "run.view")
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/api/v1/workflows/{workflow.pk}/runs/?wait=20"
    with engine(), serving() as base:
        answer = requests.post(base + path, json={"inputs": {"what": "Ada"}}, headers=headers)
        plain = APIClient(headers=headers).post(path, {"inputs": {"what": "Bo"}}, format="json")

    assert (answer.status_code, plain.status_code) == (201, 201)
    assert (answer.json()["state"], answer.json()["outputs"]) == (
        "succeeded",
        {"said": "Hello Ada"},
    )
    assert plain.json()["outputs"] == {"said": "Hello Bo"}


def test_who_waits_in_vain_gets_the_run_as_it_is(client, workflow):
    path = f"/api/v1/workflows/{workflow.pk}/runs/"
    answer = client.post(f"{path}?wait=1", {"inputs": {"what": "x"}}, format="json")

    assert (answer.status_code, answer.json()["state"]) == (201, "queued")
    assert client.post(f"{path}?wait=61", {}, format="json").status_code == 400
    assert Run.objects.count() == 1


# -- pages


def form(**changes):
    return {
        "name": "Morning", "inputs": '{"what": "x"}', "when": "cron", "cron": "0 6 * * *",
        "time_zone": "Europe/Berlin", "every": "2", "unit": "3600", "catch_up": "last",
        "overlap": "queue", "start_at": "2030-01-01T08:00",
    } | changes  # fmt: skip


def test_pages_make_show_change_and_delete_a_schedule(organization, workflow):
    client = page_client(organization)
    new = f"/workflows/{workflow.pk}/triggers/new/schedule/"

    assert client.get(new).status_code == 200
    answer = client.post(new, form())
    row = Trigger.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/triggers/{row.pk}/"
    assert row.config["start_at"] == "2030-01-01T07:00:00Z"  # what was typed is Berlin's time
    shown = client.get(f"/triggers/{row.pk}/").content.decode()
    assert 'value="2030-01-01T08:00"' in shown
    assert "By the clock of Europe/Berlin" in shown
    assert "Morning" in client.get(f"/workflows/{workflow.pk}/").content.decode()

    client.post(f"/triggers/{row.pk}/", form(when="interval", name="Every two hours"))
    row.refresh_from_db()
    assert (row.name, row.config["every_seconds"], row.config["cron"]) == (
        "Every two hours", 7200, "",
    )  # fmt: skip
    client.post(f"/triggers/{row.pk}/switch/", {"enabled": "0"})
    row.refresh_from_db()
    assert not row.enabled
    assert client.post(f"/triggers/{row.pk}/fire/").status_code == 302
    assert "Started" in client.get(f"/triggers/{row.pk}/").content.decode()
    client.post(f"/triggers/{row.pk}/delete/")
    assert not Trigger.objects.exists()


def test_pages_show_a_webhooks_address_once(organization, workflow):
    client = page_client(organization)
    body = {
        "name": "Orders", "inputs": "{}", "scheme": "github", "algorithm": "sha256",
        "encoding": "hex", "answer": "at-once", "mapping": "what = body.what",
        "ip_allow": "203.0.113.0/24",
    }  # fmt: skip
    answer = client.post(f"/workflows/{workflow.pk}/triggers/new/webhook/", body)
    row = Trigger.objects.get()

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert "/hooks/" in answer.content.decode()
    shown = client.get(f"/triggers/{row.pk}/").content.decode()
    assert "/hooks/" not in shown
    assert "what = body.what" in shown
    rotated = client.post(f"/triggers/{row.pk}/rotate/", {"what": "secret", "overlap": "3600"})
    assert "hook-secret" in rotated.content.decode()
    token = client.post(f"/triggers/{row.pk}/rotate/", {"what": "token"})
    assert "hook-url" in token.content.decode()


def test_a_page_lets_it_follow_another_workflow(organization, workflow):
    client = page_client(organization)
    other = published(approval_flow(), organization)
    new = f"/workflows/{workflow.pk}/triggers/new/run-ended/"
    body = {
        "name": "After", "inputs": "{}", "source_workflow": str(other.pk),
        "states": ["failed", "timed-out"], "mapping": "what = error.message",
    }  # fmt: skip

    assert client.post(new, body).status_code == 302
    row = Trigger.objects.get()
    assert row.config["states"] == ["failed", "timed-out"]
    assert other.name in client.get(f"/triggers/{row.pk}/").content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cron": "x y"}, "five fields"), ({"inputs": "["}, "JSON object"),
        ({"time_zone": "Mars"}, "valid choice"),
        ({"when": "interval", "every": ""}, "every_seconds"),
    ],
)  # fmt: skip
def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(organization, workflow, changes, said):
    client = page_client(organization)
    answer = client.post(f"/workflows/{workflow.pk}/triggers/new/schedule/", form(**changes))

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "Morning" in answer.content.decode()
    assert not Trigger.objects.exists()


def test_a_form_shows_when_while_it_is_filled_in(organization):
    client = page_client(organization)
    shown = client.get("/triggers/preview/", form()).content.decode()

    assert shown.count("<time") == 10
    assert "+0100" in shown
    assert "five fields" in client.get("/triggers/preview/", form(cron="x")).content.decode()
    assert client.get("/triggers/preview/").status_code == 200


def test_who_may_not_edit_is_offered_no_form(organization, workflow):
    made(client_of(organization, "builder"), workflow)
    row = Trigger.objects.get()
    member = page_client(organization, "member")

    shown = member.get(f"/triggers/{row.pk}/").content.decode()
    assert "Settings" not in shown
    assert "Fire now" in shown
    assert member.get(f"/workflows/{workflow.pk}/triggers/new/schedule/").status_code == 403
    assert member.post(f"/triggers/{row.pk}/delete/").status_code == 403
    assert Trigger.objects.count() == 1
