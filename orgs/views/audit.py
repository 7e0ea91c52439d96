"""Pages of the audit trail: find entries, look at one, count them, and how far it is proven."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from audit.events import CATEGORIES, all_events
from audit.models import Chain, Entry, SealedEntry
from audit.queries import NAMES, Filters, narrow
from audit.reports import TOP, Statistics, chart_of, read_statistics
from core.errors import InvalidInput
from core.logs import REDACTED
from orgs.access import Actor, can
from orgs.actions.audit import set_audit_retention
from orgs.models import ApiKey, Organization, Project
from orgs.pages import page
from orgs.trail import entries_visible_to, require_whole_trail

PAGE = 50
MORE = ("project_id", "actor_id", "api_key_id", "target_type", "target_id", "ip", "trace_id")
"""Filters that are out of sight until one of them is in use."""


@require_GET
@page("audit.view")
def trail(request: HttpRequest) -> HttpResponse:
    """The entries, newest first; HTMX asks for the rows alone."""
    asked = _asked(request.GET)
    fault = ""
    try:
        filters = Filters.read(asked)
    except InvalidInput as error:
        filters, fault = Filters(), str(error.detail.get("field", ""))
    found = narrow(entries_visible_to(_actor(request)), filters) if not fault else None
    rows, older = _page_of(found, request.GET.get("before", ""))
    context: dict[str, Any] = {
        "rows": rows,
        "older": older,
        "fault": fault,
        "query": _query(asked),
        "names": names_of(_actor(request), rows),
    }
    if getattr(request, "htmx", False):
        return render(request, "orgs/_audit_rows.html", context | {"fragment": True})
    context |= {
        "title": _("Audit trail"),
        "asked": asked,
        "more_used": any(asked.get(name) for name in MORE),
        "events": [event for event in all_events() if "*" not in event.name],
        "categories": CATEGORIES.items(),
        "outcomes": Entry.Outcome.choices,
        "actor_kinds": Entry.ActorKind.choices,
        "projects": _projects(_actor(request)),
    }
    return render(request, "orgs/audit.html", context)


@require_GET
@page("audit.view")
def entry(request: HttpRequest, pk: str) -> HttpResponse:
    if not (pk.isdecimal() and len(pk) < 19):
        raise Http404
    found = entries_visible_to(_actor(request)).filter(pk=int(pk)).first()
    if found is None:
        raise Http404
    sealed = SealedEntry.objects.filter(pk=found.pk).select_related("seal").first()
    context = {
        "title": found.label,
        "entry": found,
        "names": names_of(_actor(request), [found]),
        "changes": changes_of(found),
        "project": _projects(_actor(request)).filter(pk=found.project_id).first(),
        "sealed": sealed,
    }
    return render(request, "orgs/audit_entry.html", context)


@require_GET
@page("audit.view")
def statistics(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    require_whole_trail(actor)
    asked = {name: request.GET.get(name, "") for name in ("since", "until", "category")}
    try:
        found = read_statistics(actor.organization_id, Filters.read(asked))
    except InvalidInput:
        found, asked = read_statistics(actor.organization_id, Filters()), {}
    context = {
        "title": _("Audit statistics"),
        "asked": asked,
        "categories": CATEGORIES.items(),
        "found": found,
        "report": found.as_json(),
        "chart": chart_of(found, _("Others")),
        "actors": _busiest(actor, found),
        "chain": Chain.objects.of(actor.organization_id).first(),
        "organization": Organization.objects.get(pk=actor.organization_id),
        "may_set": can(actor, "org.manage"),
    }
    return render(request, "orgs/audit_statistics.html", context)


@require_POST
@page("org.manage")
def retention(request: HttpRequest) -> HttpResponse:
    """An empty field keeps the trail for ever."""
    text = request.POST.get("days", "").strip()
    if text and not (text.isdecimal() and len(text) < 7):
        messages.error(request, _("Enter a number of days, or nothing."))
        return redirect("audit_statistics")
    set_audit_retention(actor=_actor(request), days=int(text) if text else None)
    messages.success(request, _("The audit trail's retention is changed."))
    return redirect("audit_statistics")


def _projects(actor: Actor) -> Any:
    return Project.objects.visible_to(actor).only("name").order_by("name")


def names_of(actor: Actor, rows: Iterable[Entry]) -> dict[UUID, str]:
    """Who the ids of actors are: people by name, keys by theirs. Two queries however many rows."""
    ids = {row.actor_id for row in rows if row.actor_id}
    return _names(actor, ids)


def _names(actor: Actor, ids: set[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    people = {user.pk: user.get_full_name() for user in User.objects.filter(pk__in=ids)}
    keys = ApiKey.objects.of(actor.organization_id).filter(pk__in=ids)
    return people | {key.pk: str(key) for key in keys}


def _busiest(actor: Actor, found: Statistics) -> list[dict[str, Any]]:
    rows = found.by_actor.most_common(TOP)
    names = _names(actor, {actor_id for (_, actor_id), _ in rows if actor_id})
    kinds = dict(Entry.ActorKind.choices)
    return [
        {
            "name": names.get(actor_id, str(actor_id)) if actor_id else kinds[kind],
            "kind": kinds[kind],
            "id": actor_id,
            "count": count,
        }
        for (kind, actor_id), count in rows
    ]


def changes_of(entry: Entry) -> list[dict[str, Any]]:
    """Field by field what was and what is; those that differ first. A masked one may differ."""
    before, after = entry.before or {}, entry.after or {}
    rows = [
        {
            "field": field,
            "before": before.get(field),
            "after": after.get(field),
            "changed": before.get(field) != after.get(field),
            "hidden": before.get(field) == after.get(field) == REDACTED,
        }
        for field in sorted({*before, *after})
    ]
    return sorted(rows, key=lambda row: not row["changed"])


def _asked(given: QueryDict) -> dict[str, str]:
    return {name: text for name in NAMES if (text := given.get(name, "").strip())}


def _query(asked: dict[str, str]) -> str:
    query = QueryDict(mutable=True)
    query.update(asked)
    return query.urlencode()


def _page_of(found: Any, before: str) -> tuple[list[Entry], int | None]:
    """A page by key, and the key the next one starts before."""
    if found is None:
        return [], None
    if before.isdecimal():
        found = found.filter(pk__lt=int(before[:18]))
    rows = list(found[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
