"""Which mail addresses are known to be a person's own, and sign-ups that a mail has led to."""

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User

STASHED = "account_verified_email"
"""Where allauth keeps the address in the session (`stash_verified_email`)."""


def verified_addresses(user: User) -> set[str]:
    """Lower-case, only what the person has proven to read."""
    rows = EmailAddress.objects.filter(user=user, verified=True)
    return {email.lower() for email in rows.values_list("email", flat=True)}


def expect_signup(request: HttpRequest, email: str) -> None:
    """This browser has opened a link sent to `email`: a sign-up with it counts as verified."""
    get_adapter().stash_verified_email(request, email)


def forget_signup(request: HttpRequest) -> None:
    request.session.pop(STASHED, None)


def expected_signup(request: HttpRequest) -> str:
    """The address a link was opened for in this browser, or nothing."""
    return str(request.session.get(STASHED) or "")


@transaction.atomic
def confirm_address(user: User, email: str) -> bool:
    """Take the user's own address as verified, for its holder opened a link that was sent to it.

    False, and nothing changes, when the address is not the one the user signs in with.
    """
    if user.email.lower() != email.lower():
        return False
    row, _ = EmailAddress.objects.get_or_create(
        user=user, email=user.email.lower(), defaults={"primary": True}
    )
    if not row.verified:
        row.verified = True
        row.save(update_fields=["verified"])
    return True
