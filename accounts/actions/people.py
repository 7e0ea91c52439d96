"""What a person says about themselves."""

from collections.abc import Sequence
from uuid import UUID

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.errors import UnknownNotification
from accounts.models import User
from accounts.notifications import known_kinds
from core.errors import InvalidInput


@transaction.atomic
def save_preferences(
    *,
    user: User,
    name: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    muted: Sequence[str] | None = None,
) -> User:
    """Change what is given, leave the rest. Raises InvalidInput, UnknownNotification."""
    row = User.objects.select_for_update().get(pk=user.pk)
    if name is not None:
        row.name = name.strip()
    if language is not None:
        row.language = language
    if time_zone is not None:
        row.time_zone = time_zone
    if muted is not None:
        if not known_kinds(muted):
            raise UnknownNotification("There is no such notification.", muted=list(muted))
        row.muted = sorted(set(muted))
    fields = ["name", "language", "time_zone", "muted"]
    try:
        row.clean_fields(exclude={field.name for field in User._meta.fields} - set(fields))
    except ValidationError as error:
        raise InvalidInput("The input is not valid.", fields=error.message_dict) from error
    row.save(update_fields=fields)
    return row


@transaction.atomic
def mute_notification(*, user_id: UUID, kind: str) -> None:
    """Turn one kind off and leave the others as they are. Repeatable.

    Raises UnknownNotification for a kind that nobody can turn off. Of an account that is closed
    nothing is kept.
    """
    if not known_kinds([kind]):
        raise UnknownNotification("There is no such notification.", muted=[kind])
    row = User.objects.select_for_update().filter(pk=user_id, closed_at=None).first()
    if row is not None and kind not in row.muted:
        row.muted = sorted({*row.muted, kind})
        row.save(update_fields=["muted"])


def vouch_for_address(user: User) -> None:
    """Count the address as proven: whoever makes this account on the server says so. Repeatable."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
