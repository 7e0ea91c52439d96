"""Operators see organizations, members and keys; changes go through the same actions as pages."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from core.admin import ReadOnlyAdmin
from orgs.access import system_actor
from orgs.actions import revoke_key
from orgs.models import ApiKey, Membership, Organization


class MembershipInline(TabularInline):
    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Organization)
class OrganizationAdmin(ModelAdmin):
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug", "=id")
    readonly_fields = ("id", "created_at")
    inlines = (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False  # a ledger hangs on it; deletion is a process, not a button


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__name")
    autocomplete_fields = ("user", "organization")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("name", "prefix", "organization", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("revoked_at", "expires_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=prefix", "organization__name")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke selected keys"), permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            revoke_key(actor=system_actor(key.organization_id), key_id=key.pk)
        self.message_user(request, _("The keys are revoked."), messages.SUCCESS)
