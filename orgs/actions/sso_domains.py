"""Mail domains: named, proven, taken away. A connection vouches for proven ones alone."""

import asyncio
import hmac
import re
import secrets
from http import HTTPStatus
from uuid import UUID

import idna
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.timezone import now

from accounts.models import User
from accounts.sso.sessions import end_other_ways
from core.errors import Conflict, DomainError, InvalidInput, NotFound
from core.http import send
from orgs.access import Actor, require
from orgs.actions.rows import note
from orgs.errors import SsoDomainTaken, SsoDomainUnproven
from orgs.models import Membership, SsoConnection, SsoDomain

PREFIX = "loomwork-domain="
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@transaction.atomic
def add_domain(*, actor: Actor, connection_id: UUID, domain: str) -> SsoDomain:
    """Name a domain; it counts once it is proven. Raises InvalidInput, Conflict."""
    require(actor, "org.manage")
    connections = SsoConnection.objects.of(actor.organization_id).select_for_update()
    if not connections.filter(pk=connection_id).exists():
        raise NotFound("There is no such connection.")
    try:
        with transaction.atomic():
            row = SsoDomain.objects.create(
                organization_id=actor.organization_id,
                connection_id=connection_id,
                domain=read_domain(domain),
                token=_new_token(),
            )
    except IntegrityError:
        raise Conflict("This domain is named already.", domain=domain[:253]) from None
    _note("orgs.sso.domain_added", actor, row)
    return row


def verify_domain(*, actor: Actor, domain_id: UUID) -> SsoDomain:
    """Fetch the proof from the domain itself. Repeating it changes nothing.

    Raises SsoDomainUnproven, or SsoDomainTaken where another organization has proven it.
    """
    require(actor, "org.manage")
    row = _found(actor, domain_id)
    if row.verified_at is None:
        _check_proof(row)
        row = _mark_verified(actor, row, "orgs.sso.domain_verified")
    return row


def confirm_domain(*, actor: Actor, domain_id: UUID) -> SsoDomain:
    """An operator's word instead of the file; `actor` is an operator's, made by the console."""
    require(actor, "org.manage")
    row = _found(actor, domain_id)
    return row if row.verified_at else _mark_verified(actor, row, "orgs.sso.domain_confirmed")


@transaction.atomic
def remove_domain(*, actor: Actor, domain_id: UUID) -> None:
    """From now on the connection does not vouch for its addresses; sessions under way go on.

    The last proven domain of a connection that is enforced stays: it would shut out its people.
    """
    require(actor, "org.manage")
    row = _found(actor, domain_id, lock=True)
    connection = SsoConnection.objects.select_for_update().get(pk=row.connection_id)
    others = connection.domains.filter(verified_at__isnull=False).exclude(pk=row.pk)
    if row.verified_at and connection.enforced and not others.exists():
        raise SsoDomainUnproven("The only sign-in of an organization needs a proven domain.")
    _note("orgs.sso.domain_removed", actor, row)
    row.delete()


def forget_proofs(connection: SsoConnection) -> None:
    """In the caller's transaction: the domains have to be proven anew, with other tokens."""
    for row in connection.domains.select_for_update():
        row.verified_at, row.token = None, _new_token()
        row.save(update_fields=["verified_at", "token", "updated_at"])
    connection.enforced = False
    connection.save(update_fields=["enforced", "updated_at"])


def bind_people(connection: SsoConnection) -> None:
    """Where it is the only way in: end what its people have open by another, owners apart."""
    proven = connection.domains.filter(verified_at__isnull=False)
    named = Q()
    for domain in proven.values_list("domain", flat=True):
        for spelt in _spellings(domain):
            named |= Q(email__iendswith=f"@{spelt}")
    if not named:
        return
    owners = Membership.objects.owners_of(connection.organization_id).values("user_id")
    end_other_ways(connection.pk, User.objects.filter(named).exclude(pk__in=owners))


def _spellings(domain: str) -> set[str]:
    """As it is stored, and as people may have typed it."""
    try:
        return {domain, idna.decode(domain)}
    except idna.IDNAError:
        return {domain}


def read_domain(text: str) -> str:
    """In lower case and in ASCII (IDNA 2008). Raises InvalidInput."""
    text = text.strip().lower().removesuffix(".")
    try:
        name = text if text.isascii() else idna.encode(text).decode()
    except idna.IDNAError:
        name = ""
    labels = name.split(".")
    fits = len(name) <= 253 and len(labels) > 1 and not labels[-1].isdigit()
    if not fits or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidInput("This is not the name of a domain.", domain=text[:253])
    return name


def proof_url(domain: str) -> str:
    return str(settings.SSO_PROOF_URL.format(domain=domain))


def _new_token() -> str:
    return PREFIX + secrets.token_hex(20)


def _check_proof(row: SsoDomain) -> None:
    url = proof_url(row.domain)
    call = send("GET", url, timeout=10, max_bytes=4096, max_redirects=0)
    try:
        answer = asyncio.run(call)
    except DomainError as error:
        raise SsoDomainUnproven(
            "The proof could not be fetched.", url=url, reason=str(error.message)
        ) from error
    lines = answer.text.splitlines() if answer.status == HTTPStatus.OK else []
    expected = row.token.encode()
    if not any(hmac.compare_digest(line.strip().encode(), expected) for line in lines):
        raise SsoDomainUnproven("The proof was not found.", url=url, status=answer.status)


@transaction.atomic
def _mark_verified(actor: Actor, seen: SsoDomain, event: str) -> SsoDomain:
    """Only what was proven: the token may have changed while the proof was fetched."""
    row = _found(actor, seen.pk, lock=True)
    if row.token != seen.token:
        raise SsoDomainUnproven("The proof has changed; try again.")
    row.verified_at = now()
    try:
        with transaction.atomic():
            row.save(update_fields=["verified_at", "updated_at"])
    except IntegrityError:
        raise SsoDomainTaken(
            "This domain has been proven for another connection.", domain=row.domain
        ) from None
    if row.connection.enforced and row.connection.enabled:
        bind_people(row.connection)
    _note(event, actor, row)
    return row


def _found(actor: Actor, domain_id: UUID, *, lock: bool = False) -> SsoDomain:
    rows = SsoDomain.objects.of(actor.organization_id)
    row = (rows.select_for_update() if lock else rows).filter(pk=domain_id).first()
    if row is None:
        raise NotFound("There is no such domain.")
    found: SsoDomain = row
    return found


def _note(event: str, actor: Actor, row: SsoDomain) -> None:
    note(event, actor, "sso_domain", row, connection=str(row.connection_id), domain=row.domain)
