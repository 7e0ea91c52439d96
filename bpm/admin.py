"""Operators look into approvals here; people decide in the inbox, so nothing can be edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from viewflow.workflow.admin import Process, Task

from bpm.models import Candidate, Comment, Decision, Definition, DefinitionVersion, HumanTask
from bpm.models import ProcessInfo as Approval
from core.admin import ReadOnlyAdmin, ReadOnlyTabularInline

# The engine's own tables are shown below in our words; importing its admin registered them.
admin.site.unregister([Process, Task])

STATUS_COLOURS = {"open": "info", "claimed": "warning", "decided": "success"}


class CandidateInline(ReadOnlyTabularInline):
    model = Candidate
    fields = ("principal",)


class DecisionInline(ReadOnlyTabularInline):
    model = Decision
    fields = ("actor", "action_id", "comment", "data", "created_at")
    readonly_fields = ("created_at",)


class CommentInline(ReadOnlyTabularInline):
    model = Comment
    fields = ("author", "text", "created_at")
    readonly_fields = ("created_at",)


class TaskInline(ReadOnlyTabularInline):
    model = HumanTask
    fields = ("title", "stage", "status", "claimed_by", "outcome", "due_at", "closed_at")


class VersionInline(ReadOnlyTabularInline):
    model = DefinitionVersion
    fields = ("number", "spec", "sha256", "created_at")
    readonly_fields = ("created_at",)


@admin.register(HumanTask)
class HumanTaskAdmin(ReadOnlyAdmin):
    list_display = (
        "title", "organization", "kind", "state", "claimed_by", "outcome", "due_at", "created_at",
    )  # fmt: skip
    list_filter = ("status", "process__kind", ("due_at", RangeDateTimeFilter))
    list_select_related = ("organization", "process", "claimed_by")
    search_fields = ("title", "process__subject_id", "process__trace_id", "claimed_by__email")
    search_help_text = _("Title, subject, trace id or e-mail of the holder")
    date_hierarchy = "created_at"
    inlines = (CandidateInline, DecisionInline, CommentInline)

    @admin.display(description=_("kind"), ordering="process__kind")
    def kind(self, task: HumanTask) -> str:
        return task.kind

    @display(description=_("status"), label=STATUS_COLOURS, ordering="status")
    def state(self, task: HumanTask) -> Any:
        return task.status, task.get_status_display()


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = (
        "title", "organization", "kind", "subject_id", "requester", "outcome", "created_at",
        "finished_at",
    )  # fmt: skip
    list_filter = ("kind", "outcome", ("created_at", RangeDateTimeFilter))
    list_select_related = ("organization", "requester")
    search_fields = ("title", "subject_id", "trace_id", "idempotency_key", "requester__email")
    date_hierarchy = "created_at"
    inlines = (TaskInline,)


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("task", "organization", "actor", "action_id", "comment", "created_at")
    list_filter = ("action_id", ("created_at", RangeDateTimeFilter))
    list_select_related = ("task", "organization", "actor")
    search_fields = ("task__title", "actor__email", "comment", "task__process__trace_id")
    date_hierarchy = "created_at"


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin):
    list_display = ("text", "task", "organization", "author", "created_at")
    list_select_related = ("task", "organization", "author")
    list_filter = (("created_at", RangeDateTimeFilter),)
    search_fields = ("text", "task__title", "author__email")


@admin.register(Definition)
class DefinitionAdmin(ReadOnlyAdmin):
    list_display = ("title", "key", "organization", "created_at")
    list_filter = (("organization", admin.EmptyFieldListFilter),)
    list_select_related = ("organization",)
    search_fields = ("title", "key", "organization__name")
    inlines = (VersionInline,)


@admin.register(DefinitionVersion)
class DefinitionVersionAdmin(ReadOnlyAdmin):
    list_display = ("definition", "number", "sha256", "created_at")
    list_select_related = ("definition",)
    search_fields = ("definition__title", "definition__key", "sha256")
