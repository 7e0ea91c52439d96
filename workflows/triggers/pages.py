"""Pages of triggers. Every write goes through the action the API uses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import DomainError, NotFound, PermissionRefused
from core.repeats import takes_many
from orgs.access import Actor, allowed_on, require
from orgs.models import ApiKey
from orgs.pages import page
from workflows.actions import (
    change_trigger,
    create_trigger,
    delete_trigger,
    fire_trigger,
    rotate_trigger,
    set_trigger_enabled,
)
from workflows.actions.triggers import SIGNED, Made
from workflows.errors import InvalidSchedule
from workflows.inputs import start_variables
from workflows.models import Trigger, TriggerFiring, Workflow
from workflows.triggers.configs import ScheduleSettings, schedule_of
from workflows.triggers.forms import FORMS, RotateForm, ScheduleForm, TriggerForm

PAGE = 25
UPCOMING = 10


@require_http_methods(["GET", "POST"])
@page("org.view")
@takes_many("states")
def new(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """A form for the kind; what is shown once stands in this answer and nowhere else."""
    actor = _actor(request)
    workflow = get_object_or_404(Workflow.objects.visible_to(actor), pk=pk)
    require(actor, "workflow.edit", workflow)
    if kind not in FORMS:
        raise Http404
    form = FORMS[kind](request.POST or None, workflow=workflow, actor=actor)
    if request.method == "POST" and form.is_valid():
        made = _made(form, actor, workflow, kind)
        if made is not None and made.token:
            return _once(request, made)
        if made is not None:
            messages.success(request, _("“%s” is made.") % made.trigger.name)
            return redirect("trigger", made.trigger.pk)
    context = {
        "title": Trigger.Kind(kind).label,
        "workflow": workflow,
        "kind": kind,
        "form": form,
        "variables": _variables(workflow),
    }
    return render(request, "workflows/trigger_new.html", context)


def _made(form: TriggerForm, actor: Actor, workflow: Workflow, kind: str) -> Made | None:
    secret = form.cleaned_data.get("secret", "")
    given = form.given() | {"workflow_id": workflow.pk, "kind": kind, "secret": secret}
    found: Made | None = _carried_out(form, create_trigger, actor=actor, **given)
    return found


def _carried_out(form: TriggerForm, act: Any, **given: Any) -> Any:
    """What `act` makes; None, with the reason in the form, when it says no."""
    try:
        return act(**given)
    except (NotFound, PermissionRefused):
        raise
    except DomainError as error:
        named = error.detail.get("fields") or {}
        more = "; ".join(f"{name}: {why}" for name, why in named.items())
        form.add_error(None, f"{_(error.message)} {more}".strip())
        return None


@require_http_methods(["GET", "POST"])
@page("org.view")
@takes_many("states")
def trigger(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One trigger: when it starts next, what became of each firing, its settings."""
    actor = _actor(request)
    row = _trigger(actor, pk)
    may = allowed_on(actor, row.workflow, "workflow.edit", "workflow.run")
    if request.method == "POST":
        require(actor, "workflow.edit", row.workflow)
    kind = FORMS[row.kind]
    initial = kind.initial_of(row)
    form = kind(request.POST or None, workflow=row.workflow, actor=actor, initial=initial)
    if request.method == "POST" and _saved(form, actor, row):
        messages.success(request, _("The trigger is saved."))
        return redirect("trigger", pk)
    form.fields.pop("secret", None)  # a new one is made by rotating
    context = {
        "title": row.name,
        "trigger": row,
        "workflow": row.workflow,
        "kind": row.kind,
        "form": form,
        "variables": _variables(row.workflow),
        "upcoming": _upcoming(row),
        "zone": row.config.get("time_zone", "UTC"),
        "acts_for": _acting_name(row),
        "rotation": RotateForm(),
        "signed": row.config.get("scheme") in SIGNED,
        "may_edit": may["workflow.edit"],
        "may_run": may["workflow.run"],
        **_firings(request, row),
    }
    return render(request, "workflows/trigger.html", context)


def _saved(form: TriggerForm, actor: Actor, row: Trigger) -> bool:
    if not form.is_valid():
        return False
    changes = form.given()
    return bool(_carried_out(form, change_trigger, actor=actor, trigger_id=row.pk, **changes))


def _firings(request: HttpRequest, row: Trigger) -> dict[str, Any]:
    text = request.GET.get("before", "")
    rows = TriggerFiring.objects.filter(trigger=row).order_by("-pk")
    if text.isascii() and text.isdecimal() and len(text) < 19:
        rows = rows.filter(pk__lt=int(text))
    found = list(rows[: PAGE + 1])
    more = found[PAGE - 1].pk if len(found) > PAGE else None
    return {"firings": found[:PAGE], "more": more}


def _upcoming(row: Trigger) -> list[Any]:
    if row.kind != Trigger.Kind.SCHEDULE or not row.enabled or row.next_occurrence is None:
        return []
    wanted = schedule_of(row)
    at = row.next_occurrence - timedelta(microseconds=1)
    return _local(wanted, wanted.rule().following(at, UPCOMING))


def _local(wanted: ScheduleSettings, found: list[Any]) -> list[Any]:
    zone = ZoneInfo(wanted.time_zone)
    return [at.astimezone(zone) for at in found]


def _acting_name(row: Trigger) -> str:
    if row.acts_for_key_id is not None:
        key = ApiKey.objects.filter(pk=row.acts_for_key_id).first()
        return str(key) if key else ""
    user = get_user_model().objects.filter(pk=row.acts_for_user_id or UUID(int=0)).first()
    return user.get_full_name() if user else ""


def _variables(workflow: Workflow) -> list[dict[str, Any]]:
    version = workflow.published or workflow.versions.order_by("-number").first()
    return start_variables(version.definition) if version else []


@require_GET
@page("org.view")
@takes_many("states")
def preview(request: HttpRequest) -> HttpResponse:
    """The next occurrences of what stands in a form; a fragment of its page."""
    empty = Workflow()
    form = ScheduleForm(request.GET, workflow=empty, actor=_actor(request))
    form.is_valid()
    context: dict[str, Any] = {"upcoming": [], "zone": form.cleaned_data.get("time_zone")}
    try:
        wanted = ScheduleSettings.model_validate(form.settings_of() | {"anchor": now()})
        context["upcoming"] = _local(wanted, wanted.rule().following(now(), UPCOMING))
    except InvalidSchedule as error:
        context["refused"] = _(error.message)
    except (KeyError, ValueError):
        context["refused"] = _("Some settings are not valid.")
    return render(request, "workflows/_upcoming.html", context)


@require_POST
@page("org.view")
def switch(request: HttpRequest, pk: UUID) -> HttpResponse:
    enabled = request.POST.get("enabled") == "1"
    set_trigger_enabled(actor=_actor(request), trigger_id=pk, enabled=enabled)
    messages.success(request, _("It is switched on.") if enabled else _("It is switched off."))
    return redirect("trigger", pk)


@require_POST
@page("org.view")
def fire(request: HttpRequest, pk: UUID) -> HttpResponse:
    run = fire_trigger(actor=_actor(request), trigger_id=pk)
    return redirect("run", run.public_id)


@require_POST
@page("org.view")
def rotate(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A new address or secret, shown in this one answer and nowhere else."""
    form = RotateForm(request.POST)
    what = request.POST.get("what", "")
    if what == "secret" and not form.is_valid():
        messages.error(request, _("A secret has 8 to 500 characters."))
        return redirect("trigger", pk)
    none = {"secret": "", "overlap": 0}  # nosec B105 - an address has none
    data: dict[str, Any] = form.cleaned_data if what == "secret" else none
    made = rotate_trigger(
        actor=_actor(request),
        trigger_id=pk,
        what=what,
        secret=data["secret"],
        overlap=timedelta(seconds=data["overlap"]),
    )
    if made.token or made.secret:
        return _once(request, made)
    messages.success(request, _("The secret is changed."))
    return redirect("trigger", pk)


@require_POST
@page("org.view")
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = _actor(request)
    row = _trigger(actor, pk)
    delete_trigger(actor=actor, trigger_id=pk)
    messages.success(request, _("“%s” is deleted.") % row.name)
    return redirect("workflow", row.workflow_id)


def _once(request: HttpRequest, made: Made) -> HttpResponse:
    """The one page that shows an address or a secret; nothing keeps it."""
    url = settings.PUBLIC_URL + reverse("hook", args=[made.token]) if made.token else ""
    context = {"title": made.trigger.name, "trigger": made.trigger, "url": url, "made": made}
    response = render(request, "workflows/trigger_made.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _trigger(actor: Actor, pk: UUID) -> Trigger:
    rows = Trigger.objects.visible_to(actor)
    rows = rows.select_related("workflow__published", "source_workflow")
    found: Trigger = get_object_or_404(rows, pk=pk)
    return found


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor
