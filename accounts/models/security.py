"""What happened to an account: sign-ins, factors, passwords, sessions."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _


class SecurityEventQuerySet(models.QuerySet["SecurityEvent"]):
    def of_user(self, user_id: UUID | str) -> Self:
        return self.filter(user_id=user_id)


class SecurityEvent(models.Model):
    """One line of a person's security log. Never changed; dropped by retention alone.

    It belongs to a person and to no organization, so it is not part of any organization's trail.
    A plain id, no foreign key: it outlives the account. Without one, nobody knows whose it was (a
    sign-in under an address that has no account).
    """

    class Kind(models.TextChoices):
        SIGNED_UP = "signed_up", _("Account made")
        SIGNED_IN = "signed_in", _("Signed in")
        SIGN_IN_FAILED = "sign_in_failed", _("Sign-in failed")
        SIGNED_OUT = "signed_out", _("Signed out")
        FACTOR_FAILED = "factor_failed", _("Second factor failed")
        FACTOR_ADDED = "factor_added", _("Second factor added")
        FACTOR_REMOVED = "factor_removed", _("Second factor removed")
        CODES_RENEWED = "codes_renewed", _("Recovery codes made anew")
        FACTORS_RESET = "factors_reset", _("Second factors reset by an operator")
        PASSWORD_CHANGED = "password_changed", _("Password changed")
        PASSWORD_RESET = "password_reset", _("Password reset by mail")
        EMAIL_CONFIRMED = "email_confirmed", _("E-mail address confirmed")
        EMAIL_CHANGED = "email_changed", _("E-mail address changed")
        EMAIL_REMOVED = "email_removed", _("E-mail address removed")
        SESSION_ENDED = "session_ended", _("Session ended")
        TOKEN_REUSED = "token_reused", _("Used refresh token came again")
        ACCOUNT_CLOSED = "account_closed", _("Account closed")

    id = models.BigAutoField(primary_key=True)
    user_id = models.UUIDField(_("user"), null=True)
    kind = models.CharField(_("what"), max_length=20, choices=Kind)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("device"), max_length=200, blank=True)
    data: models.JSONField[Any, Any] = models.JSONField(_("data"), default=dict)
    trace_id = models.CharField(_("trace id"), max_length=32)

    objects = SecurityEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security events")
        indexes = (
            models.Index(fields=("user_id", "-id"), name="security_user_newest"),
            models.Index(fields=("at",), name="security_at"),
        )

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def alarming(self) -> bool:
        kinds = SecurityEvent.Kind
        return self.kind in {kinds.SIGN_IN_FAILED, kinds.FACTOR_FAILED, kinds.TOKEN_REUSED}
