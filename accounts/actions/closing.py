"""Closing an account for good."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils.timezone import now

from accounts.actions.sessions import end_rows
from accounts.departure import carry_out_departure, check_departure
from accounts.letters import drop_letters
from accounts.models import TokenFamily, User
from accounts.security import Kind, note


@transaction.atomic
def close_account(*, user: User) -> None:
    """End everything that lets the person in and forget who they were. There is no way back.

    The row stays, nameless: decisions, audit entries and keys refer to it. Raises whatever a
    departure step refuses with (`last_owner`); then nothing has changed. The caller has made sure
    that the person is the one who sits there (`accounts.reauthentication`).
    """
    row = User.objects.select_for_update().get(pk=user.pk)
    check_departure(row)
    note(Kind.ACCOUNT_CLOSED, user_id=row.pk)
    carry_out_departure(row)
    drop_letters(row.pk)
    end_rows(UserSession.objects.filter(user=row))
    TokenFamily.objects.filter(user=row).delete()
    Authenticator.objects.filter(user=row).delete()
    EmailAddress.objects.filter(user=row).delete()
    SocialAccount.objects.filter(user=row).delete()
    row.groups.clear()
    row.user_permissions.clear()
    _forget(row)


def _forget(row: User) -> None:
    row.email = f"closed-{row.pk}@account.invalid"
    row.name = row.language = row.time_zone = ""
    row.muted = []
    row.is_active = row.is_staff = row.is_superuser = row.factor_due = False
    row.closed_at = now()
    row.set_unusable_password()
    row.save()
