"""The trail for people: found, looked at, counted."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils.timezone import now

import audit.tests.events  # noqa: F401 - these tests record them
from accounts.tests.factories import UserFactory
from audit.models import Entry
from audit.proof import keep_result, prove
from audit.sealing import seal_all
from audit.tests.factories import entry_of, no_triggers
from core.errors import PermissionRefused
from files.actions import start_export
from orgs.actions import create_key, create_project, rename_organization
from orgs.models import Organization
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from orgs.trail import entries_visible_to, sees_whole_trail

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def owner(organization, client):
    user, actor = person_in(organization)
    client.force_login(user)
    return actor


def text_of(response):
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def test_the_list_shows_who_did_what_from_where(client, owner):
    client.post(
        reverse("organization_settings"), {"name": "New name"}, REMOTE_ADDR="203.0.113.7",
        headers={"User-Agent": "Firefox/1"},
    )  # fmt: skip

    text = text_of(client.get(reverse("audit")))

    entry = Entry.objects.get(action="orgs.organization.changed")
    assert (entry.ip, entry.user_agent) == ("203.0.113.7", "Firefox/1")
    assert "Organization changed" in text
    assert "203.0.113.7" in text
    assert reverse("audit_entry", args=[entry.pk]) in text


def test_the_page_of_an_entry_shows_before_and_after(client, owner):
    rename_organization(actor=owner, name="<b>Northwind</b>")
    entry = Entry.objects.get(action="orgs.organization.changed")
    seal_all()

    text = text_of(client.get(reverse("audit_entry", args=[entry.pk])))

    assert "<del" in text
    assert "&lt;b&gt;Northwind&lt;/b&gt;" in text
    assert "seal 1, entry" in text


PROJECT = UUID("01a210d0-4408-7a23-92ed-038339635aaa")
FILTERS = [
    ("event", "trial.done"),
    ("event", "trial.*"),
    ("category", "trial"),
    ("outcome", "ok"),
    ("actor_kind", "user"),
    ("actor_id", "{user}"),
    ("project_id", "{project}"),
    ("target_type", "thing"),
    ("target_id", "1"),
    ("ip", "203.0.113.7"),
    ("trace_id", "{trace}"),
    ("q", "RED"),
    ("since", "{today}"),
    ("until", "{today}"),
]


@pytest.mark.parametrize(("name", "value"), FILTERS)
def test_every_filter_narrows_page_and_api_alike(client, owner, name, value):
    from core.origin import coming_from  # noqa: PLC0415

    with coming_from("203.0.113.7"):
        wanted = entry_of(owner, summary="a red thing", trace_id="a" * 32, project_id=PROJECT)
    other = other_entry(owner)
    if name in {"since", "until"}:
        days = 3 if name == "until" else -3
        with no_triggers() as cursor:
            cursor.execute(
                "UPDATE audit_entry SET at = %s WHERE id = %s",
                [now() + timedelta(days=days), other.pk],
            )
    value = value.format(
        user=owner.user_id, trace="a" * 32, today=now().date().isoformat(), project=PROJECT
    )

    found = client.get("/api/v1/audit/", {name: value}).json()["results"]
    page = text_of(client.get(reverse("audit"), {name: value}))

    assert [row["id"] for row in found] == [wanted.pk]
    assert reverse("audit_entry", args=[wanted.pk]) in page
    assert reverse("audit_entry", args=[other.pk]) not in page


def other_entry(owner):
    from orgs.access import system_actor  # noqa: PLC0415

    return entry_of(
        system_actor(owner.organization_id), "console.a.b.deleted", target_type="b",
        target_id="2", summary="blue", outcome="failed",
    )  # fmt: skip


def test_filters_hold_together_and_an_api_key_is_found_by_its_id(client, owner, organization):
    from orgs.access import Actor  # noqa: PLC0415

    key, _ = create_key(actor=owner, name="k", scopes=["audit.view"])
    by_key = entry_of(Actor(organization.pk, api_key_id=key.pk), summary="one")
    entry_of(Actor(organization.pk, api_key_id=key.pk), summary="two")

    found = client.get("/api/v1/audit/", {"api_key_id": str(key.pk), "q": "one"}).json()["results"]

    assert [row["id"] for row in found] == [by_key.pk]
    assert str(key) in text_of(client.get(reverse("audit"), {"api_key_id": str(key.pk)}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", "yesterday"), ("until", "2026-99-99"), ("actor_id", "x"), ("ip", "999.1.1.1"),
        ("outcome", "maybe"), ("q", "\x00"), ("event", "x" * 300), ("since", "9999-12-31"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_refused_not_ignored(client, owner, name, value):
    response = client.get("/api/v1/audit/", {name: value})

    if value != "9999-12-31":
        assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert client.get(reverse("audit"), {name: value}).status_code == 200
    assert client.get(reverse("audit_statistics"), {name: value}).status_code == 200


def test_the_list_is_paged_and_costs_the_same(client, owner, django_assert_max_num_queries):
    for n in range(120):
        entry_of(owner, target_id=str(n))
    numbers = list(Entry.objects.order_by("-pk").values_list("pk", flat=True))

    with django_assert_max_num_queries(12):
        first = text_of(client.get(reverse("audit")))
    assert f"before={numbers[49]}" in first
    second = text_of(client.get(reverse("audit"), {"before": numbers[49]}))
    assert reverse("audit_entry", args=[numbers[50]]) in second
    assert reverse("audit_entry", args=[numbers[49]]) not in second
    with django_assert_max_num_queries(6):
        page = client.get("/api/v1/audit/", {"limit": 100, "event": "trial.*"}).json()
    assert len(page["results"]) == 100
    assert len(client.get(page["next"]).json()["results"]) == 20


def test_htmx_gets_the_rows_and_the_exports_filters(client, owner):
    text = text_of(client.get(reverse("audit"), {"q": "a&b"}, headers={"HX-Request": "true"}))

    assert "<html" not in text
    assert 'value="q=a%26b" hx-swap-oob="true"' in text


def test_statistics_count_what_is_sealed(client, owner, django_assert_max_num_queries):
    for _ in range(3):
        entry_of(owner)
    entry_of(owner, "trial.refused")
    seal_all()

    with django_assert_max_num_queries(8):
        counted = client.get("/api/v1/audit/statistics/").json()
    refused = client.get("/api/v1/audit/statistics/", {"outcome": "refused"}).json()
    page = text_of(client.get(reverse("audit_statistics")))

    assert counted["total"] == 4
    assert counted["by_event"][0] == {"event": "trial.done", "label": "Trial done", "count": 3}
    assert counted["by_actor"] == [
        {"actor_kind": "user", "actor_id": str(owner.user_id), "count": 4}
    ]
    assert {row["outcome"]: row["count"] for row in counted["by_outcome"]} == {
        "ok": 3, "refused": 1, "failed": 0,
    }  # fmt: skip
    assert counted["by_day"][-1] == {"day": now().date().isoformat(), "count": 4}
    assert (len(counted["by_day"]), refused["total"]) == (30, 1)
    assert "Trial done" in page


def test_the_page_says_whether_the_trail_is_proven(client, owner, organization):
    entry = entry_of(owner)
    seal_all()
    assert "not checked yet" in text_of(client.get(reverse("audit_statistics")))
    keep_result(prove(organization.pk))
    assert "proven" in text_of(client.get(reverse("audit_statistics")))

    with no_triggers() as cursor:
        cursor.execute("UPDATE audit_entry SET summary = 'x' WHERE id = %s", [entry.pk])
    keep_result(prove(organization.pk))

    assert f"Entry {entry.pk} (trial.done) was changed." in text_of(
        client.get(reverse("audit_statistics"))
    )
    assert client.get("/api/v1/audit/chain/").json()["problems"][0]["kind"] == "entry_changed"


def test_retention_is_set_told_and_bounded(client, owner, organization):
    assert client.put(
        "/api/v1/audit/retention/", {"days": 90}, content_type="application/json"
    ).json() == {"days": 90}
    client.post(reverse("audit_retention"), {"days": ""})

    organization.refresh_from_db()
    assert organization.audit_retention_days is None
    told = Entry.objects.filter(action="orgs.audit.retention_changed").order_by("pk")
    assert [(entry.before, entry.after) for entry in told] == [
        ({"days": None}, {"days": 90}), ({"days": 90}, {"days": None}),
    ]  # fmt: skip
    for days in (0, 29, 40_000, "x"):
        answer = client.put(
            "/api/v1/audit/retention/", {"days": days}, content_type="application/json"
        )
        assert answer.status_code == 400
        client.post(reverse("audit_retention"), {"days": days})
    organization.refresh_from_db()
    assert organization.audit_retention_days is None


def test_old_entries_go_by_the_organizations_policy(owner, organization):
    from orgs.tasks import prune_audit  # noqa: PLC0415

    other = OrganizationFactory()
    _, stranger = person_in(other)
    for actor in (owner, stranger):
        entry_of(actor)
    with no_triggers() as cursor:
        cursor.execute("UPDATE audit_entry SET at = %s", [now() - timedelta(days=100)])
    seal_all(everything=True)
    Organization.objects.filter(pk=organization.pk).update(audit_retention_days=60)

    assert prune_audit() == 1

    assert not Entry.objects.of(organization.pk).filter(action="trial.done").exists()
    assert Entry.objects.of(other.pk).count() == 1
    assert prove(organization.pk).problems == []


def test_the_api_lists_the_events_and_their_fields(client, owner):
    events = {row["name"]: row for row in client.get("/api/v1/audit/events/").json()}

    changed = events["orgs.member.role_changed"]
    assert changed["fields"] == {"user": "string", "before": "string", "after": "string"}
    assert changed["category_label"] == "Organization"


def test_a_key_with_the_scope_reads_and_exports(client, organization, owner):
    token = key_in(organization, "audit.view", "audit.view_all")
    bearer = {"Authorization": f"Bearer {token}"}
    client.logout()

    entry = client.get("/api/v1/audit/", headers=bearer).json()["results"][0]
    shown = client.get(f"/api/v1/audit/{entry['id']}/", headers=bearer).json()
    started = client.post(
        "/api/v1/exports/",
        {"source": "audit", "format": "jsonl", "filters": {"category": "orgs"}},
        content_type="application/json",
        headers=bearer,
    )

    assert shown["seal"] is None
    assert started.status_code == 202
    assert started.json()["filters"] == {"category": "orgs"}


@pytest.fixture
def projects(owner):
    """An open project and a restricted one, with an entry in each."""
    opened = create_project(actor=owner, name="Open")
    closed = create_project(actor=owner, name="Closed", restricted=True)
    for project in (opened, closed):
        entry_of(owner, summary=project.name, project_id=project.pk)
    entry_of(owner, summary="of no project")
    return opened, closed


def trial_entries(actor):
    return {row.summary for row in entries_visible_to(actor).filter(category="trial")}


def test_a_key_reads_its_projects_trail_alone(client, organization, owner, projects):
    opened, closed = projects
    token = key_in(organization, "audit.view", project=opened)
    bearer = {"Authorization": f"Bearer {token}"}
    client.logout()

    found = client.get("/api/v1/audit/", {"event": "trial.*"}, headers=bearer).json()["results"]
    hers = client.get("/api/v1/audit/", {"project_id": str(closed.pk)}, headers=bearer).json()
    wanted = {"source": "audit", "format": "csv", "filters": {"project_id": str(opened.pk)}}
    refused = [
        client.get("/api/v1/audit/statistics/", headers=bearer),
        client.post("/api/v1/exports/", wanted, content_type="application/json", headers=bearer),
    ]

    assert [(row["summary"], row["project_id"]) for row in found] == [("Open", str(opened.pk))]
    assert hers["results"] == []
    assert {answer.status_code for answer in refused} == {403}


def test_an_export_of_everything_is_closed_to_who_does_not_see_everything(
    client, organization, owner, projects
):
    export = start_export(actor=owner, source="audit", fmt="csv")
    finance, _ = person_in(organization, "finance")
    client.force_login(finance)

    answers = [
        client.get(f"/api/v1/exports/{export.pk}/"),
        client.get(f"/exports/{export.pk}/"),
        client.post(f"/exports/{export.pk}/cancel/"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert client.get("/api/v1/exports/").json()["results"] == []


def test_a_person_reads_of_open_projects_and_of_the_whole(organization, owner, projects):
    finance = actor_in(organization, "finance")
    events = set(entries_visible_to(finance).values_list("action", "project_id"))

    assert trial_entries(owner) == {"Open", "Closed", "of no project"}
    assert trial_entries(finance) == {"Open"}
    assert ("orgs.project.created", projects[0].pk) in events
    assert ("orgs.project.created", projects[1].pk) not in events
    assert not sees_whole_trail(finance)


def test_who_is_kept_out_of_nothing_reads_everything(organization, owner):
    opened = create_project(actor=owner, name="Open")
    entry_of(owner, summary="Open", project_id=opened.pk)
    entry_of(owner, summary="of no project")
    finance = actor_in(organization, "finance")

    assert trial_entries(finance) == {"Open", "of no project"}
    assert sees_whole_trail(finance)


def test_the_scope_for_the_whole_trail_is_given_by_who_holds_it(organization, owner):
    with pytest.raises(PermissionRefused):
        create_key(actor=actor_in(organization, "finance"), name="k", scopes=["audit.view_all"])


def test_the_page_of_an_entry_names_its_project(client, owner, projects):
    found = entries_visible_to(owner).get(category="trial", summary="Closed")

    assert "Closed</a>" in text_of(client.get(reverse("audit_entry", args=[found.pk])))


def test_the_page_starts_an_export_of_what_is_found_and_shows_how_far_it_is(client, owner):
    from files.actions import run_export  # noqa: PLC0415
    from files.models import Export  # noqa: PLC0415

    entry_of(owner, summary="red")
    text = text_of(
        client.post(
            reverse("exports"),
            {"source": "audit", "format": "csv", "query": "q=red&category=trial"},
            headers={"HX-Request": "true"},
        )
    )
    export = Export.objects.get()
    assert export.filters == {"q": "red", "category": "trial"}
    assert 'hx-trigger="every 1s"' in text

    run_export(export_id=export.pk)

    after = text_of(client.get(reverse("export", args=[export.pk])))
    assert "hx-trigger" not in after
    file = client.get(reverse("export_download", args=[export.pk]))
    assert b"red" in b"".join(file.streaming_content)
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert text_of(client.get(reverse("exports"))).count("ui-export") == 1


def test_names_of_people_elsewhere_stay_away(client, owner):
    """An entry of ours can only name actors; nobody who never acted here is looked up."""
    stranger = UserFactory(name="Somebody Else")

    assert stranger.name not in text_of(client.get(reverse("audit")))
