"""Operators read the trail; nobody edits it."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from audit.models import Entry
from core.admin import ReadOnlyAdmin


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("at", "action", "actor_kind", "target_type", "target_id", "summary", "trace_id")
    list_filter = ("action", "actor_kind", "target_type", "at")
    search_fields = ("=trace_id", "=target_id", "summary")
    show_full_result_count = False
    ordering = ("-id",)
