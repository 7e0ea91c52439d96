"""Operators see workflows and runs here, and command runs; nothing is edited by hand."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from core.admin import ReadOnlyAdmin, ReadOnlyTabularInline
from core.errors import DomainError
from core.templatetags.ui import money
from orgs.access import operator_actor
from orgs.console import AuditedAdmin
from workflows.actions import cancel_run, pause_run, resume_run, retry_run, terminate_run
from workflows.models import (
    BulkCommand,
    ConcurrencySlot,
    Event,
    NodeRateLimit,
    RollupHour,
    Run,
    RunLog,
    RunPolicy,
    RunTag,
    RunValue,
    RunWait,
    Signal,
    Step,
    WorkerProcess,
    Workflow,
    WorkflowGrant,
    WorkflowTeamGrant,
    WorkflowVersion,
)
from workflows.triggers import console as _triggers  # noqa: F401 - registers its own


class VersionInline(TabularInline):
    model = WorkflowVersion
    fk_name = "workflow"
    fields = ("number", "checksum", "note", "published_at", "created_at")
    readonly_fields = fields
    can_delete = False
    extra = 0
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class GrantInline(ReadOnlyTabularInline):
    """Who may do what on this one workflow, beyond their role. The organization gives and takes."""

    model = WorkflowGrant
    fields = ("user", "permission")
    show_change_link = False


class TeamGrantInline(ReadOnlyTabularInline):
    model = WorkflowTeamGrant
    fields = ("group", "permission")
    show_change_link = False


@admin.register(Workflow)
class WorkflowAdmin(AuditedAdmin):
    list_display = ("name", "organization", "mode", "published", "latest_number", "updated_at")
    list_filter = ("mode", "created_at")
    list_select_related = ("organization", "published")
    search_fields = ("name", "organization__name", "=id")
    readonly_fields = (
        "id", "organization", "project", "mode", "published", "latest_number", "searchable",
        "created_by_id",
    )  # fmt: skip
    inlines = (VersionInline, GrantInline, TeamGrantInline)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a workflow is born by an import, with its report


@admin.register(WorkflowVersion)
class VersionAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("workflow", "number", "organization", "checksum", "published_at", "created_at")
    list_filter = ("published_at", "created_at")
    list_select_related = ("workflow", "organization")
    search_fields = ("workflow__name", "=id", "=checksum")


class StepInline(TabularInline):
    model = Step
    fields = ("node_id", "kind", "status", "attempts", "error", "cost", "started_at", "ended_at")
    readonly_fields = fields
    ordering = ("pk",)
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = (
        "public_id", "workflow", "organization", "state", "trigger", "step_count", "tokens",
        "amount", "created_at",
    )  # fmt: skip
    list_filter = ("state", "trigger", "created_at")
    list_select_related = ("workflow", "organization")
    search_fields = ("=public_id", "=trace_id", "workflow__name")
    show_full_result_count = False
    ordering = ("-id",)
    inlines = (StepInline,)
    actions = ("pause", "resume", "cancel", "terminate", "retry")
    fieldsets = (
        (
            None,
            {"fields": ("public_id", "organization", "workflow", "version", "state", "trigger")},
        ),
        (_("Result"), {"fields": ("error", "outputs", "inputs", "system")}),
        (_("Measures"), {"fields": ("step_count", "tokens", "cost", "created_at", "ended_at")}),
        (
            _("Engine"),
            {"fields": ("trace_id", "control", "seq", "epoch", "owner", "wakes", "crashes")},
        ),
    )

    @admin.display(description=_("cost"))
    def amount(self, run: Run) -> str:
        return money(run.cost)

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.change_run")

    @admin.action(description=_("Pause selected runs"), permissions=["control"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._command(request, queryset, pause_run)

    @admin.action(description=_("Resume selected runs"), permissions=["control"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._command(request, queryset, resume_run)

    @admin.action(description=_("Cancel selected runs"), permissions=["control"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._command(request, queryset, cancel_run, reason="Cancelled by an operator.")

    @admin.action(description=_("Terminate selected runs"), permissions=["control"])
    def terminate(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._command(request, queryset, terminate_run, reason="Terminated by an operator.")

    @admin.action(description=_("Retry selected runs"), permissions=["control"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._command(request, queryset, retry_run)

    def _command(
        self, request: HttpRequest, queryset: QuerySet[Run], act: Callable[..., Run], **given: str
    ) -> None:
        """Each by itself, in its organization's name; what is refused is told."""
        for run in queryset:
            actor = operator_actor(run.organization_id, request.user.pk)
            try:
                act(actor=actor, run_id=run.public_id, **given)
            except DomainError as error:
                self.message_user(request, f"{run}: {error.message}", messages.WARNING)


@admin.register(BulkCommand)
class BulkCommandAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = (
        "command", "organization", "state", "total", "done", "refused", "created_at", "finished_at",
    )  # fmt: skip
    list_filter = ("state", "command", "created_at")
    list_select_related = ("organization",)
    search_fields = ("=id", "organization__name")
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("run", "seq", "kind", "node_id", "at")
    list_filter = ("kind", "at")
    list_select_related = ("run",)
    search_fields = ("=run__public_id", "=node_id")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(RunWait)
class RunWaitAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("run", "node_id", "kind", "wake_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("run",)
    search_fields = ("=run__public_id",)


@admin.register(RunValue)
class RunValueAdmin(ReadOnlyAdmin, ModelAdmin):
    """Where large values of runs lie; what is in them stands with the run."""

    list_display = ("run_public_id", "organization", "size", "doomed_at", "created_at")
    list_select_related = ("organization",)
    search_fields = ("=run_public_id", "=id")
    show_full_result_count = False


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("run", "node_id", "delivery_id", "created_at")
    list_select_related = ("run",)
    search_fields = ("=run__public_id", "=delivery_id")


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("host", "pid", "started_at", "alive_until")


@admin.register(RunPolicy)
class RunPolicyAdmin(ReadOnlyAdmin, ModelAdmin):
    """How runs of a workflow queue; the organization says it, on the workflow's page."""

    list_display = (
        "workflow", "organization", "concurrency_key", "max_concurrent", "on_conflict",
        "run_timeout_seconds", "priority",
    )  # fmt: skip
    list_filter = ("on_conflict",)
    list_select_related = ("workflow", "organization")
    search_fields = ("workflow__name", "=workflow__id")


@admin.register(ConcurrencySlot)
class ConcurrencySlotAdmin(ReadOnlyAdmin, ModelAdmin):
    """Which run holds which concurrency key now."""

    list_display = ("key", "workflow", "run", "taken_at")
    list_select_related = ("workflow", "run")
    search_fields = ("=run__public_id", "=key", "=workflow__id")


@admin.register(NodeRateLimit)
class NodeRateLimitAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("name", "scope", "organization", "limit", "per_seconds", "burst")
    list_filter = ("scope",)
    list_select_related = ("organization",)
    search_fields = ("name", "=id", "organization__name")


@admin.register(RollupHour)
class RollupHourAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = (
        "hour", "span", "organization", "workflow", "node_id", "total", "succeeded", "failed",
    )  # fmt: skip
    list_filter = ("span", "hour")
    list_select_related = ("organization", "workflow")
    search_fields = ("workflow__name", "=node_id")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(RunTag)
class RunTagAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("run", "name", "value")
    list_select_related = ("run",)
    search_fields = ("=run__public_id", "=value")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(RunLog)
class RunLogAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("run", "level", "node_id", "message", "at")
    list_filter = ("level", "at")
    list_select_related = ("run",)
    search_fields = ("=run__public_id", "=node_id")
    show_full_result_count = False
    ordering = ("-id",)
