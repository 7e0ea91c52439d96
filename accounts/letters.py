"""Letters to people: written with what they tell of, sent when a mail server takes them.

The row is the truth, the message on the queue only a bell: `tend_letters` finds what was not
announced, what was refused and what a dead worker left. A letter may come twice when a worker dies
between the mail server's answer and ours; it then carries the same `Message-ID`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils.dateparse import parse_datetime
from django.utils.timezone import now

from accounts.mail import absolute, compose, message_id, way_out
from accounts.models import Letter
from accounts.notifications import kind_of, wants
from core.jsonsafe import clean
from core.queue import enqueue

logger = logging.getLogger(__name__)
State = Letter.State

WAITS = tuple(timedelta(minutes=n) for n in (1, 5, 15, 60, 180, 360, 720, 1440, 1440))
"""Before the second attempt, the third, …; the one after the last is not made."""
LEASE = timedelta(minutes=5)
"""Longer than an attempt can take: each exchange with the mail server ends by EMAIL_TIMEOUT."""
KEPT = timedelta(days=30)
"""How long the row of a letter that is over stays, without its words."""


def write_letter(
    kind: str,
    *,
    user_id: UUID,
    template: str,
    path: str = "",
    context: Mapping[str, Any] | None = None,
    organization_id: UUID | None = None,
    email: str = "",
) -> Letter:
    """Put a letter into the outbox, in the caller's transaction. KeyError for an unknown kind.

    `context` is what the templates are given: JSON and times, the latter under names that end in
    `_at`. Never a secret. `email` only where the letter must not follow a change of address.
    """
    letter = Letter.objects.create(
        organization_id=organization_id,
        user_id=user_id,
        email=email,
        kind=kind_of(kind).name,
        template=template,
        path=path,
        context=clean({name: _stored(value) for name, value in (context or {}).items()}),
        next_at=now(),
    )
    enqueue("accounts.tasks.send_letter", letter_id=str(letter.pk))
    return letter


def _stored(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _given(letter: Letter) -> dict[str, Any]:
    found = {
        name: parse_datetime(value) if name.endswith("_at") and isinstance(value, str) else value
        for name, value in letter.context.items()
    }
    return {**found, "user": letter.user, "link": absolute(letter.path) if letter.path else ""}


def deliver_due(limit: int = 200, budget: float = 20.0) -> int:
    """Attempt what is due, longest due first, within `budget` seconds; how many were sent."""
    until, sent = time.monotonic() + budget, 0
    due = Letter.objects.due(now()).order_by("next_at")
    for pk in due.values_list("pk", flat=True)[:limit]:
        sent += deliver(pk)
        if time.monotonic() > until:  # a mail server that hangs must not hold the worker
            break
    return sent


def deliver(letter_id: UUID) -> bool:
    """Attempt one letter if it is due and nobody else has it; whether it was sent."""
    letter = _claim(letter_id)
    if letter is None:
        return False
    try:
        state = _send(letter)
    except OSError as error:  # every failure of a mail server is one
        logger.warning("Letter %s was not taken; it is tried again.", letter.pk, exc_info=True)
        _put_back(letter, error)
    except Exception as error:
        # One that cannot be rendered must not keep the others in.
        logger.exception("Letter %s could not be made; it is tried again.", letter.pk)
        _put_back(letter, error)
    else:
        _end(letter, state)
        return state == State.SENT
    return False


def _claim(letter_id: UUID) -> Letter | None:
    """The letter, ours alone until the lease ends: compare and set on the number of attempts."""
    at = now()
    letter = Letter.objects.due(at).select_related("user").filter(pk=letter_id).first()
    if letter is None:
        return None
    if letter.attempts > len(WAITS):  # whoever made the last attempt never came back
        _give_up(letter)
        return None
    held = _held(letter).filter(next_at__lte=at)
    if not held.update(attempts=F("attempts") + 1, next_at=at + LEASE):
        return None
    letter.attempts += 1
    return letter


def _send(letter: Letter) -> State:
    user, kind = letter.user, kind_of(letter.kind)
    if not letter.email and not user.is_active:
        return State.DROPPED
    if not wants(user, kind.name):
        return State.MUTED
    if not kind.stands(letter):
        return State.DROPPED
    foot, headers = way_out(user, kind)
    headers["Message-ID"] = message_id(letter.pk)
    compose(
        letter.template,
        letter.email or user.email,
        _given(letter),
        language=user.language,
        headers=headers,
        foot=foot,
    ).send()
    return State.SENT


def _held(letter: Letter) -> Any:
    """The row as we know it; nothing once another attempt has begun or ended."""
    return Letter.objects.filter(pk=letter.pk, state=State.WAITING, attempts=letter.attempts)


def _put_back(letter: Letter, error: Exception) -> None:
    if letter.attempts > len(WAITS):
        _give_up(letter, _name_of(error))
        return
    again = now() + WAITS[letter.attempts - 1]
    _held(letter).update(next_at=again, error=_name_of(error))


def _give_up(letter: Letter, error: str = "") -> None:
    if _end(letter, State.GIVEN_UP, error or letter.error):
        logger.error(
            "Letter %s (%s) is given up after %d attempts.",
            letter.pk, letter.kind, letter.attempts,
        )  # fmt: skip


def _end(letter: Letter, state: State, error: str = "") -> bool:
    over = {"state": state, "ended_at": now(), "next_at": None, "error": error}
    return bool(_held(letter).update(**over, context={}, email=""))


def _name_of(error: Exception) -> str:
    """Without the mail server's words: they may repeat an address."""
    code: Any = ""
    if isinstance(error, SMTPResponseException):
        code = error.smtp_code
    elif isinstance(error, SMTPRecipientsRefused):
        code = next((answer[0] for answer in error.recipients.values()), "")
    return f"{type(error).__name__} {code}".strip()[:120]


def drop_letters(user_id: UUID) -> None:
    """For an account that closes: all but those to a fixed address, which tell of its safety."""
    Letter.objects.filter(user_id=user_id, email="").delete()


def forget_letters(batch: int = 1000) -> int:
    """Delete letters that have been over for `KEPT`, in small statements; how many."""
    old = Letter.objects.filter(ended_at__lt=now() - KEPT).order_by("ended_at")
    gone = 0
    while found := list(old.values_list("pk", flat=True)[:batch]):
        gone += Letter.objects.filter(pk__in=found).delete()[0]
    return gone
