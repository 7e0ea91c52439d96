"""Writing to the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from audit.events import event_of
from audit.models import Entry
from core.jsonsafe import clean
from core.logs import redact, redact_text
from core.origin import current_ip, current_user_agent
from core.trace import current_trace_id


class Acting(Protocol):
    """Whoever does something: `orgs.access.Actor`, seen from below."""

    @property
    def organization_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID | None: ...
    @property
    def api_key_id(self) -> UUID | None: ...
    @property
    def support_id(self) -> UUID | None: ...


def record(
    action: str,
    *,
    actor: Acting,
    target_type: str,
    target_id: object,
    summary: str = "",
    data: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: str | None = None,
    trace_id: str | None = None,
    project_id: UUID | None = None,
) -> Entry:
    """Append one entry in the caller's transaction, so both commit or neither does.

    One INSERT. `project_id` says in which project the target lies now; None is for what concerns
    the organization as a whole, and decides who reads it (`orgs.trail`). `before` and `after` hold
    what changed, by field. Secrets are masked by name and by form; what no database keeps in a
    text is replaced, so that no write fails for the words in its entry. Raises UnknownEvent for a
    name or a field of `data` that nobody registered.
    """
    event = event_of(action)
    told = _masked(data or {})
    event.check(told)
    kind, actor_id = _who(actor)
    return Entry.objects.create(
        organization_id=actor.organization_id,
        action=action,
        category=event.category,
        outcome=outcome or event.outcome,
        actor_kind=kind,
        actor_id=actor_id,
        api_key_id=actor.api_key_id,
        support_id=actor.support_id,
        project_id=project_id,
        target_type=target_type,
        target_id=clean(str(target_id))[:120],
        summary=redact_text(clean(summary))[:300],
        data=told,
        before=None if before is None else _masked(before),
        after=None if after is None else _masked(after),
        trace_id=trace_id or current_trace_id(),
        ip=current_ip(),
        user_agent=clean(current_user_agent()),
    )


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    masked: dict[str, Any] = clean(redact(values))
    return masked


def _who(actor: Acting) -> tuple[str, UUID | None]:
    if actor.api_key_id:
        return Entry.ActorKind.KEY, actor.api_key_id
    if actor.user_id:
        return Entry.ActorKind.USER, actor.user_id
    return Entry.ActorKind.SYSTEM, None
