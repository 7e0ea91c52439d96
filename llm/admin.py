"""Operators see providers and models; a stored key is never shown."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from core.admin import ReadOnlyTabularInline
from llm.models import Model, Provider
from orgs.console import AuditedAdmin


class ModelInline(ReadOnlyTabularInline):
    model = Model
    fields = ("name", "upstream_name", "max_output_tokens", "enabled")


@admin.register(Provider)
class ProviderAdmin(AuditedAdmin):
    list_display = ("name", "organization", "kind", "base_url", "has_key", "enabled")
    list_filter = ("kind", "enabled")
    list_select_related = ("organization",)
    search_fields = ("name", "base_url", "organization__name", "=id")
    autocomplete_fields = ("organization",)
    inlines = (ModelInline,)

    @display(description=_("key"), boolean=True)
    def has_key(self, provider: Provider) -> bool:
        return bool(provider.api_key)


@admin.register(Model)
class ModelAdmin(AuditedAdmin):
    list_display = (
        "name",
        "organization",
        "provider",
        "upstream_name",
        "max_output_tokens",
        "enabled",
    )
    list_filter = ("enabled", "provider__kind")
    list_select_related = ("organization", "provider")
    search_fields = ("name", "upstream_name", "organization__name", "=id")
    autocomplete_fields = ("organization", "provider")
