"""Operators see organizations, members and keys; changes go through the same actions as pages."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from core.admin import ReadOnlyAdmin, ReadOnlyTabularInline
from core.errors import DomainError
from orgs.access import operator_actor
from orgs.actions import (
    begin_support,
    change_role,
    confirm_domain,
    revoke_invitation,
    revoke_key,
)
from orgs.actions.support import DEFAULT_MINUTES, MOST_MINUTES, SHORTEST_REASON
from orgs.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectGrant,
    ProjectTeamGrant,
    Role,
    SsoConnection,
    SsoDomain,
    StoredAnswer,
    SupportAccess,
    Team,
    TeamMembership,
)
from orgs.support import SESSION_KEY as SUPPORT_KEY
from orgs.support import may_enter


class MembershipInline(ReadOnlyTabularInline):
    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "created_at", "closing_at", "closed_at")
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


class ProjectGrantInline(ReadOnlyTabularInline):
    """Who may do what in the project, beyond their role. The organization gives and takes."""

    model = ProjectGrant
    fields = ("user", "permission")
    show_change_link = False


class ProjectTeamGrantInline(ReadOnlyTabularInline):
    model = ProjectTeamGrant
    fields = ("group", "permission")
    show_change_link = False


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ("name", "organization", "is_default", "restricted", "archived_at")
    list_filter = ("restricted", "is_default", "archived_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=id", "organization__name")
    inlines = (ProjectGrantInline, ProjectTeamGrantInline)


class EntryForm(forms.ModelForm[SupportAccess]):
    """How an operator asks to be let in."""

    minutes = forms.IntegerField(
        label=_("Minutes"),
        initial=DEFAULT_MINUTES,
        min_value=1,
        max_value=MOST_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    class Meta:
        model = SupportAccess
        fields = ("organization", "level", "reason")
        widgets: ClassVar = {"reason": UnfoldAdminTextareaWidget}

    def clean_reason(self) -> str:
        reason = " ".join(self.cleaned_data["reason"].split())
        if len(reason) < SHORTEST_REASON:
            raise forms.ValidationError(_("Say in at least ten characters why you enter."))
        return reason


@admin.register(SupportAccess)
class SupportAccessAdmin(ReadOnlyAdmin):
    """Adding a stay is entering: the operator lands on the organization's home page."""

    form = EntryForm
    list_display = (
        "operator", "organization", "level", "reason", "created_at", "expires_at", "ended_at",
    )  # fmt: skip
    list_filter = ("level", "created_at")
    list_select_related = ("operator", "organization")
    search_fields = ("operator__email", "organization__name", "reason")
    autocomplete_fields = ("organization",)
    add_fieldsets = ((None, {"fields": ("organization", "level", "reason", "minutes")}),)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return may_enter(request.user)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def save_model(
        self, request: HttpRequest, obj: SupportAccess, form: EntryForm, change: bool
    ) -> None:
        stay = begin_support(
            operator=request.user,
            organization_id=obj.organization_id,
            reason=obj.reason,
            level=obj.level,
            minutes=form.cleaned_data["minutes"],
        )
        obj.pk, obj.operator, obj.expires_at = stay.pk, stay.operator, stay.expires_at
        request.session[SUPPORT_KEY] = str(stay.pk)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("home"))


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


@admin.register(SsoConnection)
class SsoConnectionAdmin(ReadOnlyAdmin):
    """Set up by the organization itself; the secret is never shown."""

    list_display = ("name", "organization", "issuer", "enabled", "enforced", "created_at")
    list_filter = ("enabled", "enforced")
    list_select_related = ("organization",)
    search_fields = ("name", "issuer", "organization__name")
    exclude = ("client_secret",)


@admin.register(SsoDomain)
class SsoDomainAdmin(ReadOnlyAdmin):
    """An operator who has seen another proof may confirm a domain; the trail says who did."""

    list_display = ("domain", "connection", "organization", "verified_at", "created_at")
    list_filter = ("verified_at",)
    list_select_related = ("organization", "connection")
    search_fields = ("domain", "organization__name")
    actions = ("confirm",)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_ssodomain")

    @admin.action(description=_("Confirm selected domains"), permissions=["manage"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[SsoDomain]) -> None:
        try:
            for row in queryset:
                actor = operator_actor(row.organization_id, request.user.pk)
                confirm_domain(actor=actor, domain_id=row.pk)
        except DomainError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, _("The domains are confirmed."), messages.SUCCESS)


class TeamMembershipInline(ReadOnlyTabularInline):
    model = TeamMembership
    fields = ("member", "lead", "created_at")
    readonly_fields = ("created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMembership]:
        return super().get_queryset(request).select_related("member__user")


@admin.register(Team)
class TeamAdmin(ReadOnlyAdmin):
    list_display = ("name", "organization", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=id", "organization__name")
    exclude = ("group",)
    inlines = (TeamMembershipInline,)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """An operator can take one back that should not have been sent."""

    list_display = ("email", "organization", "role", "sent_at", "expires_at", "accepted_at")
    list_filter = ("role", "sent_at", "accepted_at", "revoked_at")
    list_select_related = ("organization",)
    search_fields = ("email", "=id", "organization__name")
    exclude = ("digest",)
    actions = ("revoke",)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_invitation")

    @admin.action(description=_("Take selected invitations back"), permissions=["manage"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        for row in queryset:
            if row.state in {"open", "expired"}:
                actor = operator_actor(row.organization_id, request.user.pk)
                revoke_invitation(actor=actor, invitation_id=row.pk)
        self.message_user(request, _("The invitations are taken back."), messages.SUCCESS)


@admin.register(StoredAnswer)
class StoredAnswerAdmin(ReadOnlyAdmin):
    """What was answered is the organization's own: operators see that, not what."""

    list_display = ("route", "key", "caller", "organization", "status", "expires_at")
    list_filter = ("status",)
    list_select_related = ("organization",)
    search_fields = ("=key", "organization__name")
    exclude = ("body", "request_digest")
