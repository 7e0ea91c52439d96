"""Pages of control: the bar and dialogs of one run, commands to many, and how far they are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import InvalidInput
from core.jsonsafe import clean
from core.repeats import takes_many
from orgs.access import Actor, can
from orgs.pages import page
from workflows.actions import (
    cancel_bulk,
    cancel_run,
    pause_run,
    rerun_run,
    reset_run,
    resume_run,
    retry_run,
    signal_run,
    skip_node,
    start_bulk,
    terminate_run,
)
from workflows.actions.bulk import bulk_of
from workflows.actions.commanding import OWN
from workflows.control_matrix import Command, offered
from workflows.history.forms import asked_of
from workflows.models import BulkCommand, Run
from workflows.variables import query_variables

SHOWN = 50
DONE = {
    Command.PAUSE: gettext_lazy("The run is paused as soon as what is under way has settled."),
    Command.RESUME: gettext_lazy("The run goes on."),
    Command.TERMINATE: gettext_lazy("The run is terminated."),
    Command.RETRY: gettext_lazy("The run is tried again."),
    Command.RERUN: gettext_lazy("This is the new run."),
    Command.SKIP: gettext_lazy("The node is skipped when the run goes on."),
    Command.SIGNAL: gettext_lazy("The signal is sent."),
    Command.RESET: gettext_lazy("The run is set back."),
}
IN_MENU = frozenset({Command.RERUN, Command.SKIP, Command.SIGNAL, Command.RESET, Command.TERMINATE})
"""What the bar keeps in its menu."""
IN_BULK = (
    (Command.PAUSE, gettext_lazy("Pause")),
    (Command.RESUME, gettext_lazy("Resume")),
    (Command.CANCEL, gettext_lazy("Cancel")),
    (Command.TERMINATE, gettext_lazy("Terminate")),
    (Command.RETRY, gettext_lazy("Retry")),
    (Command.RERUN, gettext_lazy("Run again")),
)
"""What the list of runs offers; the API takes every command."""
IN_API = {
    Command.SKIP: gettext_lazy("Skip"),
    Command.SIGNAL: gettext_lazy("Send a signal"),
    Command.RESET: gettext_lazy("Set back"),
}


def control_context(actor: Actor, run: Run) -> dict[str, Any]:
    """What the bar shows: the commands the run's state allows and the actor may give."""
    controls = can(actor, "run.control", run)
    own = actor.user_id is not None and run.started_by_id == actor.user_id
    may = {each for each in offered(run) if controls or (own and each in OWN)}
    if not can(actor, "workflow.run", run.workflow):
        may.discard(Command.RERUN)
    return {"may": {str(each) for each in may}, "menu": bool(may & IN_MENU)}


def dialog_context(run: Run) -> dict[str, Any]:
    """The nodes that dialogs name, by the titles people gave them."""
    nodes = run.version.definition.get("nodes", [])
    return {
        "nodes": [
            {"id": node["id"], "title": node.get("title") or node["id"]}
            for node in nodes
            if not node.get("parent")
        ]
    }


@require_GET
@page("org.view")
def control(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The bar, and the state beside the title; the live page asks for them at each change.

    A commit may leave a run paused or queued where the worker's own event says that it waits.
    """
    run = _run(request, pk)
    context = {"run": run, "live": True, **control_context(_actor(request), run)}
    return render(request, "workflows/_run_control.html", context)


@require_GET
@page("org.view")
def variables(request: HttpRequest, pk: UUID) -> HttpResponse:
    run = _run(request, pk)
    found = query_variables(actor=_actor(request), run_id=run.public_id)
    return render(request, "workflows/_run_variables.html", {"variables": found})


@require_POST
@page("org.view")
def command(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One command, named by the form; a rerun leads to the new run."""
    name = request.POST.get("command", "")
    if name not in ACTS:
        raise InvalidInput("There is no such command.", field="command")
    found = Command(name)
    run: Run = ACTS[found](actor=_actor(request), run_id=pk, **FORMS[found](request))
    messages.success(request, _ended(run) if found == Command.CANCEL else DONE[found])
    return redirect("run", run.public_id)


@require_POST
@page("org.view")
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    run = cancel_run(actor=_actor(request), run_id=pk, **_reason(request))
    messages.success(request, _ended(run))
    return redirect("run", pk)


def _ended(run: Run) -> str:
    """Whether it is over, or has a clean-up to do before."""
    return _("The run is cancelled.") if run.finished else _("The run is being cancelled.")


ACTS: dict[str, Any] = {
    Command.PAUSE: pause_run,
    Command.RESUME: resume_run,
    Command.CANCEL: cancel_run,
    Command.TERMINATE: terminate_run,
    Command.RETRY: retry_run,
    Command.RERUN: rerun_run,
    Command.SKIP: skip_node,
    Command.SIGNAL: signal_run,
    Command.RESET: reset_run,
}


def _nothing(request: HttpRequest) -> dict[str, Any]:
    return {}


def _reason(request: HttpRequest) -> dict[str, Any]:
    return {"reason": _typed(request, "reason")}


def _rerun(request: HttpRequest) -> dict[str, Any]:
    return {
        "node_id": _typed(request, "node"),
        "inputs": _object(request, "inputs") if request.POST.get("inputs") else None,
        "outputs": _object(request, "outputs"),
    }


def _skip(request: HttpRequest) -> dict[str, Any]:
    return {
        "node_id": _typed(request, "node"),
        "outputs": _object(request, "outputs"),
        "handle": _typed(request, "handle") or "source",
    }


def _signal(request: HttpRequest) -> dict[str, Any]:
    return {"name": _typed(request, "name"), "data": _object(request, "data")}


def _reset(request: HttpRequest) -> dict[str, Any]:
    text = request.POST.get("to", "")
    return {"to": int(text) if text.isdecimal() and len(text) < 10 else 0}


FORMS = {
    Command.PAUSE: _nothing,
    Command.RESUME: _nothing,
    Command.CANCEL: _reason,
    Command.TERMINATE: _reason,
    Command.RETRY: _nothing,
    Command.RERUN: _rerun,
    Command.SKIP: _skip,
    Command.SIGNAL: _signal,
    Command.RESET: _reset,
}


def _object(request: HttpRequest, name: str) -> dict[str, Any]:
    """What was typed as JSON. Raises InvalidInput for what is no object."""
    text = request.POST.get(name, "").strip()
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInput("This is not a JSON object.", field=name)
    return found


@takes_many("run")
@require_http_methods(["GET", "POST"])
@page("org.view")
def bulks(request: HttpRequest) -> HttpResponse:
    """The latest commands to many runs; a POST starts one for what the list chose."""
    if request.method == "POST":
        return _start(request)
    rows = BulkCommand.objects.visible_to(_actor(request)).order_by("-pk")[:SHOWN]
    context = {"title": _("Commands"), "bulks": [_told(row) for row in rows]}
    return render(request, "workflows/bulks.html", context)


def _told(bulk: BulkCommand) -> BulkCommand:
    """With its command and its filter in words, for the page."""
    chips = asked_of(QueryDict(urlencode(bulk.filters))).chips
    words = {**dict(IN_BULK), **IN_API}
    bulk.word = words.get(Command(bulk.command), bulk.command)  # type: ignore[attr-defined]
    bulk.chips = chips  # type: ignore[attr-defined]
    return bulk


def _start(request: HttpRequest) -> HttpResponse:
    given = request.POST
    if given.get("all") == "on":
        filters: dict[str, Any] = QueryDict(given.get("filter", "")).dict()
    else:
        filters = {"ids": given.getlist("run")}
        if not filters["ids"]:
            raise InvalidInput("Choose runs first.", field="run")
    bulk = start_bulk(actor=_actor(request), command=given.get("command", ""), filters=filters)
    messages.success(request, _("The command is under way."))
    return redirect(f"{request.path}#bulk-{bulk.pk}")


@require_GET
@page("org.view")
def bulk(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One command's line; it asks again for itself until it is over."""
    return render(request, "workflows/_bulk.html", {"bulk": _told(bulk_of(_actor(request), pk))})


@require_POST
@page("org.view")
def bulk_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = cancel_bulk(actor=_actor(request), bulk_id=pk)
    if getattr(request, "htmx", False):
        return render(request, "workflows/_bulk.html", {"bulk": _told(found)})
    return redirect("bulks")


def _run(request: HttpRequest, pk: UUID) -> Run:
    rows = Run.objects.visible_to(_actor(request)).select_related("workflow", "version")
    return get_object_or_404(rows, public_id=pk)


def _typed(request: HttpRequest, name: str) -> str:
    text: str = clean(request.POST.get(name, ""))
    return text.strip()


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
