"""Who may act on a task: written as principals, resolved when asked, never copied into user lists.

A principal is `role:<role>` (whoever holds the role in the task's organization now), `team:<uuid>`
(whoever is in the team now) or `user:<uuid>`. Someone who joins the role or the team sees the task
at once, someone who leaves it no longer.
"""

from collections.abc import Sequence
from uuid import UUID

from django.utils.translation import gettext as _

from core.errors import InvalidInput
from orgs.access import Actor
from orgs.models import Role
from orgs.teams import team_ids_of


def principals_of(actor: Actor) -> tuple[str, ...]:
    """Every principal the actor answers to."""
    by_role = f"role:{actor.role}"
    if not actor.user_id:
        return (by_role,)
    teams = (f"team:{pk}" for pk in team_ids_of(actor.organization_id, actor.user_id))
    return (by_role, f"user:{actor.user_id}", *teams)


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
    if kind in {"user", "team"}:
        try:
            return f"{kind}:{UUID(name)}"
        except ValueError:
            pass
    raise InvalidInput(_("This names neither a role, a team nor a user."), candidate=principal)
