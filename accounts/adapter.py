"""allauth's seams: what a sign-up stores."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.addresses import expected_signup
from accounts.models import User
from accounts.signup import run_signup_steps


class AccountAdapter(DefaultAccountAdapter):
    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        details = form.cleaned_data
        user.name = str(details.get("name") or "").strip()
        saved: User = super().save_user(request, user, form, commit)
        if commit:
            invited = expected_signup(request).lower() == saved.email.lower()
            named = str(details.get("organization") or "").strip()
            run_signup_steps(saved, None if invited else named)
        return saved

    def clean_email(self, email: str) -> str:
        """Who comes by an invitation signs up with the address it was sent to."""
        request = context.request
        stranger = request is not None and not request.user.is_authenticated
        expected = expected_signup(request) if stranger else ""
        if expected and expected.lower() != email.lower():
            said = _("The invitation you opened was sent to %(email)s: sign up with this address.")
            raise ValidationError(said % {"email": expected})
        cleaned: str = super().clean_email(email)
        return cleaned
