"""What operators see and may do with workflows and runs in the console."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import UserFactory
from audit.models import Entry
from orgs.tests.factories import OrganizationFactory
from workflows.models import Event, Run, Workflow
from workflows.tests.factories import approval_flow, make_runs, published
from workflows.tests.test_pages import finished_run, said

pytestmark = pytest.mark.django_db
RUNS = "admin:workflows_run_changelist"


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def operator():
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def client(operator):
    return client_for(operator)


def client_for(user):
    client = Client()
    client.force_login(user)
    return client


def cancel(client, *runs):
    return client.post(
        reverse(RUNS), {"action": "cancel", "_selected_action": [run.pk for run in runs]}
    )


def test_an_operator_cancels_what_runs_and_hears_what_is_over(client, operator, organization):
    (live,) = make_runs(organization, 1)
    over = finished_run(organization)
    before = Run.objects.filter(pk=over.pk).values().get()

    response = cancel(client, live, over)

    live.refresh_from_db()
    assert live.state == Run.State.CANCELLED
    assert Run.objects.filter(pk=over.pk).values().get() == before
    assert any("over already" in text for text in said(response))
    entry = Entry.objects.get(action="workflows.run.cancelled")
    assert (entry.organization_id, entry.target_id) == (organization.pk, str(live.public_id))
    assert entry.actor_id == operator.pk


def test_who_may_only_look_cancels_nothing(organization):
    looker = UserFactory(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_run"))
    (run,) = make_runs(organization, 1)
    client = client_for(looker)

    response = cancel(client, run)

    run.refresh_from_db()
    assert client.get(reverse(RUNS)).status_code == 200
    assert response.status_code in {200, 302}
    assert run.state == Run.State.QUEUED
    assert not Event.objects.exists()


def test_a_workflow_is_renamed_and_not_otherwise_changed(client, organization):
    workflow = published(approval_flow(), organization)
    address = reverse("admin:workflows_workflow_change", args=[workflow.pk])

    response = client.post(
        address,
        {
            "name": "Renamed",
            "description": "",
            "mode": "advanced-chat",
            "latest_number": "9",
            "published": "",
            "versions-TOTAL_FORMS": "0",
            "versions-INITIAL_FORMS": "0",
            "grants-TOTAL_FORMS": "0",
            "grants-INITIAL_FORMS": "0",
            "team_grants-TOTAL_FORMS": "0",
            "team_grants-INITIAL_FORMS": "0",
        },
    )

    assert response.status_code == 302
    after = Workflow.objects.get()
    assert after.name == "Renamed"
    assert (after.mode, after.latest_number, after.published_id) == (
        "workflow",
        1,
        workflow.published_id,
    )


@pytest.mark.parametrize("name", ["public_id", "trace_id"])
def test_a_run_is_found_by_what_people_paste(client, organization, name):
    wanted = make_runs(organization, 3)[1]

    text = client.get(reverse(RUNS), {"q": str(getattr(wanted, name))}).content.decode()

    assert str(wanted.public_id) in text
    assert text.count("/admin/workflows/run/") < 20
    others = Run.objects.exclude(pk=wanted.pk)
    assert all(str(run.public_id) not in text for run in others)
