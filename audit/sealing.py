"""Sealing entries into chains, and dropping old seals' entries. Writers of entries never wait.

Transactions commit in another order than they draw numbers, so "everything up to number n" would
leave out what is committed late. A seal therefore takes the entries that no seal has yet, by the
rows of `SealedEntry`, whose primary key lets none be taken twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Max, Q
from django.utils.timezone import now

from audit.actions import Acting, record
from audit.chain import content_digest, entry_digest, require_head, seal_digest, sign_head
from audit.errors import ChainBroken
from audit.models import LATE, Chain, DailyCount, Entry, EntryQuerySet, Seal, SealedEntry

logger = logging.getLogger(__name__)

BATCH = 500
"""Entries in a seal at most: what one transaction reads, and what retention drops at once."""
SECONDS = 45.0
"""What one pass may take; the next goes on."""


def seal_all(*, everything: bool = False, seconds: float = SECONDS) -> int:
    """Seal what is unsealed, organization by organization; returns how many entries were.

    Without `everything` it looks back no further than a late commit can lie behind the last pass.
    Safe to run twice at once.
    """
    deadline, sealed = time.monotonic() + seconds, 0
    for organization_id in _waiting(everything):
        try:
            while time.monotonic() < deadline and (seal := seal_next(organization_id)):
                sealed += seal.count
        except ChainBroken:
            logger.exception("Not sealed", extra={"organization": str(organization_id)})
    return sealed


def _waiting(everything: bool) -> list[UUID]:
    entries = Entry.objects.unsealed()
    last = Chain.objects.aggregate(last=Max("sealed_at"))["last"]
    if last is not None and not everything:
        entries = entries.filter(at__gte=last - 2 * LATE)
    return list(entries.order_by().values_list("organization_id", flat=True).distinct())


@transaction.atomic
def seal_next(
    organization_id: UUID, *, batch: int = BATCH, accept: Sequence[int] = ()
) -> Seal | None:
    """Seal the oldest unsealed entries; None when there are none. Locks the chain's row.

    Entries that can only have been put in later (`odd_entries`) stay out, unless an operator
    accepts them by number. Raises ChainBroken when the head is not as it was signed.
    """
    chain = _locked(organization_id)
    waiting = Entry.objects.of(organization_id).unsealed().order_by("pk")
    entries = list(without_odd(waiting, chain, accept)[:batch])
    if not entries:
        return None
    digests = [entry_digest(entry) for entry in entries]
    seal = _new_seal(chain, entries, digests)
    _count(organization_id, entries)
    chain.number, chain.digest, chain.sealed_at = seal.number, seal.digest, seal.sealed_at
    chain.entries += seal.count
    chain.last_id = max(chain.last_id, seal.last_id)
    chain.last_at = max(chain.last_at or seal.last_at, seal.last_at)
    sign_head(chain)
    chain.save()
    # A witness outside the database: logs usually go where its owner cannot rewrite them.
    logger.info(
        "Sealed",
        extra={
            "organization": str(organization_id), "number": seal.number, "digest": seal.digest,
        },
    )  # fmt: skip
    return seal


def without_odd(entries: EntryQuerySet, chain: Chain, accept: Sequence[int] = ()) -> EntryQuerySet:
    """Those that `odd_entries` leaves, said so that an index finds them without the sealed ones."""
    if chain.last_at is None:
        return entries
    recent = Q(at__gte=chain.last_at - LATE)
    timely = Q(pk__gt=chain.last_id) | Q(at__lte=chain.last_at + LATE)
    return entries.filter((recent & timely) | Q(pk__in=accept) if accept else recent & timely)


def odd_entries(chain: Chain) -> EntryQuerySet:
    """Unsealed entries of the organization that can only have been put in later.

    Numbers are drawn in the order of time, give or take a transaction's length. What is older than
    the sealed ones by more than that, or has an old number and a new time, was not merely
    committed late.
    """
    unsealed = Entry.objects.of(chain.organization_id).unsealed().order_by("pk")
    if chain.last_at is None:
        return unsealed.none()
    old_number = Q(pk__lt=chain.last_id, at__gt=chain.last_at + LATE)
    return unsealed.filter(Q(at__lt=chain.last_at - LATE) | old_number)


def _locked(organization_id: UUID) -> Chain:
    """The chain, locked and checked. A chain that lost its head is not begun anew."""
    Chain.objects.get_or_create(organization_id=organization_id)
    chain = Chain.objects.select_for_update().get(pk=organization_id)
    if not chain.number and Seal.objects.of(organization_id).exists():
        raise ChainBroken("The head of the chain is gone.", organization=str(organization_id))
    require_head(chain)
    return chain


def _new_seal(chain: Chain, entries: list[Entry], digests: list[str]) -> Seal:
    seal = Seal(
        organization_id=chain.organization_id,
        number=chain.number + 1,
        count=len(entries),
        first_id=entries[0].pk,
        last_id=entries[-1].pk,
        last_at=max(entry.at for entry in entries),
        content=content_digest(digests),
        previous=chain.digest,
        sealed_at=now(),
    )
    seal.digest = seal_digest(seal)
    seal.save(force_insert=True)
    SealedEntry.objects.bulk_create(
        SealedEntry(
            entry_id=entry.pk,
            seal=seal,
            organization_id=chain.organization_id,
            position=position,
            digest=digest,
        )
        for position, (entry, digest) in enumerate(zip(entries, digests, strict=True), 1)
    )
    return seal


def _count(organization_id: UUID, entries: list[Entry]) -> None:
    """Add the entries to the days' counts. The chain's lock keeps others away."""
    found = Counter(_kind(entry, entry.at.astimezone(UTC).date()) for entry in entries)
    days = {day for day, *_ in found}
    known = {
        _kind(row, row.day): row
        for row in DailyCount.objects.of(organization_id).filter(day__in=days)
    }
    for kind, count in found.items():
        if row := known.get(kind):
            DailyCount.objects.filter(pk=row.pk).update(count=F("count") + count)
    DailyCount.objects.bulk_create(
        DailyCount(
            organization_id=organization_id,
            day=day,
            action=action,
            category=action.partition(".")[0],
            outcome=outcome,
            actor_kind=actor_kind,
            actor_id=actor_id,
            count=count,
        )
        for (day, action, outcome, actor_kind, actor_id), count in found.items()
        if (day, action, outcome, actor_kind, actor_id) not in known
    )


def _kind(row: Any, day: Any) -> tuple[Any, str, str, str, UUID | None]:
    return day, row.action, row.outcome, row.actor_kind, row.actor_id


@transaction.atomic
def prune_entries(*, actor: Acting, before: datetime, seals: int = 20) -> int:
    """Drop the entries of the oldest seals whose newest is older than `before`; returns how many.

    At most `seals` whole seals at once; call again until it returns 0. Seals stay, marked, and the
    signed head says up to which one entries are gone: the chain still proves itself. The days'
    counts go with them. Raises ChainBroken.
    """
    chain = _locked(actor.organization_id)
    rows = Seal.objects.of(actor.organization_id).filter(number__gt=chain.pruned_to)
    oldest = rows.order_by("number")[:seals]
    expired = list(takewhile(lambda seal: seal.last_at < before, oldest))
    if not expired:
        return 0
    ids = [seal.pk for seal in expired]
    Seal.objects.filter(pk__in=ids).update(pruned_at=now())
    chain.pruned_to = expired[-1].number
    sign_head(chain)
    chain.save()
    with _retention():
        sealed = SealedEntry.objects.filter(seal__in=ids)
        Entry.objects.filter(pk__in=sealed.values("entry_id")).delete()
        dropped = sealed.delete()[0]
    DailyCount.objects.of(actor.organization_id).filter(day__lt=before.date()).delete()
    record(
        "audit.entries.pruned",
        actor=actor,
        target_type="audit.chain",
        target_id=actor.organization_id,
        data={
            "first_seal": expired[0].number,
            "last_seal": expired[-1].number,
            "entries": dropped,
            "before": before.isoformat(),
        },
    )
    return dropped


@contextmanager
def _retention() -> Iterator[None]:
    """Open the one door through which rows may go: of pruned seals, in this transaction.

    On SQLite the triggers look at the seal alone; no setting belongs to a transaction there.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('loomwork.audit_retention', 'on', true)")
        yield
        cursor.execute("SELECT set_config('loomwork.audit_retention', '', true)")


def renew_signatures() -> int:
    """Sign heads anew that an older key of SECRET_KEYS signed; returns how many."""
    renewed = 0
    for organization_id in Chain.objects.exclude(signature="").values_list("pk", flat=True):
        with transaction.atomic():
            chain = Chain.objects.select_for_update().get(pk=organization_id)
            before = chain.signature
            try:
                require_head(chain)
            except ChainBroken:
                continue
            sign_head(chain)
            if chain.signature != before:
                chain.save(update_fields=["signature"])
                renewed += 1
    return renewed
