"""Workflows over REST: import, versions, publication, runs, their history, cancelling."""

import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from rest_framework.test import APIClient

from audit.models import Entry
from files.actions import open_file
from files.models import StoredFile
from orgs.grants import grant
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from workflows.actions import start_run
from workflows.models import Event, Run, Workflow, WorkflowVersion
from workflows.tests.factories import VersionFactory, approval_flow, flow, node, published
from workflows.tests.import_samples import SUPPORT, within_graph

pytestmark = pytest.mark.django_db

IMPORT = "/api/v1/workflows/import/"
BROKEN = within_graph("""\
    nodes:
    - {id: begin, data: {type: start, title: S, variables: []}}
    - {id: odd, data: {type: teleport, title: T}}
    - {id: done, data: {type: end, title: E, outputs: []}}
    edges:
    - {source: begin, target: nowhere, sourceHandle: source}
    """)


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def client_of(organization, role):
    return client_for(person_in(organization, role)[0])


def client_for(user):
    client = APIClient()
    client.force_login(user)
    return client


def send(client, content, **more):
    raw = content if isinstance(content, bytes) else content.encode()
    body = {"file": SimpleUploadedFile("support.yml", raw), **more}
    return client.post(IMPORT, body, format="multipart")


def nothing_is_stored():
    rooms = (Workflow, WorkflowVersion, StoredFile, Run, Event, Entry)
    return not any(model.objects.exists() for model in rooms)


def runs_of(workflow):
    return f"/api/v1/workflows/{workflow.pk}/runs/"


# -- import


def test_an_import_stores_version_one_and_keeps_the_file_byte_for_byte(client, organization):
    raw = SUPPORT.encode() + b"# a last remark \xc3\xa4\n"

    response = send(client, raw)

    body = response.json()
    assert response.status_code == 201
    assert body["workflow"]["name"] == "Support mail"
    assert (body["version"]["number"], body["report"]["ok"]) == (1, True)
    version = WorkflowVersion.objects.get(pk=body["version"]["id"])
    with open_file(version.source) as kept:
        assert kept.read() == raw
    assert version.source.name == "support.yml"
    assert version.workflow.organization_id == organization.pk
    assert version.workflow.published is None
    entry = Entry.objects.get(action="workflows.version.imported")
    assert entry.trace_id == response.headers["X-Request-ID"]


def test_a_dry_run_reports_and_stores_nothing(client):
    response = send(client, SUPPORT, dry_run="true")

    assert response.status_code == 200
    assert response.json()["report"]["ok"] is True
    assert response.json()["workflow"] is None
    assert nothing_is_stored()


def test_a_dry_run_names_the_faults_too(client):
    response = send(client, BROKEN, dry_run="true")

    assert response.status_code == 200
    assert response.json()["report"]["ok"] is False
    assert nothing_is_stored()


def test_a_file_with_faults_is_refused_with_every_one_of_them(client):
    response = send(client, BROKEN)

    body = response.json()
    assert (response.status_code, body["code"]) == (422, "import_refused")
    faults = body["detail"]["report"]["faults"]
    assert {(fault["code"], fault["line"] is not None) for fault in faults} >= {
        ("unknown_kind", True),
        ("dangling_edge", True),
    }
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"a: [", b"a: &x [*x]", b"!!python/object:os.system {}", b"[" * 5000],
    ids=["empty", "not text", "cut off", "alias", "tag", "deep"],
)
def test_what_is_no_flow_is_a_report_and_never_an_error(client, content):
    response = send(client, content)

    # An empty upload is refused by the form before anybody reads it.
    assert (response.status_code, response.json()["code"]) in {
        (422, "import_refused"),
        (400, "invalid_input"),
    }
    assert nothing_is_stored()


def test_more_than_ten_megabytes_are_refused_whatever_they_say(client):
    for dry_run in ("true", "false"):
        response = send(client, b"#" * (10 * 1024 * 1024 + 1), dry_run=dry_run)

        assert (response.status_code, response.json()["code"]) == (413, "file_too_large")
    assert nothing_is_stored()


def test_control_characters_in_a_file_do_not_break_the_store(client):
    hostile = SUPPORT.replace("name: Support mail", 'name: "Sup\\0port \\ud800 mail"')
    hostile = hostile.replace("title: Draft", 'title: "Dr\\0aft"')

    response = send(client, hostile)

    assert response.status_code in {201, 422}
    if response.status_code == 201:
        assert "\x00" not in Workflow.objects.get().name


def test_the_next_version_of_a_workflow(client):
    first = send(client, SUPPORT).json()

    second = send(
        client, SUPPORT.replace("Draft", "Second draft"), workflow=first["workflow"]["id"]
    )

    assert second.status_code == 201
    assert second.json()["version"]["number"] == 2
    assert second.json()["workflow"]["id"] == first["workflow"]["id"]
    assert second.json()["version"]["checksum"] != first["version"]["checksum"]
    listed = client.get(f"/api/v1/workflows/{first['workflow']['id']}/versions/").json()["results"]
    assert [row["number"] for row in listed] == [2, 1]
    assert "definition" not in listed[0]


def test_a_name_given_with_the_file_wins(client):
    assert send(client, SUPPORT, name="Ours").json()["workflow"]["name"] == "Ours"


def test_a_member_cannot_import(organization):
    response = send(client_of(organization, "member"), SUPPORT)

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert nothing_is_stored()


def test_importing_into_a_workflow_of_others_finds_nothing(client):
    theirs = published(approval_flow())

    response = send(client, SUPPORT, workflow=str(theirs.pk))

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    theirs.refresh_from_db()
    assert theirs.latest_number == 1
    assert not StoredFile.objects.exists()


def test_a_version_shows_its_definition(client):
    made = send(client, SUPPORT).json()["version"]

    shown = client.get(f"/api/v1/versions/{made['id']}/").json()

    assert [each["type"] for each in shown["definition"]["nodes"]] == ["start", "llm", "end"]


# -- publication


def test_publishing_the_latest_version_and_repeating_it(client):
    workflow = send(client, SUPPORT).json()["workflow"]["id"]

    first = client.post(f"/api/v1/workflows/{workflow}/publish/")
    again = client.post(f"/api/v1/workflows/{workflow}/publish/")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["published_at"]
    assert client.get(f"/api/v1/workflows/{workflow}/").json()["published_number"] == 1
    assert Entry.objects.filter(action="workflows.version.published").count() == 1


def test_an_earlier_version_can_be_published_again(client, organization):
    workflow = published(approval_flow(), organization)
    second = VersionFactory(workflow=workflow, number=2)
    address = f"/api/v1/workflows/{workflow.pk}/publish/"

    client.post(address, {"version": str(second.pk)})
    back = client.post(address, {"version": str(workflow.published_id)})

    assert back.status_code == 200
    workflow.refresh_from_db()
    assert workflow.published.number == 1


def test_tools_that_lead_nowhere_keep_a_version_from_being_published(client, organization):
    unbound = [{"node_id": "t", "title": "T", "tool": "search", "provider": "bing"}]
    version = VersionFactory(
        workflow__organization=organization, report={"ok": True, "unbound": unbound}
    )

    response = client.post(f"/api/v1/workflows/{version.workflow_id}/publish/")

    assert (response.status_code, response.json()["code"]) == (409, "unbound_tools")
    assert response.json()["detail"]["tools"] == unbound
    version.workflow.refresh_from_db()
    assert version.workflow.published is None
    assert not Entry.objects.exists()


def test_a_version_of_another_workflow_is_not_found(client, organization):
    workflow, other = (published(approval_flow(), organization) for _ in range(2))

    response = client.post(
        f"/api/v1/workflows/{workflow.pk}/publish/", {"version": str(other.published_id)}
    )

    assert response.status_code == 404
    workflow.refresh_from_db()
    assert workflow.published_id != other.published_id


def test_a_member_cannot_publish(organization):
    version = VersionFactory(workflow__organization=organization)

    response = client_of(organization, "member").post(
        f"/api/v1/workflows/{version.workflow_id}/publish/"
    )

    assert response.status_code == 403
    version.workflow.refresh_from_db()
    assert version.workflow.published is None


# -- starting


def form_flow():
    """A start node with a variable of every kind."""
    variables = [
        {"variable": "title", "type": "text-input", "required": True, "max_length": 5},
        {"variable": "amount", "type": "number", "required": False},
        {"variable": "urgent", "type": "checkbox", "required": True},
        {"variable": "tone", "type": "select", "options": ["kind", "curt"], "default": "kind"},
        {"variable": "more", "type": "json_object"},
    ]
    return flow(
        [node("start", "start", variables=variables), node("end", "end")], [("start", "end")]
    )


def test_inputs_are_checked_all_at_once(client, organization):
    workflow = published(form_flow(), organization)
    wrong = {
        "amount": "many",
        "urgent": "yes",
        "tone": "loud",
        "more": [1],
        "nobody": "x",
    }

    response = client.post(runs_of(workflow), {"inputs": wrong}, format="json")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_run_input")
    assert response.json()["detail"]["fields"] == {
        "title": "required",
        "amount": "not_a_number",
        "urgent": "not_a_boolean",
        "tone": "not_an_option",
        "more": "not_an_object",
        "nobody": "unknown",
    }
    assert not Run.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ({"title": "sixsix"}, {"title": "too_long"}),
        ({"title": ["x"]}, {"title": "not_a_text"}),
        ({"title": "x", "amount": True}, {"amount": "not_a_number"}),
        ({"title": "x", "amount": "nan"}, {"amount": "not_a_number"}),
        ({"title": "x", "amount": "1e999"}, {"amount": "not_a_number"}),
    ],
)
def test_one_wrong_input_is_named(client, organization, inputs, fields):
    workflow = published(form_flow(), organization)

    response = client.post(runs_of(workflow), {"inputs": inputs}, format="json")

    assert response.json()["detail"]["fields"] == fields
    assert not Run.objects.exists()


def test_right_inputs_start_a_run_with_defaults_and_numbers(client, organization):
    workflow = published(form_flow(), organization)
    given = {"title": "Hello", "amount": "12.5", "urgent": False, "more": {"a": None}}

    response = client.post(runs_of(workflow), {"inputs": given}, format="json")

    assert response.status_code == 201
    assert response.json()["state"] == "queued"
    assert response.json()["inputs"] == {**given, "amount": 12.5, "tone": "kind"}
    assert response.json()["trace_id"] == response.headers["X-Request-ID"]
    run = Run.objects.get(public_id=response.json()["id"])
    assert list(Event.objects.filter(run=run).values_list("seq", "kind")) == [(1, "run.queued")]
    assert Entry.objects.get(action="workflows.run.started").target_id == str(run.public_id)


def test_inputs_no_database_can_hold_are_made_harmless(client, organization):
    workflow = published(approval_flow(), organization)

    response = client.post(
        runs_of(workflow),
        b'{"inputs": {"what": "a\\u0000b\\ud800"}}',
        content_type="application/json",
    )

    assert response.status_code in {201, 400}
    assert all("\x00" not in run.inputs["what"] for run in Run.objects.all())


@pytest.mark.parametrize(
    "raw",
    [b'{"inputs": [1]}', b'{"inputs": "x"}', b"[]", b"{", b'{"query": {}}', b'{"version": "x"}'],
)
def test_a_malformed_body_is_a_plain_refusal(client, organization, raw):
    workflow = published(approval_flow(), organization)

    response = client.post(runs_of(workflow), raw, content_type="application/json")

    assert response.status_code == 400
    assert set(response.json()) == {"code", "message", "detail", "trace_id"}
    assert not Run.objects.exists()


def test_a_start_node_with_odd_settings_does_not_break_the_check(client, organization):
    variables = [{"variable": "what", "type": "text-input", "max_length": "many", "options": 7}]
    workflow = published(
        flow([node("start", "start", variables=variables), node("end", "end")], [("start", "end")]),
        organization,
    )

    response = client.post(runs_of(workflow), {"inputs": {"what": "x"}}, format="json")

    assert response.status_code == 201


# -- the idempotency key


def keyed(client, workflow, what="x", key="order-7", **headers):
    return client.post(
        runs_of(workflow),
        {"inputs": {"what": what}},
        format="json",
        headers={"Idempotency-Key": key, **headers},
    )


def test_the_same_key_answers_with_the_same_run(client, organization):
    workflow = published(approval_flow(), organization)

    first, again = keyed(client, workflow), keyed(client, workflow)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert (Run.objects.count(), Event.objects.count(), Entry.objects.count()) == (1, 1, 1)


def test_the_key_of_another_request_is_refused(client, organization):
    workflow = published(approval_flow(), organization)
    first = keyed(client, workflow)

    for response in (
        keyed(client, workflow, what="y"),
        keyed(client, published(approval_flow(), organization)),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "idempotency_mismatch")
        assert response.json()["detail"]["run"] == first.json()["id"]
    assert Run.objects.count() == 1


def test_another_organization_may_use_the_same_key(client, organization):
    keyed(client, published(approval_flow(), organization))
    elsewhere = OrganizationFactory()

    other = keyed(client_of(elsewhere, "builder"), published(approval_flow(), elsewhere))

    assert other.status_code == 201
    assert Run.objects.count() == 2


def test_a_key_that_is_too_long_is_refused(client, organization):
    response = keyed(client, published(approval_flow(), organization), key="k" * 121)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_key_start_one_run(organization):
    workflow = published(approval_flow(), organization)
    actor = actor_in(organization, "builder")
    barrier, found = threading.Barrier(4), []

    def start():
        try:
            barrier.wait(5)
            run = start_run(
                actor=actor,
                workflow_id=workflow.pk,
                inputs={"what": "x"},
                idempotency_key="order-7",
            )
            found.append(run.public_id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(found) == 4
    assert len(set(found)) == 1
    assert (Run.objects.count(), Event.objects.count()) == (1, 1)


# -- who may run what


def test_a_member_runs_what_is_published_but_no_draft(organization):
    client = client_of(organization, "member")
    draft = VersionFactory(workflow__organization=organization)
    live = published(approval_flow(), organization)
    newer = VersionFactory(workflow=live, number=2)

    refused = [
        client.post(runs_of(draft.workflow), {"inputs": {"what": "x"}}, format="json"),
        client.post(
            runs_of(live), {"inputs": {"what": "x"}, "version": str(newer.pk)}, format="json"
        ),
    ]

    assert [(r.status_code, r.json()["code"]) for r in refused] == [(409, "not_published")] * 2
    assert not Run.objects.exists()
    assert keyed(client, live).status_code == 201


def test_a_builder_runs_the_latest_draft(client, organization):
    draft = VersionFactory(workflow__organization=organization)

    response = keyed(client, draft.workflow)

    assert (response.status_code, response.json()["version"]) == (201, str(draft.pk))


@pytest.mark.parametrize(("right", "status"), [("view", 403), ("run", 201), ("edit", 201)])
def test_a_guest_runs_what_was_shared_for_running(organization, right, status):
    workflow, hidden = (published(approval_flow(), organization) for _ in range(2))
    user, _ = person_in(organization, "guest")
    grant(
        actor=actor_in(organization),
        obj=workflow,
        user_id=user.pk,
        right=right,
        verb="workflow.edit",
    )
    client = client_for(user)

    response = keyed(client, workflow)

    assert response.status_code == status
    assert Run.objects.count() == (status == 201)
    assert keyed(client, hidden, key="two").status_code == 404
    listed = client.get("/api/v1/workflows/").json()["results"]
    assert [row["id"] for row in listed] == [str(workflow.pk)]
    assert len(client.get("/api/v1/runs/").json()["results"]) == (status == 201)


def test_a_key_starts_runs_in_its_own_name(organization):
    workflow = published(approval_flow(), organization)
    token = key_in(organization, "workflow.run", "workflow.view")
    client = APIClient(headers={"Authorization": f"Bearer {token}"})

    response = keyed(client, workflow)

    run = Run.objects.get(public_id=response.json()["id"])
    assert run.started_by_id is None
    assert run.api_key_id is not None


# -- lists


def make_runs(organization, count, workflow=None, **fields):
    workflow = workflow or published(approval_flow(), organization)
    return Run.objects.bulk_create(
        Run(
            organization=organization,
            workflow=workflow,
            version_id=workflow.published_id,
            trigger="api",
            trace_id=f"{number:032x}",
            **fields,
        )
        for number in range(count)
    )


def test_runs_are_listed_newest_first_page_by_page(client, organization):
    made = make_runs(organization, 7)
    make_runs(OrganizationFactory(), 3)

    seen, address = [], "/api/v1/runs/?limit=3"
    while address:
        page = client.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]

    assert seen == [str(run.public_id) for run in reversed(made)]


def test_a_list_of_runs_can_be_narrowed(client, organization):
    wanted = published(approval_flow(), organization)
    make_runs(organization, 2, state="failed")
    (one,) = make_runs(organization, 1, wanted, state="succeeded")

    for query in (
        {"state": "succeeded"},
        {"workflow": str(wanted.pk)},
        {"trace_id": one.trace_id, "state": "succeeded"},
    ):
        rows = client.get("/api/v1/runs/", query).json()["results"]
        assert [row["id"] for row in rows] == [str(one.public_id)], query


@pytest.mark.parametrize(
    "query",
    [
        {"workflow": "x"},
        {"state": "a\x00b"},
        {"trace_id": "\x00"},
        {"cursor": "%%%"},
        {"limit": "x"},
    ],
)
def test_an_odd_filter_is_refused_or_finds_nothing(client, organization, query):
    make_runs(organization, 1)

    response = client.get("/api/v1/runs/", query)

    assert response.status_code in {200, 400, 404}


def test_an_odd_name_finds_no_workflow(client, organization):
    published(approval_flow(), organization)

    response = client.get("/api/v1/workflows/", {"name": "a\x00b"})

    assert response.status_code in {200, 400}


@pytest.mark.parametrize("address", ["/api/v1/runs/", "/api/v1/workflows/"])
def test_a_longer_list_takes_no_more_queries(client, organization, address):
    def queries():
        from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

        with CaptureQueriesContext(connection) as found:
            assert client.get(address).status_code == 200
        return len(found)

    make_runs(organization, 1)
    few = queries()
    for _ in range(5):
        make_runs(organization, 3)

    assert queries() == few


def test_the_list_does_not_fetch_definitions(client, organization, django_assert_num_queries):
    make_runs(organization, 3)

    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as found:
        client.get("/api/v1/runs/")

    assert not any('"definition"' in query["sql"] for query in found)


def test_workflows_are_found_by_name(client, organization):
    wanted = VersionFactory(workflow__organization=organization, workflow__name="Refunds").workflow
    VersionFactory(workflow__organization=organization)

    rows = client.get("/api/v1/workflows/", {"name": "fund"}).json()["results"]

    assert [row["id"] for row in rows] == [str(wanted.pk)]


@pytest.mark.parametrize("pk", ["x", "0192f0c1-0000-7000-8000-000000000001", "%00"])
def test_an_id_that_is_none_is_not_found(client, pk):
    for address in (f"/api/v1/workflows/{pk}/", f"/api/v1/versions/{pk}/", f"/api/v1/runs/{pk}/"):
        assert client.get(address).status_code == 404
