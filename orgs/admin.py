"""Operators see organizations, members and keys; changes go through the same actions as pages."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnlyAdmin, ReadOnlyTabularInline
from orgs.access import operator_actor
from orgs.actions import change_role, revoke_key
from orgs.models import ApiKey, Membership, Organization, Role, StoredAnswer


class MembershipInline(ReadOnlyTabularInline):
    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug", "=id")
    readonly_fields = ("id", "created_at")
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """A role is its organization's affair; only one that has lost its owners is given another."""

    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__name")
    actions = ("make_owners",)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_membership")

    @admin.action(description=_("Make selected members owners"), permissions=["manage"])
    def make_owners(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for row in queryset:
            actor = operator_actor(row.organization_id, request.user.pk)
            change_role(actor=actor, membership_id=row.pk, role=Role.OWNER)
        self.message_user(request, _("The members are owners now."), messages.SUCCESS)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "organization", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("revoked_at", "expires_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=prefix", "organization__name")
    exclude = ("digest",)
    actions = ("revoke",)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_apikey")

    @admin.action(description=_("Revoke selected keys"), permissions=["manage"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            actor = operator_actor(key.organization_id, request.user.pk)
            revoke_key(actor=actor, key_id=key.pk)
        self.message_user(request, _("The keys are revoked."), messages.SUCCESS)


@admin.register(StoredAnswer)
class StoredAnswerAdmin(ReadOnlyAdmin):
    """What was answered is the organization's own: operators see that, not what."""

    list_display = ("route", "key", "caller", "organization", "status", "expires_at")
    list_filter = ("status",)
    list_select_related = ("organization",)
    search_fields = ("=key", "organization__name")
    exclude = ("body", "request_digest")
