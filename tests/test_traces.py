"""The trace search across rooms: whichever id is given, and to whom what is shown."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from accounts.tests.factories import UserFactory
from audit.models import Entry
from billing.models import Hold, UsageRecord
from bpm.models import Comment, Decision
from core.ids import new_trace_id
from core.trace import trace_id_of
from orgs.actions import create_key
from orgs.grants import grant
from orgs.models import Project, Role
from orgs.trails import PAGE, sources
from tests.worlds import make_world
from workflows.models import Event, Run, Step

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    made = make_world("ALPHA-A")
    run = made.rows.run
    run.api_key_id = made.rows.key.pk
    run.save()
    Event.objects.create(
        organization_id=run.organization_id, run=run, seq=2, kind="run.waiting", at=now()
    )
    return made


def client_for(world, role=Role.OWNER):
    client = Client()
    client.force_login(world.people[role])
    return client


def asked(client, what, **query):
    response = client.get(f"/api/v1/trace/{what}/", query)
    assert response.status_code == 200, response.content
    return response.json()


def kinds(answer):
    return {item["kind"] for item in answer["results"]}


EVERYTHING = {
    "key", "run", "event", "step", "hold", "call", "ledger", "task", "comment", "decision", "audit",
}  # fmt: skip
IDS = {
    "trace id": lambda w: w.trace_id,
    "trace id in capitals": lambda w: w.trace_id.upper(),
    "traceparent": lambda w: f"00-{w.trace_id}-{w.trace_id[:16]}-01",
    "run": lambda w: w.rows.run.public_id,
    "step as its key": lambda w: f"run:{w.rows.run.public_id}:start:",
    "task": lambda w: w.rows.task.pk,
    "approval": lambda w: w.rows.task.process_id,
    "decision": lambda w: Decision.objects.get(organization=w.organization).pk,
    "comment": lambda w: Comment.objects.get(organization=w.organization).pk,
    "hold": lambda w: w.rows.hold.pk,
    "reference": lambda w: w.rows.hold.billing_ref,
    "ledger entry": lambda w: f"ledger {w.rows.ledger_entry.pk}",
    "usage record": lambda w: f"call {w.rows.usage.pk}",
    "audit entry": lambda w: f"audit {w.rows.entry.pk}",
}


@pytest.mark.parametrize("given", IDS.values(), ids=IDS)
def test_any_id_leads_to_everything(world, given):
    answer = asked(client_for(world), given(world))

    assert answer["trace_id"] == world.trace_id
    assert kinds(answer) == EVERYTHING
    times = [item["at"] for item in answer["results"]]
    assert times == sorted(times)
    assert answer["next"] == ""


@pytest.mark.parametrize("given", IDS.values(), ids=IDS)
def test_no_id_of_others_leads_anywhere(world, given):
    theirs = make_world("CANARY-B")

    answer = asked(client_for(world), given(theirs))

    assert (answer["results"], answer["candidates"]) == ([], [])


def test_a_request_id_is_found_as_it_was_sent(world):
    Run.objects.update(trace_id=trace_id_of("order 4711 / again?"))

    answer = asked(client_for(world), "order 4711 %2F again%3F".replace("%2F", "x"))
    assert answer["results"] == []
    page = client_for(world).get("/trace/", {"id": "order 4711 / again?"}).content.decode()
    assert str(world.rows.run.public_id) in page


def test_a_uuid_sent_as_request_id_is_a_trace_too(world):
    """The run's id was also somebody's X-Request-ID: both traces are offered."""
    Hold.objects.update(trace_id=world.rows.run.public_id.hex)

    answer = asked(client_for(world), world.rows.run.public_id)

    assert answer["trace_id"] == ""
    assert [clue["trace_id"] for clue in answer["candidates"]] == [world.trace_id]


@pytest.mark.parametrize("form", ["id", "prefix", "shown prefix", "token"])
def test_a_key_leads_to_what_it_did(world, form):
    key = world.rows.key
    given = {
        "id": key.pk,
        "prefix": key.prefix,
        "shown prefix": f"lw_{key.prefix}_…",
        "token": world.rows.token,
    }[form]
    older = Run.objects.get(pk=world.rows.run.pk)
    older.pk, older.public_id, older.trace_id = None, UserFactory().pk, new_trace_id()
    older.save()

    answer = asked(client_for(world), given)
    page = client_for(world).get("/trace/", {"id": given}, follow=True).content.decode()

    assert {clue["trace_id"] for clue in answer["candidates"]} >= {world.trace_id, older.trace_id}
    assert world.rows.token not in page
    assert f"?id={older.trace_id}" in page


def test_a_number_that_names_several_things_is_a_choice(world):
    same = 4711
    entry = Entry.objects.filter(pk=world.rows.entry.pk).values().get()
    Entry.objects.create(**{**entry, "id": same, "trace_id": new_trace_id()})
    usage = UsageRecord.objects.filter(pk=world.rows.usage.pk)
    row = usage.get()
    row.pk, row.hold_id = same, UserFactory().pk
    row.save(force_insert=True)

    answer = asked(client_for(world), same)

    assert {clue["kind"] for clue in answer["candidates"]} == {"audit", "call"}
    assert answer["results"] == []
    assert asked(client_for(world), f"audit {same}")["trace_id"] != world.trace_id


def test_many_traces_of_a_key_are_cut_and_that_is_said(world):
    run = Run.objects.get(pk=world.rows.run.pk)
    for _ in range(25):
        run.pk, run.public_id, run.trace_id = None, UserFactory().pk, new_trace_id()
        run.save()

    answer = asked(client_for(world), world.rows.key.pk)

    assert (len(answer["candidates"]), answer["more_candidates"]) == (20, True)


HIDDEN = {
    Role.OWNER: set(),
    Role.ADMIN: set(),
    Role.BUILDER: {"audit", "key"},
    Role.FINANCE: {"key"},
    Role.APPROVER: {"audit", "key", "hold", "call", "ledger"},
    Role.MEMBER: {"audit", "key", "hold", "call", "ledger"},
}


@pytest.mark.parametrize("role", HIDDEN)
def test_each_kind_asks_for_its_verb_and_a_key_for_its_maker(world, role):
    assert kinds(asked(client_for(world, role), world.trace_id)) == EVERYTHING - HIDDEN[role]


def test_a_guest_sees_what_was_shared(world):
    client = client_for(world, Role.GUEST)
    before = asked(client, world.trace_id)
    grant(
        actor=world.owner, obj=world.rows.workflow, verb="workflow.edit",
        user_id=world.people[Role.GUEST].pk, right="view",
    )  # fmt: skip

    assert before["results"] == []
    assert kinds(asked(client, world.rows.run.public_id)) == {"run", "event", "step"}


def in_another_project(world):
    other = Project.objects.create(organization=world.organization, name="Other")
    _, token = create_key(
        actor=world.owner, name="o", project_id=other.pk,
        scopes=["org.view", "run.view", "usage.view", "wallet.view", "task.view", "audit.view"],
    )  # fmt: skip
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_a_hidden_run_hides_what_belongs_to_it(world):
    """A key of another project learns nothing of the run: no call, no task, no money of it."""
    run = str(world.rows.run.public_id)
    Hold.objects.update(run_id=run)
    Entry.objects.create(
        organization_id=world.organization.pk, action="trial.done", actor_kind="user",
        target_type="run", target_id=run, summary="SECRET", trace_id=world.trace_id,
    )  # fmt: skip
    client = in_another_project(world)

    answer = asked(client, world.trace_id)

    assert not kinds(answer) & {"run", "event", "step", "call", "hold", "ledger", "task", "comment"}
    assert "decision" not in kinds(answer)
    assert "SECRET" not in str(answer)
    for name in ("run", "task", "hold"):
        found = asked(client, IDS[name](world))
        assert (found["candidates"], found["results"]) == ([], [])


def test_pages_are_cut_honestly_and_lose_nothing(world):
    """Many things at the very same moment, across kinds, in pages of seven."""
    at = now()
    for n in range(60):
        Step.objects.create(
            organization_id=world.organization.pk, run=world.rows.run, node_id=f"n{n}",
            kind="code", status="succeeded", started_at=at, ended_at=at,
        )  # fmt: skip
        Event.objects.create(
            organization_id=world.organization.pk, run=world.rows.run, seq=10 + n,
            kind="run.resumed", at=at,
        )  # fmt: skip
    client, seen, cursor = client_for(world), [], ""
    for _ in range(100):
        page = asked(client, world.trace_id, limit=7, cursor=cursor)
        seen += [(item["kind"], item["id"]) for item in page["results"]]
        cursor = page["next"]
        if not cursor:
            break
        assert len(page["results"]) == 7

    whole = asked(client, world.trace_id, limit=500)["results"]
    assert seen == [(item["kind"], item["id"]) for item in whole]
    assert len(set(seen)) == len(seen) > 120
    assert asked(client, world.trace_id)["next"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "====", "W10", "bnVsbA", "WyIyMDI2IiwxLDFd", "WyIyMDI2LTExLTIwVDEyOjAwOjAwWiIsMTAsImEiXQ",
     "WyIyMDI2LTExLTIwVDEyOjAwOjAwKzAwOjAwIiwxMCwiMDE5MmYwYzEtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAxIl0",
     "WyIyMDI2LTExLTIwVDEyOjAwOjAwKzAwOjAwIiw0MCw1XQ", "a" * 5000],
)  # fmt: skip
def test_a_cursor_of_somebody_elses_making_is_refused(world, cursor):
    response = client_for(world).get(f"/api/v1/trace/{world.trace_id}/", {"cursor": cursor})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_kinds_narrow(world):
    client = client_for(world)

    assert kinds(asked(client, world.trace_id, kind=["call", "key"])) == {"call", "key"}
    refused = client.get(f"/api/v1/trace/{world.trace_id}/", {"kind": "secret"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_the_queries_do_not_grow(world, django_assert_max_num_queries):
    client = client_for(world)
    for n in range(60):
        at = now() + timedelta(seconds=n)
        Step.objects.create(
            organization_id=world.organization.pk, run=world.rows.run, node_id=f"n{n}",
            kind="code", status="succeeded", started_at=at, ended_at=at,
        )  # fmt: skip
        Entry.objects.create(
            organization_id=world.organization.pk, action="trial.done", actor_kind="key",
            actor_id=world.rows.key.pk, target_type="t", target_id=str(n), trace_id=world.trace_id,
        )  # fmt: skip

    with django_assert_max_num_queries(29):
        assert len(asked(client, world.trace_id)["results"]) >= 60
    with django_assert_max_num_queries(44):
        client.get("/trace/", {"id": world.rows.run.public_id})


def test_the_page_shows_links_filters_and_the_next_page(world):
    text = client_for(world).get("/trace/", {"id": world.rows.run.public_id}).content.decode()

    assert reverse("run", args=[world.rows.run.public_id]) in text
    assert reverse("inbox_task", args=[world.rows.task.pk]) in text
    assert reverse("api_key", args=[world.rows.key.pk]) in text
    assert "kind=call" in text
    assert PAGE == 100


@pytest.mark.parametrize("wanted", ["%00", "<script>", "a" * 5000, "'; --", "é" * 300])
def test_whatever_is_typed_is_answered(world, wanted):
    response = client_for(world).get("/trace/", {"id": wanted})

    assert response.status_code == 200
    assert b"<script>" not in response.content.split(b"</head>")[1].replace(b"<script src", b"")


# -- operators


def test_operators_find_across_organizations(world):
    theirs = make_world("CANARY-B")
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    text = client.get(reverse("admin_trace"), {"id": theirs.rows.run.public_id}).content.decode()

    assert "CANARY-B organization" in text
    assert reverse("admin:workflows_run_change", args=[theirs.rows.run.pk]) in text
    assert "ALPHA-A" not in text


@pytest.mark.parametrize("who", ["nobody", "owner", "staff"])
def test_the_consoles_trace_is_for_who_may_see_the_trail(world, who):
    client = Client()
    if who != "nobody":
        user = world.people[Role.OWNER] if who == "owner" else UserFactory(is_staff=True)
        client.force_login(user)

    response = client.get(reverse("admin_trace"), {"id": world.trace_id})

    assert response.status_code == (403 if who == "staff" else 302)


def test_every_source_is_known():
    assert {source.kind for source in sources()} == EVERYTHING - {"key"}
    assert len({source.order for source in sources()}) == len(sources())
