"""Pages of API keys. Every write goes through the action the API uses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.repeats import takes_many
from orgs import actions
from orgs.access import Actor, can
from orgs.forms.keys import KeyChangeForm, KeyForm, RotateForm
from orgs.models import ApiKey
from orgs.pages import page
from orgs.projects import open_projects

PAGE = 50
CHAIN = 20
"""Keys shown before and after one in its chain of rotations."""


@require_GET
@page("key.create")
def keys(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    project, state = _uuid(request, "project"), request.GET.get("state", "")
    rows = ApiKey.objects.visible_to(actor).select_related("project").order_by("-pk")
    if project:
        rows = rows.filter(project_id=project)
    if state in ApiKey.State.values:
        rows = rows.in_state(state, now())
    if before := _uuid(request, "before"):
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE + 1])
    context = {
        "title": _("API keys"),
        "keys": _named(found[:PAGE]),
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "projects": open_projects(actor, "key.create")[:200],
        "project": project,
        "state": state,
        "states": [("", _("All")), *ApiKey.State.choices],
        "manages": can(actor, "key.manage"),
        "may_revoke_all": can(actor, "key.revoke_all"),
    }
    return render(request, "orgs/keys.html", context)


@require_http_methods(["GET", "POST"])
@page("key.create")
@takes_many("scopes")
def new_key(request: HttpRequest) -> HttpResponse:
    """Create a key; its token is in this one answer and nowhere else, so there is no redirect."""
    actor = _actor(request)
    form = KeyForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid():
        project = form.cleaned_data["project"]
        key, token = actions.create_key(
            actor=actor,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            ip_allow=form.cleaned_data["ip_allow"],
            expires_at=form.expires_at(),
            project_id=project.pk if project else None,
        )
        return _once(request, key, token)
    return render(request, "orgs/key_new.html", {"title": _("New API key"), "form": form})


@require_http_methods(["GET", "POST"])
@page("key.create")
@takes_many("scopes")
def key(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One key: its settings, its use, the keys before and after it."""
    actor = _actor(request)
    found = _key(actor, pk)
    form = KeyChangeForm(request.POST or None, actor=actor, key=found)
    if request.method == "POST" and form.is_valid():
        actions.change_key(actor=actor, key_id=found.pk, **form.cleaned_data)
        messages.success(request, _("The key is saved."))
        return redirect("api_key", found.pk)
    context = {
        "title": found.name,
        "key": _named([found])[0],
        "form": form,
        "chain": chain_of(actor, found),
        "rotation": RotateForm(),
        "replaced": found.rotated_to.filter(revoked_at=None).exists(),
    }
    return render(request, "orgs/key.html", context)


@require_POST
@page("key.create")
def rotate_key(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = RotateForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose how long the old token goes on working."))
        return redirect("api_key", pk)
    overlap = timedelta(seconds=int(form.cleaned_data["overlap"]))
    made, token = actions.rotate_key(actor=_actor(request), key_id=pk, overlap=overlap)
    return _once(request, made, token)


@require_POST
@page("key.create")
def revoke_key(request: HttpRequest, pk: UUID) -> HttpResponse:
    ended = actions.revoke_key(actor=_actor(request), key_id=pk)
    messages.success(request, _("“%(name)s” is revoked.") % {"name": ended.name})
    return redirect("api_keys")


@require_POST
@page("key.revoke_all")
def revoke_all_keys(request: HttpRequest) -> HttpResponse:
    n = actions.revoke_all_keys(actor=_actor(request))
    said = ngettext("%(n)s key is revoked.", "%(n)s keys are revoked.", n) % {"n": n}
    messages.success(request, said)
    return redirect("api_keys")


def chain_of(actor: Actor, found: ApiKey) -> list[ApiKey]:
    """The keys that were rotated into this one and out of it, oldest first."""
    rows = {row.pk: row for row in _family(actor, found)}
    by_source: dict[Any, ApiKey] = {}
    for row in sorted(rows.values(), key=lambda row: row.pk):
        by_source[row.rotated_from_id] = row
    first = found
    for _step in range(CHAIN):
        if first.rotated_from_id is None or first.rotated_from_id not in rows:
            break
        first = rows[first.rotated_from_id]
    chain = [first]
    while (later := by_source.get(chain[-1].pk)) and len(chain) < 2 * CHAIN:
        chain.append(later)
    return chain


def _family(actor: Actor, found: ApiKey) -> Iterable[ApiKey]:
    """Rotated keys of the same maker and project, which rotation keeps."""
    rows = ApiKey.objects.visible_to(actor).filter(
        project_id=found.project_id, created_by_id=found.created_by_id
    )
    linked = rows.exclude(rotated_from=None) | rows.filter(rotated_to__isnull=False)
    return linked.distinct().order_by("-pk")[:500]


def _named(rows: list[ApiKey]) -> list[ApiKey]:
    """The rows, each with its maker's name: one more query."""
    ids = {row.created_by_id for row in rows if row.created_by_id}
    names = {user.pk: user.get_full_name() for user in get_user_model().objects.filter(pk__in=ids)}
    for row in rows:
        row.maker_name = names.get(row.created_by_id, "") if row.created_by_id else ""
    return rows


def _once(request: HttpRequest, made: ApiKey, token: str) -> HttpResponse:
    """The one page that shows a token; nothing keeps it."""
    answer = {"title": made.name, "key": made, "token": token, "old": made.rotated_from}
    response = render(request, "orgs/key_created.html", answer)
    response.headers["Cache-Control"] = "no-store"
    return response


def _key(actor: Actor, pk: UUID) -> ApiKey:
    rows = ApiKey.objects.visible_to(actor).select_related("project")
    found: ApiKey = get_object_or_404(rows, pk=pk)
    return found


def _uuid(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor
