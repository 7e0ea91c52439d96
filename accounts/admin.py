"""Operators look after users here; passwords are reset by mail, never typed in."""

from typing import Any

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.admin import AuthenticatorAdmin as AllauthAuthenticatorAdmin
from allauth.mfa.models import Authenticator
from allauth.socialaccount.admin import SocialAccountAdmin as AllauthSocialAccountAdmin
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSessionAdmin as AllauthUserSessionAdmin
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from accounts.actions import end_session
from accounts.models import Letter, SecurityEvent, TokenFamily, User
from accounts.security import Kind, note
from accounts.sso.identities import release_identity
from core.admin import ConsoleAdmin, ReadOnlyAdmin
from core.templatetags.ui import browser

# Registered by their packages, in another look; importing their admin above made sure of that.
# SocialApp and SocialToken stay out: connections are `orgs.SsoConnection`, tokens are not kept.
admin.site.unregister([Group, EmailAddress, Authenticator, UserSession])
admin.site.unregister([SocialAccount, SocialApp, SocialToken])


def staff_groups(groups: QuerySet[Group]) -> QuerySet[Group]:
    """Without those behind teams, which `orgs` makes to grant objects to (`Team.group`)."""
    return groups.filter(team__isnull=True)


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
class AuthenticatorAdmin(Removable, AllauthAuthenticatorAdmin):
    """Deleting one lets a person who lost the device in again; its secret is never shown."""

    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "type", "created_at", "last_used_at")
    readonly_fields = fields
    raw_id_fields = ()

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        by = str(request.user.pk)
        note(Kind.FACTOR_REMOVED, user_id=obj.user_id, factor=obj.type, by=by)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        for factor in queryset:
            self.delete_model(request, factor)


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
