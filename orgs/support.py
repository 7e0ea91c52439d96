"""A running stay as support: who may begin one, and what a session with one amounts to.

The stay's id lies in the operator's session, so it ends with it; every request asks the database
whether the stay still runs and the person is still an operator. Tokens and keys never carry one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.timezone import now

from orgs.actor import Actor
from orgs.models import SupportAccess
from orgs.permissions import SUPPORT_ACT, SUPPORT_VIEW

SESSION_KEY = "support_id"
MAY_ENTER = "orgs.add_supportaccess"
_ROLES = {"view": SUPPORT_VIEW, "act": SUPPORT_ACT}


def may_enter(user: Any) -> bool:
    return bool(user.is_active and user.is_staff and user.has_perm(MAY_ENTER))


def support_actor(stay: SupportAccess) -> Actor:
    return Actor(
        organization_id=stay.organization_id,
        role=_ROLES[stay.level],
        user_id=stay.operator_id,
        support_id=stay.pk,
    )


def stay_of(request: Any, at: datetime | None = None) -> SupportAccess | None:
    """The running stay of a page's own session. One query, and none in a session without a stay."""
    if not _by_session(request):
        return None
    plain = getattr(request, "_request", request)
    named = getattr(plain, "session", {}).get(SESSION_KEY)
    if not named or not may_enter(request.user):
        return None
    rows = SupportAccess.objects.running(at or now()).filter(pk=named, operator=request.user)
    return rows.select_related("organization").first()


def _by_session(request: Any) -> bool:
    """Whether the session, not a token beside it, says who is calling."""
    if getattr(request, "auth", None) is not None:
        return False
    asked_by = getattr(request, "successful_authenticator", None)
    return asked_by is None or type(asked_by).__name__ == "SessionAuthentication"
