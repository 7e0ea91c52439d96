"""Who may act on a task: written as principals, resolved when asked, never copied into user lists.

A principal is `role:<role>` (whoever holds the role in the task's organization now) or
`user:<uuid>`. Someone who joins the role sees the task at once, someone who leaves it no longer.
"""

from collections.abc import Sequence
from uuid import UUID

from django.utils.translation import gettext as _

from core.errors import InvalidInput
from orgs.access import Actor
from orgs.models import Role


def principals_of(actor: Actor) -> tuple[str, ...]:
    """Every principal the actor answers to."""
    by_role = f"role:{actor.role}"
    return (by_role, f"user:{actor.user_id}") if actor.user_id else (by_role,)


def clean_principals(given: Sequence[str]) -> tuple[str, ...]:
    """Checked, without repetition, in the order given; InvalidInput when none or malformed."""
    cleaned = tuple(dict.fromkeys(_clean(principal) for principal in given))
    if not cleaned:
        raise InvalidInput(_("A task needs at least one candidate."), candidates=list(given))
    return cleaned


def _clean(principal: str) -> str:
    kind, _sep, name = principal.partition(":")
    if kind == "role" and name in Role.values:
        return principal
    if kind == "user":
        try:
            return f"user:{UUID(name)}"
        except ValueError:
            pass
    raise InvalidInput(_("This names neither a role nor a user."), candidate=principal)
