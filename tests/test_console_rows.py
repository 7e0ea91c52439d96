"""The console with rows in it: lists, search, every filter, every form; what happened stays."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from accounts.models import Letter, SecurityEvent, TokenFamily
from accounts.tests.factories import UserFactory
from audit.models import Entry
from billing.models import Hold, LedgerEntry, UsageRecord
from core.ids import uuid7
from orgs.models import Organization
from tests.worlds import make_world, snapshot_of
from workflows.models import Event, Run, Step, WorkerProcess, Workflow

pytestmark = pytest.mark.django_db
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
WRITTEN_BY_THE_SYSTEM = (Entry, LedgerEntry, UsageRecord, Hold, Event, Run, Letter)
PER_FILTER = 2
"""Choices tried of each filter: the first that narrow."""


def name_of(model):
    return model._meta.label_lower


def place(model, view, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


@pytest.fixture
def operator():
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def client(operator):
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def world():
    return make_world("NORTHWIND")


@pytest.fixture
def rows(world, operator):
    """At least one row of every registered model."""
    EmailAddress.objects.create(user=operator, email=operator.email, verified=True, primary=True)
    Authenticator.objects.create(user=operator, type="totp", data={"secret": "x"})
    UserSession.objects.create(user=operator, ip="127.0.0.1", session_key="k", user_agent="a")
    Group.objects.create(name="Operators")
    ClockedSchedule.objects.create(clocked_time=now())
    CrontabSchedule.objects.create(minute="5")
    interval = IntervalSchedule.objects.create(every=5, period="seconds")
    PeriodicTask.objects.create(name="tick", task="workflows.tasks.sweep", interval=interval)
    SecurityEvent.objects.create(user_id=operator.pk, kind="signed_in")
    TokenFamily.objects.create(
        user=operator, session_key="k", current=uuid7(), issued_at=now(), expires_at=now()
    )
    WorkerProcess.objects.create(host="h", pid=1, alive_until=now())
    return world


def newest(model):
    """The latest row; of groups the operators' own, for those of teams are not shown."""
    return model._default_manager.order_by("-pk").first()


def request_of(user, path="/admin/", **query):
    request = RequestFactory().get(path, query)
    request.user = user
    return request


def choices_of(model, user):
    """The query strings that the filters of a list offer."""
    registered = admin.site._registry[model]
    changes = registered.get_changelist_instance(request_of(user))
    for spec in changes.filter_specs:
        given = [choice for choice in spec.choices(changes) if "query_string" in choice]
        yield from (choice["query_string"] for choice in given[1 : 1 + PER_FILTER])
        for name in spec.expected_parameters():
            # Ranges have no choices but fields to type in.
            if not given:
                yield f"?{name}=2026-01-01"


def failing(client, addresses, expected=frozenset({200})):
    answers = {address: client.get(address).status_code for address in addresses}
    return {address: status for address, status in answers.items() if status not in expected}


def test_every_list_with_rows_shows_searches_and_narrows(client, operator, rows):
    words = [f"NORTHWIND%20{rows.rows.run.public_id}", "%22%00"]
    addresses = []
    for model in REGISTERED:
        listing = place(model, "changelist")
        assert client.get(listing).context["cl"].result_count >= 1, f"no row of {model}"
        addresses += [f"{listing}?q={word}" for word in words]
        addresses += [f"{listing}{query}" for query in choices_of(model, operator)]

    assert failing(client, addresses) == {}


def test_every_column_sorts(client, rows):
    addresses = []
    for model in REGISTERED:
        columns = range(1, 1 + len(admin.site._registry[model].get_list_display(request_of(None))))
        addresses.append(f"{place(model, 'changelist')}?o={'.'.join(map(str, columns))}")

    assert failing(client, addresses) == {}


def test_every_row_opens_with_its_history(client, rows):
    addresses = []
    for model in REGISTERED:
        pk = newest(model).pk
        addresses += [place(model, "change", pk), place(model, "history", pk)]

    assert failing(client, addresses) == {}


def test_a_row_that_is_not_there_leads_back(client, rows):
    odd = ("x", "999999999", "9" * 30, "0192f0c1-0000-7000-8000-000000000001")
    addresses = [place(model, "change", pk) for model in REGISTERED for pk in odd]

    assert failing(client, addresses, {302, 404}) == {}


@pytest.mark.parametrize("model", WRITTEN_BY_THE_SYSTEM, ids=name_of)
def test_nobody_adds_changes_or_deletes_what_the_system_wrote(client, rows, model):
    row = newest(model)
    before = list(model._default_manager.order_by("pk").values())
    whole = {
        field.name: field.value_to_string(row)
        for field in model._meta.fields
        if not field.is_relation and getattr(row, field.attname) is not None
    }

    answers = [
        client.get(place(model, "add")),
        client.post(place(model, "add"), whole),
        client.post(place(model, "change", row.pk), {**whole, "_save": "1"}),
        client.get(place(model, "delete", row.pk)),
        client.post(place(model, "delete", row.pk), {"post": "yes"}),
    ]
    client.post(
        place(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )

    assert [answer.status_code for answer in answers] == [403] * 5
    assert list(model._default_manager.order_by("pk").values()) == before


def test_a_run_shows_its_steps_and_nobody_edits_them(client, rows):
    step, run = rows.rows.step, rows.rows.run
    before = list(Step.objects.values())

    shown = client.get(place(Run, "change", run.pk)).content.decode()
    answer = client.post(
        place(Run, "change", run.pk),
        {
            "steps-TOTAL_FORMS": "1",
            "steps-INITIAL_FORMS": "1",
            "steps-0-id": step.pk,
            "steps-0-run": run.pk,
            "steps-0-DELETE": "on",
        },
    )

    assert step.node_id in shown
    assert answer.status_code == 403
    assert list(Step.objects.values()) == before


@pytest.mark.parametrize("model", [Organization, Workflow], ids=name_of)
def test_deleting_an_owner_of_history_is_refused(client, rows, model):
    row = rows.organization if model is Organization else rows.rows.workflow
    before = snapshot_of(rows)

    client.post(place(model, "delete", row.pk), {"post": "yes"})
    client.post(
        place(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )

    assert snapshot_of(rows) == before


def test_no_secret_is_shown(client, rows):
    key = rows.rows.key
    for model in REGISTERED:
        pk = newest(model).pk
        for address in (place(model, "changelist"), place(model, "change", pk)):
            text = client.get(address).content.decode()
            assert "sk-upstream-1234567890" not in text, address
            assert rows.rows.token not in text, address
            assert key.digest not in text, address


@pytest.mark.parametrize("staff", [False, True], ids=["member", "staff without rights"])
def test_the_console_is_closed_to_whoever_has_no_right(rows, staff):
    client = Client()
    client.force_login(UserFactory(is_staff=staff))
    addresses = []
    for model in REGISTERED:
        pk = newest(model).pk
        addresses += [place(model, "changelist"), place(model, "add")]
        addresses += [place(model, "change", pk), place(model, "delete", pk)]

    assert failing(client, addresses, {302, 403}) == {}


def test_a_list_costs_the_same_however_many_organizations(client, rows):
    def costs():
        found = {}
        for model in REGISTERED:
            with CaptureQueriesContext(connection) as queries:
                client.get(place(model, "changelist"))
            found[name_of(model)] = len(queries)
        return found

    costs()
    few = costs()
    for mark in ("SOUTH", "EAST"):
        make_world(mark)

    dearer = {name: n for name, n in costs().items() if n > few[name]}
    assert dearer == {}
