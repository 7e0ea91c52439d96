"""Operators see triggers and what they did here, and switch them off; nothing is edited by hand."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from core.admin import ReadOnlyAdmin
from orgs.access import operator_actor
from workflows.actions import set_trigger_enabled
from workflows.models import Trigger, TriggerFiring


@admin.register(Trigger)
class TriggerAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = (
        "name", "workflow", "organization", "kind", "enabled", "failures", "next_at",
        "last_fired_at",
    )  # fmt: skip
    list_filter = ("kind", "enabled", "created_at")
    list_select_related = ("workflow", "organization")
    search_fields = ("name", "workflow__name", "=id")
    exclude = ("secret", "previous_secret", "inputs", "query")
    actions = ("switch_off",)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.change_trigger")

    @admin.action(description=_("Switch selected triggers off"), permissions=["switch"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Trigger]) -> None:
        for trigger in queryset.filter(enabled=True):
            actor = operator_actor(trigger.organization_id, request.user.pk)
            set_trigger_enabled(actor=actor, trigger_id=trigger.pk, enabled=False)


@admin.register(TriggerFiring)
class TriggerFiringAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("trigger", "outcome", "occurrence", "run_id", "reason", "count", "created_at")
    list_filter = ("outcome", "created_at")
    list_select_related = ("trigger",)
    search_fields = ("=trigger__id", "=run_id", "=source_run_id")
    ordering = ("-id",)
