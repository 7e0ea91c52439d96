"""The page of the trace search, for members and for operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from core.repeats import takes_many
from orgs.access import Actor
from orgs.models import ApiKey, Membership, Organization
from orgs.pages import page
from orgs.tokens import prefix_of
from orgs.trail_search import Found, resolve
from orgs.trails import KEY, Item, Trail, read_trail, readable


@dataclass(frozen=True, slots=True)
class Line:
    """An item as the page shows it: `after` is how long after the first of the page it came."""

    item: Item
    label: str
    icon: str
    url: str
    by: str
    after: float
    organization: str = ""


@require_GET
@page("org.view")
@takes_many("kind")
def trace(request: HttpRequest) -> HttpResponse:
    """One id finds everything the reader may see."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if away := _without_token(request):
        return away
    return render(request, "orgs/trace.html", _context(request, actor))


@require_GET
def operator_trace(request: HttpRequest) -> HttpResponse:
    """The same across all organizations, in the console; wrapped by `admin_view`."""
    if not request.user.has_perm("audit.view_entry"):
        raise PermissionDenied
    if away := _without_token(request):
        return away
    context = {**admin.site.each_context(request), **_context(request, None)}
    return render(request, "admin/trace.html", context)


def _without_token(request: HttpRequest) -> HttpResponse | None:
    """To the address with a key's prefix, when somebody pasted its token: no page keeps that."""
    text = request.GET.get("id", "")
    prefix = prefix_of(text.strip())
    return redirect(f"{request.path}?{urlencode({'id': f'lw_{prefix}'})}") if prefix else None


def _context(request: HttpRequest, actor: Actor | None) -> dict[str, Any]:
    found = resolve(actor, request.GET.get("id", ""))
    known = [KEY, *(source.kind for source in readable(actor))]
    kinds = [kind for kind in request.GET.getlist("kind") if kind in known]
    trail = Trail([])
    if found.traces and not found.undecided:
        trail = read_trail(actor, found.traces, kinds, request.GET.get("cursor", ""))
    query = {"id": found.wanted, "kind": kinds}
    return {
        "title": _("Trace"),
        "found": found,
        "trace_id": found.traces[0] if len(found.traces) == 1 else "",
        "choices": _choices(actor, found),
        "lines": _lines(actor, trail.items),
        "next": urlencode({**query, "cursor": trail.next}, doseq=True) if trail.next else "",
        "paged": "cursor" in request.GET,
        "kinds": _kinds(actor, found, kinds),
    }


def _kinds(actor: Actor | None, found: Found, chosen: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(label, query, chosen) of each filter."""
    rows = [("", _("Everything")), (KEY, _("API key"))]
    rows += [(source.kind, str(source.label)) for source in readable(actor)]
    return [
        (
            label,
            urlencode({"id": found.wanted, **({"kind": kind} if kind else {})}),
            kind in chosen if kind else not chosen,
        )
        for kind, label in rows
    ]


def _choices(actor: Actor | None, found: Found) -> list[tuple[Any, str]]:
    """Each trace that could be meant, with the organization's name for operators."""
    if not found.undecided:
        return []
    names = _organizations(actor, (clue.organization_id for clue in found.clues))
    return [(clue, names.get(clue.organization_id, "")) for clue in found.clues]


def _lines(actor: Actor | None, items: Sequence[Item]) -> list[Line]:
    """Three queries for the names of people, keys and organizations, however many lines."""
    if not items:
        return []
    people = _people(actor, {item.user_id for item in items if item.user_id})
    keys = _keys(actor, {item.api_key_id for item in items if item.api_key_id})
    organizations = _organizations(actor, (item.organization_id for item in items))
    looks = {source.kind: (str(source.label), source.icon) for source in readable(actor)}
    looks[KEY] = (_("API key"), "key")
    first = items[0].at
    return [
        Line(
            item,
            *looks[item.kind],
            item.url if actor else _console(item),
            keys.get(item.api_key_id) or people.get(item.user_id, ""),
            (item.at - first).total_seconds() * 1000,
            organizations.get(item.organization_id, ""),
        )
        for item in items
    ]


def _people(actor: Actor | None, ids: set[UUID]) -> dict[UUID | None, str]:
    """Names of people; members see those of their organization alone."""
    rows = get_user_model().objects.filter(pk__in=ids)
    if actor is not None:
        inside = Membership.objects.of(actor.organization_id).filter(user_id__in=ids)
        rows = rows.filter(pk__in=inside.values("user_id"))
    return {user.pk: user.get_full_name() for user in rows}


def _keys(actor: Actor | None, ids: set[UUID]) -> dict[UUID | None, str]:
    rows = ApiKey.objects.all() if actor is None else ApiKey.objects.visible_to(actor)
    return {key.pk: str(key) for key in rows.filter(pk__in=ids)}


def _organizations(actor: Actor | None, ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    if actor is not None:
        return {}
    return dict(Organization.objects.filter(pk__in=set(ids)).values_list("pk", "name"))


def _console(item: Item) -> str:
    if item.row is None:
        return ""
    try:
        return reverse(f"admin:{item.row[0]}_change", args=[item.row[1]])
    except NoReverseMatch:
        return ""
