"""Pages of workflows. Every write goes through the action the API uses."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import InvalidInput, PermissionRefused
from core.jsonsafe import clean
from orgs.access import Actor, can
from orgs.forms.organization import RetentionForm
from orgs.models import Project
from orgs.pages import page
from orgs.projects import open_projects
from orgs.reads import projects_of
from orgs.sharing import change_sharing, sharing_context
from workflows.actions import (
    check_flow,
    import_flow,
    move_workflow,
    publish_version,
    set_workflow_retention,
    start_run,
)
from workflows.actions.flows import MAX_BYTES, may_import
from workflows.actions.retention import kept_days
from workflows.actions.searchable import write_lines
from workflows.control_views import control_context, dialog_context
from workflows.dify.texts import localize
from workflows.drawing import draw
from workflows.errors import ImportRefused, InvalidRunInput
from workflows.inputs import start_variables
from workflows.models import Event, Run, RunWait, Workflow, WorkflowVersion
from workflows.progress import children_at, kin_of, round_of, rounds_of, states_of

WHEN = forms.DateTimeField(required=False)
"""A moment in the reader's time zone."""
PAGE = 25
EVENTS = 500
"""The latest of a run that its page shows; the API has all of them."""
CHOICES = 500
"""Projects that a form offers at most; the API takes any."""


@require_GET
@page("org.view")
def workflows(request: HttpRequest) -> HttpResponse:
    found = Workflow.objects.visible_to(_actor(request)).select_related("published")
    query, project = _typed(request.GET, "q"), _given_id(request.GET, "project")
    if query:
        found = found.filter(name__icontains=query)
    if project:
        found = found.filter(project_id=project)
    if before := _given_id(request.GET, "before"):
        found = found.filter(pk__lt=before)
    rows = list(found.order_by("-pk")[: PAGE + 1])
    context = {
        "title": _("Workflows"),
        "rows": _with_run_counts(rows[:PAGE]),
        "more": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "first": not before,
        "query": query,
        "project": str(project or ""),
        "projects": projects_of(_actor(request)),
        "filtered": bool(query or project),
        "may_import": may_import(_actor(request)),
    }
    fragment = getattr(request, "htmx", False)
    name = "workflows/_workflow_rows.html" if fragment else "workflows/workflows.html"
    return render(request, name, context)


def _with_run_counts(rows: list[Workflow]) -> list[Workflow]:
    """Counted for the rows of one page alone, however many workflows and runs there are."""
    counted = Run.objects.filter(workflow__in=rows).order_by().values("workflow")
    found = {
        row["workflow"]: row for row in counted.annotate(n=Count("pk"), last=Max("created_at"))
    }
    for row in rows:
        counts: Any = found.get(row.pk, {"n": 0, "last": None})
        row.n, row.last = counts["n"], counts["last"]  # type: ignore[attr-defined]  # for the page
    return rows


@require_http_methods(["GET", "POST"])
@page("org.view")
def import_page(request: HttpRequest) -> HttpResponse:
    """Upload a file: "check" shows its report, "import" stores it when it has no fault."""
    actor = _actor(request)
    if not may_import(actor):
        raise PermissionRefused("Your role does not allow this.", verb="workflow.edit")
    context: dict[str, Any] = {"title": _("Import a flow"), "projects": _editable(actor)}
    upload = request.FILES.get("file")
    if request.method == "POST" and upload is None:
        messages.error(request, _("Choose a file first."))
    elif request.method == "POST" and upload is not None:
        raw, name = upload.read(MAX_BYTES + 1), _typed(request.POST, "name")
        if "check" in request.POST:
            imported = check_flow(
                actor=_actor(request), raw=raw, filename=str(upload.name), name=name
            )
            context |= _report_context(imported.report, imported.definition)
        else:
            return _import(request, context, raw, str(upload.name), name)
    return render(request, "workflows/import.html", context)


def _editable(actor: Actor) -> QuerySet[Project]:
    """Projects to choose from for a workflow that is made or moved."""
    return open_projects(actor, "workflow.edit")[:CHOICES]


def _import(
    request: HttpRequest, context: dict[str, Any], raw: bytes, filename: str, name: str
) -> HttpResponse:
    try:
        version = import_flow(
            actor=_actor(request),
            raw=raw,
            filename=filename,
            name=name,
            project_id=_given_id(request.POST, "project"),
        )
    except ImportRefused as refused:
        context |= _report_context(refused.detail["report"], None)
        return render(request, "workflows/import.html", context, status=refused.status)
    messages.success(request, _("“%s” is imported.") % version.workflow.name)
    return redirect("workflow", version.workflow_id)


def _report_context(report: Any, definition: Any) -> dict[str, Any]:
    return {"report": _spoken(report), "drawing": draw(definition) if definition else None}


def _spoken(report: Any) -> dict[str, Any]:
    """The report with its sentences in the reader's language."""
    said = {
        section: [{**row, "message": localize(section, row)} for row in report.get(section, ())]
        for section in ("faults", "warnings", "repairs")
    }
    return {**report, **said}


@require_GET
@page("org.view")
def workflow(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    rows = Workflow.objects.visible_to(actor)
    rows = rows.select_related("published", "project", "organization")
    found = get_object_or_404(rows, pk=pk)
    versions = found.versions.order_by("-number")
    number = _number(request.GET, "version")
    shown = versions.filter(number=number).first() if number else None
    shown = shown or found.published or versions.first()
    return render(
        request,
        "workflows/workflow.html",
        {
            "title": found.name,
            "workflow": found,
            "version": shown,
            "versions": versions.defer("definition", "report")[:20],
            "drawing": draw(shown.definition) if shown else None,
            "report": _spoken(shown.report) if shown and shown.report else None,
            "variables": start_variables(shown.definition) if shown else [],
            "runs": _with_names(found.runs.order_by("-pk"))[:8],
            "may_run": can(actor, "workflow.run", found),
            "may_edit": can(actor, "workflow.edit", found),
            "kept_days": kept_days(found),
            "searchable": write_lines(found.searchable),
            "projects": _editable(actor),
            "may_publish": can(actor, "workflow.publish", found),
            **sharing_context(
                actor, found, "workflow.share", reverse("workflow_share", args=[found.pk])
            ),
        },
    )


@require_POST
@page("org.view")
def publish(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = _version(request, pk)
    version = publish_version(actor=_actor(request), version_id=found.pk)
    messages.success(request, _("Version %s is published.") % version.number)
    return redirect("workflow", pk)


@require_POST
@page("org.view")
def share(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give or take back one right on the workflow."""
    actor = _actor(request)
    found = get_object_or_404(Workflow.objects.visible_to(actor), pk=pk)
    change_sharing(request, actor, found, "workflow.share")
    messages.success(request, _("Sharing is changed."))
    return redirect("workflow", pk)


@require_POST
@page("org.view")
def move(request: HttpRequest, pk: UUID) -> HttpResponse:
    moved = move_workflow(
        actor=_actor(request), workflow_id=pk, project_id=_uuid(request, "project")
    )
    messages.success(request, _("It is in “%s” now.") % moved.project.name)
    return redirect("workflow", pk)


@require_POST
@page("org.view")
def retention(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = RetentionForm(request.POST)
    if form.is_valid():
        set_workflow_retention(actor=_actor(request), workflow_id=pk, **form.cleaned_data)
        messages.success(request, _("The retention of its runs is changed."))
    else:
        messages.error(request, _("Enter a number of days from 1 to 36500, or nothing."))
    return redirect("workflow", pk)


@require_POST
@page("org.view")
def start(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    version = _version(request, pk)
    try:
        run = start_run(
            actor=actor,
            workflow_id=pk,
            inputs=_inputs(request, version.definition),
            query=request.POST.get("query", ""),
            version_id=version.pk,
            trigger=Run.Trigger.MANUAL,
            not_before=WHEN.clean(request.POST.get("not_before", "")),
        )
    except InvalidRunInput as refused:
        names = ", ".join(f"{name} ({why})" for name, why in refused.detail["fields"].items())
        messages.error(request, _("Please check the inputs: %s") % names)
        return redirect("workflow", pk)
    except (ValidationError, InvalidInput) as refused:
        told = refused.messages[0] if isinstance(refused, ValidationError) else refused.message
        messages.error(request, told)
        return redirect("workflow", pk)
    return redirect("run", run.public_id)


def _version(request: HttpRequest, workflow_id: UUID) -> WorkflowVersion:
    """The version a form names; 404 unless it is one of this workflow's."""
    rows = WorkflowVersion.objects.visible_to(_actor(request))
    return get_object_or_404(rows, pk=_uuid(request, "version"), workflow=workflow_id)


def _uuid(request: HttpRequest, name: str) -> UUID:
    if found := _given_id(request.POST, name):
        return found
    raise Http404


def _inputs(request: HttpRequest, definition: dict[str, Any]) -> dict[str, Any]:
    """What the form says, by the start node's variables; an empty field is left out."""
    values: dict[str, Any] = {}
    for variable in start_variables(definition):
        name = str(variable.get("variable"))
        text = request.POST.get(f"input-{name}", "")
        if variable.get("type") == "checkbox":
            values[name] = text == "on"
        elif text and variable.get("type") == "json_object":
            values[name] = _json(text)
        elif text:
            values[name] = text
    return values


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_names(found: QuerySet[Run]) -> QuerySet[Run]:
    return found.select_related("workflow").defer("inputs", "outputs", "system")


@require_GET
@page("org.view")
def run(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    found = _run(actor, pk)
    events = list(Event.objects.filter(run=found).order_by("-seq")[: EVENTS + 1])[::-1]
    states = states_of(found, events)
    return render(
        request,
        "workflows/run.html",
        {
            "title": _("Run"),
            "run": found,
            "drawing": draw(found.version.definition, states, rounds_of(found)),
            "state_words": Run.State.choices,
            "events": events[-EVENTS:],
            "more_events": len(events) > EVENTS,
            "waits": _waits(found),
            **kin_of(actor, found),
            **control_context(actor, found),
            **dialog_context(found),
        },
    )


def _waits(run: Run) -> list[dict[str, str]]:
    """What the run waits for, by the titles people gave their nodes."""
    titles = {node["id"]: node.get("title") for node in run.version.definition.get("nodes", [])}
    rows = RunWait.objects.filter(run=run)
    return [
        {"kind": row.kind, "node": row.node_id, "title": titles.get(row.node_id) or row.node_id}
        for row in rows
    ]


def _run(actor: Any, pk: UUID) -> Run:
    rows = Run.objects.visible_to(actor).select_related("workflow", "version")
    return get_object_or_404(rows, public_id=pk)


@require_GET
@page("org.view")
def run_result(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The result panel alone; the live page asks for it when the run rests or ends."""
    actor = _actor(request)
    found = _run(actor, pk)
    context = {"run": found, "waits": _waits(found), **kin_of(actor, found)}
    return render(request, "workflows/_run_result.html", context)


@require_GET
@page("org.view")
def run_node(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What one node did; of a node inside a container in one round, which `?round=` names."""
    actor = _actor(request)
    found = _run(actor, pk)
    node_id = _typed(request.GET, "node")
    nodes = found.version.definition.get("nodes", [])
    node = next((item for item in nodes if item["id"] == node_id), None)
    wanted = _typed(request.GET, "round") if request.GET.get("round") else None
    inner = round_of(found, node_id, wanted) if node and node.get("parent") else {"round": ""}
    steps = list(found.steps.filter(node_id=node_id, iteration=inner["round"]))
    context = {
        "run": found,
        "node": node,
        "node_id": node_id,
        "steps": steps,
        "node_open": all(step.status == "failed" for step in steps),
        "started": children_at(actor, found, node_id, inner["round"]),
        **inner,
        **control_context(actor, found),
    }
    return render(request, "workflows/_run_node.html", context)


def _typed(given: QueryDict, name: str) -> str:
    """What somebody typed, without what no database compares with."""
    text: str = clean(given.get(name, ""))
    return text.strip()


def _given_id(given: QueryDict, name: str) -> UUID | None:
    """What a form or an address names; nothing where that is no id."""
    try:
        return UUID(given.get(name, ""))
    except ValueError:
        return None


def _number(given: QueryDict, name: str) -> int | None:
    text = given.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _actor(request: HttpRequest) -> Any:
    return request.actor  # type: ignore[attr-defined]
