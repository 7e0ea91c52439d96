"""How an organization ends: who erases what, what is handed out before, and what stays for ever.

Rooms register in their `apps.ready`. An erasure takes at most `limit` rows away and says how many
it took; it may be interrupted and repeated. Wallet, ledger, holds, usage, prices and the audit
trail have none: they are never destroyed, and the organization's row stays for them to point at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from orgs.errors import OrganizationClosing
from orgs.models import Organization

Erase = Callable[[UUID, int], int]
Rows = Callable[[UUID], Iterator[dict[str, Any]]]
Contents = Callable[[UUID], Iterator[tuple[str, IO[bytes]]]]


@dataclass(frozen=True, slots=True)
class Erasure:
    name: str
    order: int
    erase: Erase


_erasures: dict[str, Erasure] = {}
_sources: dict[str, Rows] = {}
_contents: dict[str, Contents] = {}


def register_erasure(name: str, order: int, erase: Erase) -> None:
    """`erase(organization_id, limit) -> n`; 0 when nothing is left. Whoever protects goes first.

    Orders: workflows 100-199, bpm 200-299, files 300-399, llm 400-499, orgs 900-999.
    """
    _erasures[name] = Erasure(name, order, erase)


def erasures() -> list[Erasure]:
    return sorted(_erasures.values(), key=lambda each: (each.order, each.name))


def register_source(name: str, rows: Rows) -> None:
    """`rows(organization_id)`: what goes into `<name>.jsonl` of the archive, without secrets."""
    _sources[name] = rows


def register_contents_source(name: str, contents: Contents) -> None:
    """`contents(organization_id)`: (path, opened file) of what goes into the folder `<name>`."""
    _contents[name] = contents


def sources() -> dict[str, Rows]:
    return dict(sorted(_sources.items()))


def contents_sources() -> dict[str, Contents]:
    return dict(sorted(_contents.items()))


def erase_batch(rows: QuerySet[Any], limit: int) -> int:
    """Delete at most `limit` of `rows` with what cascades from them; how many of them it were."""
    found = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    if found:
        rows.model._base_manager.filter(pk__in=found).delete()
    return len(found)


def plain_rows(rows: QuerySet[Any], *names: str) -> Iterator[dict[str, Any]]:
    """The named columns of each row, read in pieces."""
    yield from rows.order_by("pk").values(*names).iterator(chunk_size=500)


def grace() -> timedelta:
    """How long a closing organization can still be kept."""
    return timedelta(days=settings.ORGANIZATION_GRACE_DAYS)


def refuse_while_closing(organization_id: UUID) -> None:
    """For what would outlast the organization: new members, invitations and keys."""
    closing = Organization.objects.filter(pk=organization_id, closing_at__isnull=False)
    at = closing.values_list("closing_at", flat=True).first()
    if at is not None:
        raise OrganizationClosing("This organization is being closed.", closing_at=at.isoformat())
