"""Answers kept for repeated requests: claimed before the work, kept in the work's transaction.

A claim is committed by itself, so that a second request sees at once that the first is under way.
The answer is written in the transaction of the work: either both are there or neither. A process
that dies in between leaves a claim whose lease runs out; who comes then does the work, and should
the first still live, it finds its claim gone and its work is rolled back.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.timezone import now

from core.errors import IdempotencyMismatch
from orgs.access import Actor
from orgs.errors import IdempotencyInProgress
from orgs.models import StoredAnswer

LEASE = timedelta(seconds=90)
"""How long a request may work before its claim counts as left behind."""
KEPT = timedelta(hours=24)
BATCH = 500


def caller_of(actor: Actor) -> str:
    return f"{actor.kind}:{actor.api_key_id or actor.user_id or ''}"


def claim_answer(
    *, organization_id: UUID | None, caller: str, route: str, key: str, digest: str
) -> StoredAnswer:
    """The claim on this key, or, where its `status` is set, the answer that was given.

    Raises IdempotencyMismatch for another request under the key, IdempotencyInProgress while the
    first is under way.
    """
    scope = {
        "organization_id": organization_id,
        "caller": caller,
        "route": route,
        "key": key,
    }
    for _attempt in range(3):  # what is in the way may end between two looks
        at = now()
        row = StoredAnswer(
            **scope, request_digest=digest, locked_until=at + LEASE, expires_at=at + KEPT
        )
        if _inserted(row):
            return row
        known = StoredAnswer.objects.filter(**scope).first()
        if known is None:
            continue
        if known.expires_at <= at:
            StoredAnswer.objects.filter(pk=known.pk, expires_at=known.expires_at).delete()
            continue
        if known.request_digest != digest:
            raise IdempotencyMismatch("This key was used for another request.", key=key)
        if known.status is None:
            _take_over(known)
        found: StoredAnswer = known
        return found
    raise IdempotencyInProgress("A request with this key is under way.", key=key)


def _inserted(row: StoredAnswer) -> bool:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _take_over(known: StoredAnswer) -> None:
    """Make a claim ours that was left behind: compare and set, so that one of many gets it."""
    at = now()
    if known.locked_until is not None and known.locked_until <= at:
        mine = StoredAnswer.objects.filter(
            pk=known.pk, status=None, locked_until=known.locked_until
        )
        if mine.update(locked_until=at + LEASE):
            known.locked_until = at + LEASE
            return
    raise IdempotencyInProgress("A request with this key is under way.", key=known.key)


def keep_answer(claim: StoredAnswer, *, status: int, body: str) -> None:
    """Keep the answer, in the transaction of the work.

    Raises IdempotencyInProgress, so that the work is rolled back, when somebody else has taken the
    claim over meanwhile.
    """
    rows = StoredAnswer.objects.select_for_update()
    row = rows.filter(pk=claim.pk, status=None, locked_until=claim.locked_until).first()
    if row is None:
        raise IdempotencyInProgress("A request with this key is under way.", key=claim.key)
    row.status, row.body, row.locked_until = status, body, None
    row.save(update_fields=["status", "body", "locked_until", "updated_at"])


def drop_claim(claim: StoredAnswer) -> None:
    """A refused request changed nothing and may be sent again under its key."""
    StoredAnswer.objects.filter(pk=claim.pk, status=None, locked_until=claim.locked_until).delete()


def delete_old_answers(*, batch: int = BATCH) -> int:
    """Delete answers past their day, one bounded statement at a time; how many."""
    total = 0
    while True:
        old = StoredAnswer.objects.filter(expires_at__lte=now()).order_by("expires_at")
        found = list(old.values_list("pk", flat=True)[:batch])
        if not found:
            return total
        total += StoredAnswer.objects.filter(pk__in=found).delete()[0]
