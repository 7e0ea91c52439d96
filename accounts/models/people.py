"""Users sign in with their e-mail address; there is no user name."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Whoever can type this on the server vouches for the address: no mail confirms it."""
        # Late: allauth's models need this one.
        from allauth.account.models import EmailAddress  # noqa: PLC0415

        user = self.create_user(
            email, password, **{"is_staff": True, "is_superuser": True} | fields
        )
        EmailAddress.objects.using(self._db).create(
            user=user, email=user.email, verified=True, primary=True
        )
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


def check_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(_("There is no such time zone."))


class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may do is said per organization, in `orgs`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    is_staff = models.BooleanField(_("operator"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined"), auto_now_add=True)
    language = models.CharField(
        _("language"), max_length=10, blank=True, choices=settings.LANGUAGES
    )
    """Empty: what the browser asks for."""
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[check_time_zone]
    )
    """A name of the IANA database; empty: UTC."""
    muted: models.JSONField[Any, Any] = models.JSONField(
        _("muted notifications"), default=list, blank=True, editable=False
    )
    """Kinds of `accounts.notifications` this person does not want; new kinds are wanted."""
    factor_due = models.BooleanField(
        _("has to set up a second factor"), default=False, editable=False
    )
    """After an operator has taken the lost ones away; a new one ends it."""
    closed_at = models.DateTimeField(_("closed"), null=True, editable=False)
    """When the person closed the account: the row stays for what refers to it, nameless."""

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        permissions = (("reset_factors", _("Can take away lost second factors")),)
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_once"),)

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        if self.closed_at:
            return gettext("Closed account")
        return self.name or self.email.partition("@")[0]

    def get_short_name(self) -> str:
        return self.get_full_name().partition(" ")[0]

    @property
    def initials(self) -> str:
        words = self.get_full_name().split()
        return "".join(word[0] for word in words[:2]).upper()
