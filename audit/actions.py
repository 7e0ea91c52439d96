"""Writing to the audit trail."""

from typing import Any, Protocol
from uuid import UUID

from audit.models import Entry
from core.jsonsafe import clean
from core.trace import current_trace_id


class Acting(Protocol):
    """Whoever does something: `orgs.access.Actor`, seen from below."""

    @property
    def organization_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID | None: ...
    @property
    def api_key_id(self) -> UUID | None: ...


def record(
    action: str,
    *,
    actor: Acting,
    target_type: str,
    target_id: object,
    summary: str = "",
    data: dict[str, Any] | None = None,
    trace_id: str | None = None,
) -> Entry:
    """Append one entry in the caller's transaction, so both commit or neither does.

    `data` must be JSON-safe and hold no secret: mask before you call. What no database keeps in a
    text is replaced, so that no write fails for the words in its entry.
    """
    kind, actor_id = _who(actor)
    support_id = getattr(actor, "support_id", None)
    if support_id is not None:
        data = {**(data or {}), "support_id": str(support_id)}
    return Entry.objects.create(
        organization_id=actor.organization_id,
        action=action,
        actor_kind=kind,
        actor_id=actor_id,
        target_type=target_type,
        target_id=str(target_id)[:120],
        summary=clean(summary)[:300],
        data=clean(data or {}),
        trace_id=trace_id or current_trace_id(),
    )


def _who(actor: Acting) -> tuple[str, UUID | None]:
    if actor.api_key_id:
        return Entry.ActorKind.KEY, actor.api_key_id
    if actor.user_id:
        return Entry.ActorKind.USER, actor.user_id
    return Entry.ActorKind.SYSTEM, None
