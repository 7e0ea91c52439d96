"""The operators' console over approvals: everything readable, nothing editable."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bpm.actions import comment_task, decide_task
from bpm.models import Candidate, Decision, HumanTask, ProcessInfo
from bpm.tests.factories import make_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def console():
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "not used here"))
    return client


@pytest.fixture
def decided(handled, organization, approver):
    task = make_task(organization)
    comment_task(actor=approver, task_id=task.pk, text="Seen.")
    decide_task(actor=approver, task_id=task.pk, action_id="approve", comment="Fine.")
    return task


def models_of_bpm():
    return [model for model in admin.site._registry if model._meta.app_label == "bpm"]


def test_every_model_but_the_inline_candidate_has_its_list(console, decided):
    for model in models_of_bpm():
        address = reverse(f"admin:bpm_{model._meta.model_name}_changelist")
        assert console.get(address).status_code == 200
        assert console.get(address, {"q": "refund"}).status_code == 200
    assert Candidate not in admin.site._registry
    assert len(models_of_bpm()) == 6


def test_every_row_opens_and_none_can_be_changed_or_deleted(console, decided):
    for model in models_of_bpm():
        row, name = model._default_manager.first(), model._meta.model_name
        change = reverse(f"admin:bpm_{name}_change", args=[row.pk])
        assert console.get(change).status_code == 200
        assert console.post(change, {"title": "other", "outcome": "reject"}).status_code == 403
        assert (
            console.post(
                reverse(f"admin:bpm_{name}_delete", args=[row.pk]), {"post": "yes"}
            ).status_code
            == 403
        )
        assert console.get(reverse(f"admin:bpm_{name}_add")).status_code == 403
    decided.refresh_from_db()
    assert (decided.outcome, Decision.objects.count()) == ("approve", 1)


def test_a_task_is_found_by_its_trace(console, decided):
    other = make_task(decided.organization, trace_id="f" * 32, title="Unlike the rest")
    address = reverse("admin:bpm_humantask_changelist")

    text = console.get(address, {"q": "f" * 32}).text

    assert str(other.pk) in text
    assert str(decided.pk) not in text
    assert HumanTask.objects.count() == ProcessInfo.objects.count() == 2
