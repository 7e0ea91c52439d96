"""The pages of workflows: what they show, whom they refuse, and that nothing slips through raw."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.timezone import now

from audit.models import Entry
from files.models import StoredFile
from orgs.actions import create_project
from orgs.grants import grant
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.models import Event, Run, RunWait, Step, Workflow
from workflows.tests.factories import (
    VersionFactory,
    WorkflowFactory,
    approval_flow,
    make_runs,
    published,
)
from workflows.tests.import_samples import SUPPORT
from workflows.tests.test_import_api import BROKEN

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory(name="Northwind")


@pytest.fixture
def client(organization):
    return client_of(organization, "builder")


def client_of(organization, role):
    client = Client()
    client.force_login(person_in(organization, role)[0])
    return client


def text_of(response, status=200):
    assert response.status_code == status
    return response.content.decode()


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def upload(content=SUPPORT):
    raw = content if isinstance(content, bytes) else content.encode()
    return SimpleUploadedFile("support.yml", raw)


def finished_run(organization, workflow=None, **fields):
    """A run with a step, a history and an error: everything its page can show."""
    (run,) = make_runs(organization, 1, workflow)
    fields = {"state": "failed", "inputs": {}, "outputs": {}, **fields}
    Run.objects.filter(pk=run.pk).update(seq=2, started_at=now(), ended_at=now(), **fields)
    common = {"organization_id": organization.pk, "run": run}
    Event.objects.create(**common, seq=1, kind="run.queued", at=now())
    Event.objects.create(**common, seq=2, kind="node.failed", node_id="start", at=now())
    Step.objects.create(
        **common,
        node_id="start",
        kind="start",
        status="failed",
        inputs=fields["inputs"],
        outputs=fields["outputs"] or {},
        error=str(fields.get("error") or ""),
        started_at=now(),
        ended_at=now(),
    )
    run.refresh_from_db()
    return run


# -- what pages show


def test_the_list_shows_every_workflow_with_its_runs(client, organization):
    workflow = published(approval_flow(), organization)
    make_runs(organization, 3, workflow)
    theirs = WorkflowFactory()

    text = text_of(client.get("/workflows/"))

    assert workflow.name in text
    assert f"/workflows/{workflow.pk}/" in text
    assert theirs.name not in text.replace(workflow.name, "")
    assert "/workflows/import/" in text
    assert '<td class="r ui-num">3</td>' in text


def test_an_empty_list_says_how_to_begin(organization):
    assert "/workflows/import/" in text_of(client_of(organization, "builder").get("/workflows/"))
    member = text_of(client_of(organization, "member").get("/workflows/"))
    assert "/workflows/import/" not in member


def test_a_filter_keeps_what_matches_and_says_when_nothing_does(client, organization):
    VersionFactory(workflow__organization=organization, workflow__name="Refunds")

    assert "Refunds" in text_of(client.get("/workflows/", {"q": "fund"}))
    nothing = text_of(client.get("/workflows/", {"q": "nobody"}))
    assert "Refunds" not in nothing
    assert "No workflow matches" in nothing


def test_htmx_gets_the_rows_alone(client, organization):
    published(approval_flow(), organization)

    for address in ("/workflows/", "/runs/"):
        text = text_of(client.get(address, headers={"HX-Request": "true"}))
        assert "<html" not in text
        assert "ui-card" in text


def test_the_page_of_a_workflow_shows_graph_versions_and_the_form(client, organization):
    workflow = published(approval_flow(), organization)
    VersionFactory(workflow=workflow, number=2)

    text = text_of(client.get(f"/workflows/{workflow.pk}/"))

    for item in ('data-node="start"', 'data-node="ask"', 'id="run-dialog"', "input-what"):
        assert item in text
    assert "?version=2" in text
    draft = text_of(client.get(f"/workflows/{workflow.pk}/", {"version": "2"}))
    assert f"/workflows/{workflow.pk}/publish/" in draft
    assert f"/workflows/{workflow.pk}/publish/" not in text


def test_a_workflow_without_a_version_can_be_looked_at(client, organization):
    workflow = WorkflowFactory(organization=organization)

    assert 'id="run-dialog"' not in text_of(client.get(f"/workflows/{workflow.pk}/"))


def test_the_page_of_a_run_shows_its_state_cause_and_nodes(client, organization):
    error = {"code": "upstream_error", "message": "The provider said no.", "node_id": "start"}
    run = finished_run(organization, inputs={"what": "the invoice"}, error=error)

    text = text_of(client.get(f"/runs/{run.public_id}/"))
    fragment = text_of(client.get(f"/runs/{run.public_id}/node/", {"node": "start"}))
    result = text_of(client.get(f"/runs/{run.public_id}/result/"))

    for item in ("upstream_error", "The provider said no.", 'data-live="0"', run.trace_id):
        assert item in text
    assert "/cancel/" not in text
    assert "the invoice" in fragment
    assert "<html" not in fragment + result
    assert "upstream_error" in result


def test_a_run_under_way_can_be_cancelled_by_who_may(client, organization):
    (run,) = make_runs(organization, 1)

    assert "/cancel/" in text_of(client.get(f"/runs/{run.public_id}/"))
    member = client_of(organization, "member")
    assert "/cancel/" not in text_of(member.get(f"/runs/{run.public_id}/"))


def test_a_waiting_run_leads_to_the_inbox(client, organization):
    (run,) = make_runs(organization, 1)
    RunWait.objects.create(
        organization_id=organization.pk, run=run, node_id="ask", kind="human", key="k"
    )

    assert 'href="/inbox/"' in text_of(client.get(f"/runs/{run.public_id}/result/"))


def test_runs_go_on_on_the_next_page(client, organization):
    made = make_runs(organization, 27)

    first = text_of(client.get("/runs/"))
    rest = text_of(client.get("/runs/", {"before": made[2].pk}))

    assert str(made[-1].public_id) in first
    assert f"before={made[2].pk}" in first
    assert str(made[1].public_id) in rest
    assert str(made[2].public_id) not in rest


def test_the_trace_page_finds_and_says_when_it_does_not(client, organization):
    run = finished_run(organization)

    # A trace id as it is pasted: capitals and hyphens do not matter.
    pasted = run.trace_id.upper()
    assert str(run.public_id) in text_of(
        client.get("/trace/", {"id": f" {pasted[:8]}-{pasted[8:]} "})
    )
    assert "Nothing carries this id" in text_of(client.get("/trace/", {"id": "f" * 32}))
    assert "One id finds everything" in text_of(client.get("/trace/"))


# -- guests


def test_a_guest_sees_only_what_was_shared(organization):
    shared, hidden = (published(approval_flow(), organization) for _ in range(2))
    (run,) = make_runs(organization, 1, shared)
    (other,) = make_runs(organization, 1, hidden)
    user, _ = person_in(organization, "guest")
    grant(
        actor=actor_in(organization),
        obj=shared,
        user_id=user.pk,
        right="view",
        verb="workflow.edit",
    )
    client = Client()
    client.force_login(user)

    listed = text_of(client.get("/workflows/"))
    runs = text_of(client.get("/runs/"))
    page = text_of(client.get(f"/workflows/{shared.pk}/"))

    assert f"/workflows/{shared.pk}/" in listed
    assert f"/workflows/{hidden.pk}/" not in listed
    assert str(run.public_id) in runs
    assert str(other.public_id) not in runs
    assert 'id="run-dialog"' not in page
    assert client.get(f"/runs/{run.public_id}/").status_code == 200
    for address in (f"/workflows/{hidden.pk}/", f"/runs/{other.public_id}/"):
        assert client.get(address).status_code == 404
    refused = client.post(
        f"/workflows/{shared.pk}/start/", {"version": shared.published_id, "input-what": "x"}
    )
    assert refused.status_code == 403
    assert Run.objects.count() == 2


def sharing_a_project(organization, right, role="guest"):
    """(client of a new person, the project they hold `right` on)."""
    project = create_project(actor=actor_in(organization), name="Theirs")
    user, _ = person_in(organization, role)
    owner, verb = actor_in(organization), "project.manage"
    grant(actor=owner, obj=project, user_id=user.pk, right=right, verb=verb)
    client = Client()
    client.force_login(user)
    return client, project


def test_a_guest_who_may_edit_in_a_project_imports_into_it(organization):
    client, project = sharing_a_project(organization, "edit")

    assert "/workflows/import/" in text_of(client.get("/workflows/"))
    form = text_of(client.get("/workflows/import/"))
    assert f'name="project" value="{project.pk}"' in form
    given = {"file": upload(), "import": "1"}
    response = client.post("/workflows/import/", {**given, "project": str(project.pk)})
    refused = client.post("/workflows/import/", given)

    made = Workflow.objects.get()
    assert (response.status_code, response.url) == (302, f"/workflows/{made.pk}/")
    assert made.project_id == project.pk
    assert refused.status_code == 403


def test_a_member_chooses_among_projects_they_may_edit_in(organization):
    client, theirs = sharing_a_project(organization, "edit", "member")
    owner = actor_in(organization)
    other = create_project(actor=owner, name="Only seen")

    form = text_of(client.get("/workflows/import/"))

    assert str(theirs.pk) in form
    assert str(other.pk) not in form


@pytest.mark.parametrize("right", ["run", "approve"])
def test_a_guest_with_a_weaker_right_on_a_project_imports_nothing(organization, right):
    client, project = sharing_a_project(organization, right)

    assert "/workflows/import/" not in text_of(client.get("/workflows/"))
    given = {"file": upload(), "project": str(project.pk)}
    answers = [
        client.get("/workflows/import/"),
        client.post("/workflows/import/", {**given, "import": "1"}),
        client.post("/workflows/import/", {**given, "check": "1"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert not Workflow.objects.exists()


# -- writing


def test_an_import_leads_to_the_workflow(client):
    response = client.post("/workflows/import/", {"file": upload(), "name": "Ours", "import": "1"})

    workflow = Workflow.objects.get()
    assert (response.status_code, response.url) == (302, f"/workflows/{workflow.pk}/")
    assert workflow.name == "Ours"
    assert "Ours" in said(response)[0]


def test_checking_shows_the_report_and_a_preview_and_stores_nothing(client):
    response = client.post("/workflows/import/", {"file": upload(), "check": "1"})

    text = text_of(response)
    assert 'id="report"' in text
    assert 'data-node="draft"' in text
    assert not Workflow.objects.exists()
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(("button", "status"), [("import", 422), ("check", 200)])
def test_faults_are_shown_with_node_and_line(client, button, status):
    response = client.post("/workflows/import/", {"file": upload(BROKEN), button: "1"})

    text = text_of(response, status)
    for item in ('id="report"', "unknown_kind", "dangling_edge", "odd"):
        assert item in text
    assert not Workflow.objects.exists()
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("button", ["import", "check"])
def test_a_file_that_is_too_large_or_missing_is_named(client, button):
    large = upload(b"#" * (10 * 1024 * 1024 + 1))

    for given in ({}, {"file": large}):
        response = client.post("/workflows/import/", {**given, button: "1"}, follow=True)
        assert response.status_code == 200
        assert "ui-toast" in response.content.decode()
    assert not Workflow.objects.exists()


def test_a_run_is_started_from_the_form(client, organization):
    workflow = published(approval_flow(), organization)

    response = client.post(
        f"/workflows/{workflow.pk}/start/",
        {"version": workflow.published_id, "input-what": "the invoice"},
    )

    run = Run.objects.get()
    assert response.url == f"/runs/{run.public_id}/"
    assert (run.inputs, run.trigger) == ({"what": "the invoice"}, "manual")


def test_a_run_is_started_for_later_from_the_form(client, organization):
    workflow = published(approval_flow(), organization)
    given = {"version": workflow.published_id, "input-what": "x"}
    address = f"/workflows/{workflow.pk}/start/"

    later = (now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    client.post(address, given | {"not_before": later})
    run = Run.objects.get()
    assert (run.state, run.not_before > now() + timedelta(days=1)) == ("scheduled", True)

    for wrong in ("soon", "2100-01-01T00:00"):
        response = client.post(address, given | {"not_before": wrong})
        assert response.url == f"/workflows/{workflow.pk}/"
        assert said(response)
    assert Run.objects.count() == 1


def test_wrong_inputs_are_named_and_start_nothing(client, organization):
    workflow = published(approval_flow(), organization)

    response = client.post(
        f"/workflows/{workflow.pk}/start/", {"version": workflow.published_id, "input-what": ""}
    )

    assert response.url == f"/workflows/{workflow.pk}/"
    assert "what" in said(response)[0]
    assert not Run.objects.exists()


def test_a_refused_publication_says_why(client, organization):
    version = VersionFactory(
        workflow__organization=organization,
        report={"ok": True, "unbound": [{"node_id": "t", "title": "T", "tool": "s"}]},
    )
    address = f"/workflows/{version.workflow_id}/"

    response = client.post(
        f"{address}publish/",
        {"version": version.pk},
        headers={"Referer": f"http://testserver{address}"},
    )

    assert response.status_code == 302
    assert "Bind these tools" in said(response)[0]
    version.workflow.refresh_from_db()
    assert version.workflow.published is None
    assert not Entry.objects.exists()


def test_a_refused_cancel_says_why_and_changes_nothing(client, organization):
    run = finished_run(organization)
    before = list(Run.objects.values())

    response = client.post(f"/runs/{run.public_id}/cancel/")

    assert response.status_code == 302
    assert "over already" in said(response)[0]
    assert list(Run.objects.values()) == before


def test_cancelling_keeps_the_reason(client, organization):
    (run,) = make_runs(organization, 1)

    client.post(f"/runs/{run.public_id}/cancel/", {"reason": "not\x00 needed"})

    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert run.error["message"].replace("�", "") == "not needed"


@pytest.mark.parametrize("role", ["member", "approver", "finance"])
def test_a_lesser_role_is_refused_and_nothing_changes(organization, role):
    version = VersionFactory(workflow__organization=organization)
    (run,) = make_runs(organization, 1)
    client = client_of(organization, role)
    workflow = f"/workflows/{version.workflow_id}"

    answers = [
        client.get("/workflows/import/"),
        client.post("/workflows/import/", {"file": upload(), "import": "1"}),
        client.post(f"{workflow}/publish/", {"version": version.pk}),
        client.post(f"/runs/{run.public_id}/cancel/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert (Workflow.objects.count(), Run.objects.get().state) == (2, "queued")
    version.workflow.refresh_from_db()
    assert version.workflow.published is None


def test_a_member_cannot_start_a_draft_from_the_page(organization):
    version = VersionFactory(workflow__organization=organization)
    client = client_of(organization, "member")

    response = client.post(
        f"/workflows/{version.workflow_id}/start/", {"version": version.pk, "input-what": "x"}
    )

    assert response.status_code == 302
    assert said(response)
    assert not Run.objects.exists()


# -- cost of lists


@pytest.mark.parametrize("address", ["/workflows/", "/runs/", "/"])
def test_longer_lists_take_no_more_queries(
    client, organization, address, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(40) as found:
            assert client.get(address).status_code == 200
        return len(found)

    make_runs(organization, 1)
    client.get(address)
    few = queries()
    for _ in range(6):
        make_runs(organization, 3)

    assert queries() <= few


def test_a_long_history_takes_no_more_queries(client, organization, django_assert_max_num_queries):
    run = finished_run(organization)
    with django_assert_max_num_queries(25) as found:
        client.get(f"/runs/{run.public_id}/")
    few = len(found)
    Event.objects.bulk_create(
        Event(organization_id=organization.pk, run=run, seq=seq, kind="node.started", at=now())
        for seq in range(3, 300)
    )

    with django_assert_max_num_queries(few):
        assert client.get(f"/runs/{run.public_id}/").status_code == 200
