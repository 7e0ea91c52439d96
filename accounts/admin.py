"""Operators look after users here; passwords are reset by mail, never typed in."""

from typing import Any, cast

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.admin import AuthenticatorAdmin as AllauthAuthenticatorAdmin
from allauth.mfa.models import Authenticator
from allauth.socialaccount.admin import SocialAccountAdmin as AllauthSocialAccountAdmin
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSessionAdmin as AllauthUserSessionAdmin
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.actions import end_session, reset_factors
from accounts.actions.factors import LONGEST_STATEMENT, SHORTEST_STATEMENT
from accounts.models import Letter, SecurityEvent, TokenFamily, User
from accounts.sso.identities import release_identity
from core.admin import ConsoleAdmin, ReadOnlyAdmin
from core.errors import DomainError
from core.templatetags.ui import browser

# Registered by their packages, in another look; importing their admin above made sure of that.
# SocialApp and SocialToken stay out: connections are `orgs.SsoConnection`, tokens are not kept.
admin.site.unregister([Group, EmailAddress, Authenticator, UserSession])
admin.site.unregister([SocialAccount, SocialApp, SocialToken])


def staff_groups(groups: QuerySet[Group]) -> QuerySet[Group]:
    """Without those behind teams, which `orgs` makes to grant objects to (`Team.group`)."""
    return groups.filter(team__isnull=True)


class ResetForm(forms.Form):
    """Both are asked for: who reads the log later has to see why this was right."""

    reason = forms.CharField(
        label=_("Reason"),
        min_length=SHORTEST_STATEMENT,
        max_length=LONGEST_STATEMENT,
        widget=UnfoldAdminTextareaWidget,
    )
    proof = forms.CharField(
        label=_("How do you know that it is the owner of the account?"),
        min_length=SHORTEST_STATEMENT,
        max_length=LONGEST_STATEMENT,
        widget=UnfoldAdminTextareaWidget,
        help_text=_("For example a call to a number you knew before, or a colleague who vouches."),
    )


PRIVILEGES = ("is_staff", "is_superuser", "groups")


@admin.register(User)
class UserAdmin(ConsoleAdmin):
    """Who is no superuser looks after members alone: neither rank nor address is theirs to give.

    Nobody is deleted here, for their decisions, keys and memberships say who did what: disable.
    """

    list_display = ("email", "name", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser", "date_joined")
    search_fields = ("email", "name")
    ordering = ("-date_joined",)
    readonly_fields = ("id", "last_login", "date_joined", "closed_at")
    filter_horizontal = ("groups",)
    actions_detail = ("reset_factors",)
    fieldsets = (
        (None, {"fields": ("id", "email", "name")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("last_login", "date_joined", "closed_at")}),
    )

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = staff_groups(Group.objects.all())
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return self.readonly_fields
        address = ("email",) if obj else ()
        return (*self.readonly_fields, *PRIVILEGES, *address)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        above = obj is not None and (obj.is_staff or obj.is_superuser)
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (bool(request.user.is_superuser) or not above)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_reset_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.reset_factors"))

    @action(description=_("Reset second factors"), url_path="reset-factors", permissions=["reset"])
    def reset_factors(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For somebody who lost the device and the recovery codes, and has shown who they are."""
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404
        form = ResetForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                reset_factors(by=cast(User, request.user), user_id=person.pk, **form.cleaned_data)
                messages.success(request, gettext("The factors are gone; the person was mailed."))
                return redirect(reverse("admin:accounts_user_change", args=[object_id]))
            except DomainError as refused:
                form.add_error(None, gettext(refused.message))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{gettext('Reset second factors')}: {person.email}",
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "accounts/admin_reset_factors.html", context)


class SuperusersWrite:
    """Whoever writes here could become anybody, so it takes more than a model permission."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(request.user.is_superuser)

    has_delete_permission = has_change_permission


@admin.register(Group)
class GroupAdmin(SuperusersWrite, DjangoGroupAdmin, ModelAdmin):
    """The operators' groups. Those behind teams are no business of the console's."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return staff_groups(super().get_queryset(request))


@admin.register(EmailAddress)
class EmailAddressAdmin(SuperusersWrite, AllauthEmailAddressAdmin, ConsoleAdmin):
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    raw_id_fields = ()


class Removable(ReadOnlyAdmin):
    """Cannot be written, but taken away: a lost device, a session that is not its owner's."""

    actions = ("delete_selected",)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin, AllauthAuthenticatorAdmin):
    """Its secret is never shown. Who lost one is helped at the person, with reason and proof."""

    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "type", "created_at", "last_used_at")
    readonly_fields = fields
    raw_id_fields = ()


@admin.register(UserSession)
class UserSessionAdmin(Removable, AllauthUserSessionAdmin):
    """Deleting one signs its holder out: the row alone would come back with the next click."""

    list_display = ("user", "device", "ip", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "ip")
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    readonly_fields = fields
    raw_id_fields = ()

    @admin.display(description=_("Device"))
    def device(self, session: UserSession) -> str:
        return browser(session.user_agent)

    def delete_model(self, request: HttpRequest, obj: UserSession) -> None:
        end_session(user=obj.user, session_id=obj.pk, by=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UserSession]) -> None:
        for session in queryset:
            self.delete_model(request, session)


@admin.register(SocialAccount)
class SocialAccountAdmin(Removable, AllauthSocialAccountAdmin):
    """Deleting one lets the person's next sign-on make a new link, by the address alone."""

    list_display = ("user", "uid", "provider", "date_joined", "last_login")
    list_filter = ()
    list_select_related = ("user",)
    search_fields = ("user__email", "=uid", "=provider")
    fields = ("user", "provider", "uid", "date_joined", "last_login")
    readonly_fields = fields
    raw_id_fields = ()

    def delete_model(self, request: HttpRequest, obj: SocialAccount) -> None:
        release_identity(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SocialAccount]) -> None:
        for identity in queryset:
            release_identity(identity)


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "user_id", "ip", "user_agent", "trace_id")
    list_filter = ("kind", "at")
    search_fields = ("=user_id", "=ip", "=trace_id")
    ordering = ("-id",)


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    """Programs that hold a refresh token; end one by deleting its session."""

    list_display = ("user", "created_at", "issued_at", "expires_at", "ended_at")
    list_filter = ("ended_at", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("id", *list_display)
    ordering = ("-created_at",)


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin):
    """What waits, what was sent and what was given up, and why; never what a letter says."""

    list_display = ("created_at", "kind", "user", "state", "attempts", "next_at", "error")
    list_filter = ("state", "kind", "created_at")
    search_fields = ("user__email", "=id")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = (
        "id", "kind", "user", "organization_id", "state", "attempts", "error", "created_at",
        "next_at", "ended_at",
    )  # fmt: skip
    readonly_fields = fields
