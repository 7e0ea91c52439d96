"""Who a vouched-for person is here, decided in one transaction.

After the first time (connection, sub) alone decides. The first time it is the address, which must
be of a domain that the connection has proven; an account that is linked to another subject of the
same connection is not given away: addresses are handed on to new people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.actions.sessions import end_rows
from accounts.models import User
from accounts.sso.directory import Connection, directory
from accounts.sso.errors import (
    SsoClosed,
    SsoDisabledPerson,
    SsoForeignDomain,
    SsoIdentityChanged,
    SsoNoAddress,
    SsoNotForOperators,
    SsoUnverifiedAddress,
)


@transaction.atomic
def admit_identity(
    connection: Connection, identity: SocialAccount, claims: Mapping[str, Any]
) -> SocialAccount:
    """The stored identity, its account a member. `identity`: what the provider said, unsaved.

    The connection's row is locked, so two first sign-ins of one person make one account. Raises
    SsoRefused, and then nothing has changed.
    """
    live = directory().connection(connection.id, lock=True)
    if live is None:
        raise SsoClosed
    email = _address_in(claims, live)
    link = SocialAccount.objects.filter(provider=identity.provider, uid=identity.uid).first()
    user = _linked(live, link, email) if link else _by_address(live, identity, email, claims)
    _check_person(live, user)
    if link is None:
        link = _link(live, identity, user)
    link.extra_data = identity.extra_data
    link.save()
    directory().admit(live, user, claims)
    return link


def _address_in(claims: Mapping[str, Any], connection: Connection) -> str:
    """`email_verified` may be absent: the domain is proven. What is said to be false stays so."""
    email = claims.get("email")
    if not _is_text(email) or not _is_address(email):
        raise SsoNoAddress
    if claims.get("email_verified", True) not in (True, "true", "True"):
        raise SsoUnverifiedAddress
    if not connection.vouches_for(email):
        raise SsoForeignDomain
    return email.lower()


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254


def _check_person(connection: Connection, user: User) -> None:
    if not user.is_active:
        raise SsoDisabledPerson
    if user.is_staff or user.is_superuser:
        raise SsoNotForOperators
    if not connection.vouches_for(user.email):
        raise SsoForeignDomain


def _linked(connection: Connection, link: SocialAccount, email: str) -> User:
    """The account of a known subject; a new address follows where nobody else has it."""
    user: User = User.objects.select_for_update().get(pk=link.user_id)
    if user.email.lower() == email or not connection.vouches_for(user.email):
        return user
    taken = User.objects.filter(email__iexact=email).exclude(pk=user.pk).exists()
    taken = taken or EmailAddress.objects.filter(email__iexact=email).exclude(user=user).exists()
    if not taken:
        before, user.email = user.email, email
        user.save(update_fields=["email"])
        EmailAddress.objects.filter(user=user, email__iexact=before).delete()
        _own_address(user, email)
        directory().note(connection, "address_changed", user, before=before, after=email)
    return user


def _by_address(
    connection: Connection, identity: SocialAccount, email: str, claims: Mapping[str, Any]
) -> User:
    user = User.objects.select_for_update().filter(email__iexact=email).first()
    if user is None:
        return _new_person(email, claims)
    _check_person(connection, user)
    if SocialAccount.objects.filter(provider=identity.provider, user=user).exists():
        raise SsoIdentityChanged
    if not EmailAddress.objects.filter(user=user, email__iexact=email, verified=True).exists():
        _take_from_squatter(user)
    _own_address(user, email)
    return user


def _new_person(email: str, claims: Mapping[str, Any]) -> User:
    # Who only named the address as a further one and never proved it has no claim on it.
    EmailAddress.objects.filter(email__iexact=email, verified=False).delete()
    if EmailAddress.objects.filter(email__iexact=email).exists():
        raise SsoForeignDomain
    name = claims.get("name")
    user = User.objects.create_user(email, name=name.strip()[:120] if _is_text(name) else "")
    _own_address(user, email)
    return user


def _take_from_squatter(user: User) -> None:
    """Whoever made the account never proved the address: their ways in end here."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    Authenticator.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).delete()
    end_rows(UserSession.objects.filter(user=user))


def _own_address(user: User, email: str) -> None:
    EmailAddress.objects.filter(user=user, primary=True).exclude(email__iexact=email).update(
        primary=False
    )
    EmailAddress.objects.update_or_create(
        user=user, email=email, defaults={"verified": True, "primary": True}
    )


def _link(connection: Connection, identity: SocialAccount, user: User) -> SocialAccount:
    identity.user = user
    identity.save()
    directory().note(connection, "linked", user, subject=identity.uid[:100])
    return identity
