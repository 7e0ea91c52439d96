"""The audit trail as a source of exports. `audit` itself stands too low to know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from audit.events import label_of
from audit.models import Entry
from audit.queries import Filters, find_entries
from files.sources import Filters as Given
from files.sources import Source
from orgs.trail import sees_whole_trail

if TYPE_CHECKING:
    from orgs.access import Actor

PORTION = 500
COLUMNS = (
    "id", "at", "event", "label", "category", "outcome", "actor_kind", "actor_id", "api_key_id",
    "support_id", "project_id", "target_type", "target_id", "summary", "data", "before",
    "after", "ip", "user_agent", "trace_id",
)  # fmt: skip


def check(given: Given) -> dict[str, Any]:
    return dict(Filters.read(given).as_json())


def count(actor: Actor, given: Given) -> int:
    return find_entries(actor.organization_id, Filters.read(given)).count()


def rows(actor: Actor, given: Given) -> Iterator[Sequence[Any]]:
    """Oldest first, up to what was there at the start."""
    found = find_entries(actor.organization_id, Filters.read(given))
    newest = found.values_list("pk", flat=True).first() or 0
    portions, after = found.filter(pk__lte=newest).order_by("pk"), 0
    while portion := list(portions.filter(pk__gt=after)[:PORTION]):
        for entry in portion:
            yield _row(entry)
        after = portion[-1].pk


def _row(entry: Entry) -> Sequence[Any]:
    special = {
        "at": entry.at.isoformat(),
        "event": entry.action,
        "label": str(label_of(entry.action)),
    }
    return [special[name] if name in special else _plain(entry, name) for name in COLUMNS]


def _plain(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    return str(value) if name.endswith("_id") and value is not None else value


SOURCE = Source(
    "audit", "audit.view", _("Audit trail"), COLUMNS, check, count, rows, sees_whole_trail
)
