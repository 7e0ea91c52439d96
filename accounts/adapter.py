"""allauth's seams: what a sign-up stores."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.signup import run_signup_steps
from accounts.sso.guard import SsoGuard


class AccountAdapter(SsoGuard):
    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        details = form.cleaned_data
        user.name = str(details.get("name") or "").strip()
        saved: User = super().save_user(request, user, form, commit)
        if commit:
            run_signup_steps(saved, str(details.get("organization") or "").strip())
        return saved
