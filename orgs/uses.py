"""When and from where keys were last used, without a write for every call.

A process remembers the latest use of each key and writes all of them in one statement, at most
once every KEY_USE_FLUSH_SECONDS and when it ends. What a process that is killed had not written
yet is lost: it is a hint for people, not evidence. The trail and the usage records are that.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, connections, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils.timezone import now

from core.addresses import Address
from orgs.models import ApiKey

logger = logging.getLogger(__name__)
BATCH = 200
MOST = 50_000
"""Keys remembered at once; a process that cannot write forgets rather than grow."""

Use = tuple[datetime, str | None]


@dataclass(slots=True)
class _Buffer:
    latest: dict[UUID, Use] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    timer: threading.Timer | None = None


_buffer = _Buffer()


def note_use(key_id: UUID, address: Address | None) -> None:
    """Remember that the key was used just now. Touches no database."""
    use = now(), str(address) if address else None
    with _buffer.lock:
        if len(_buffer.latest) < MOST or key_id in _buffer.latest:
            _buffer.latest[key_id] = use
        if _buffer.timer is None and settings.KEY_USE_FLUSH_SECONDS > 0:
            _buffer.timer = threading.Timer(settings.KEY_USE_FLUSH_SECONDS, _flush_in_background)
            _buffer.timer.daemon = True
            _buffer.timer.start()


def flush_uses() -> int:
    """Write what is remembered; returns how many keys. What cannot be written is kept for later."""
    with _buffer.lock:
        taken, _buffer.latest = _buffer.latest, {}
    try:
        ids = sorted(taken)
        for start in range(0, len(ids), BATCH):
            _write({key_id: taken[key_id] for key_id in ids[start : start + BATCH]})
    except Error:
        logger.warning("The last use of %d keys could not be written yet.", len(taken))
        with _buffer.lock:
            _buffer.latest = taken | _buffer.latest
        return 0
    return len(taken)


def _write(uses: Mapping[UUID, Use]) -> None:
    """One UPDATE; another process may have seen a later use, which stays."""

    def latest(position: int, column: str) -> Case:
        kept: Any = ApiKey._meta.get_field(column)
        cases = [
            When(
                Q(pk=key_id) & (Q(last_used_at=None) | Q(last_used_at__lt=use[0])),
                then=Value(use[position], output_field=kept),
            )
            for key_id, use in uses.items()
        ]
        return Case(*cases, default=F(column))

    with transaction.atomic():
        rows = ApiKey.objects.filter(pk__in=uses)
        # In the order of their ids, so that two processes never wait for each other.
        list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        rows.update(last_used_at=latest(0, "last_used_at"), last_used_ip=latest(1, "last_used_ip"))


def _flush_in_background() -> None:
    with _buffer.lock:
        _buffer.timer = None
    try:
        flush_uses()
    finally:
        connections.close_all()


def _flush_at_exit() -> None:
    if not _buffer.latest or settings.KEY_USE_FLUSH_SECONDS <= 0:
        return
    try:
        _flush_in_background()
    except Exception:  # noqa: BLE001 - the process ends; the pool may be gone already
        logger.warning("The last use of %d keys was not written.", len(_buffer.latest))


def _forget(*_: Any) -> None:
    """A forked child starts with an empty buffer: its parent writes what the parent saw."""
    global _buffer  # noqa: PLW0603 - a lock held by another thread of the parent must not be kept
    _buffer = _Buffer()


atexit.register(_flush_at_exit)
os.register_at_fork(after_in_child=_forget)
