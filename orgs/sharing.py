"""The sharing section of a page: what its template needs, and what its form says.

A page that shows `orgs/_sharing.html` adds `sharing_context(…)` to its context and posts to a view
that calls `change_sharing`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest

from orgs.access import Actor, can
from orgs.grants import grant, grants_on, revoke
from orgs.models import Membership, Team
from orgs.permissions import RIGHTS


def sharing_context(actor: Actor, obj: Any, verb: str, url: str) -> dict[str, Any]:
    """`may_share` and, where it holds, `sharing`: holders, choices and where to post."""
    if not can(actor, verb, obj):
        return {"may_share": False}
    members = Membership.objects.of(actor.organization_id).select_related("user")
    return {
        "may_share": True,
        "sharing": {
            "url": url,
            "holders": grants_on(obj),
            "members": members.order_by("user__name", "user__email"),
            "teams": Team.objects.of(actor.organization_id).order_by("name"),
            "rights": RIGHTS,
        },
    }


def change_sharing(request: HttpRequest, actor: Actor, obj: Any, verb: str) -> None:
    """Give, or with `revoke` take back, one right: `holder` is `user:<id>` or `team:<id>`."""
    kind, _, text = request.POST.get("holder", "").partition(":")
    try:
        holder = {f"{kind}_id": UUID(text)}
    except ValueError:
        raise Http404 from None
    if kind not in {"user", "team"}:
        raise Http404
    change = revoke if "revoke" in request.POST else grant
    change(actor=actor, obj=obj, verb=verb, right=request.POST.get("right", ""), **holder)
