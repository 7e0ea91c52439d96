"""The inbox: list left, task right. HTMX swaps the whole of `#inbox`; without it pages reload."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bpm.actions import claim_task, comment_task, decide_task, release_task
from bpm.inbox import MOST, STEP, TABS, Box, Desk, read_task
from bpm.models import HumanTask
from core.errors import DomainError, InvalidInput, NotFound, PermissionRefused
from orgs.access import Actor
from orgs.pages import page

LENGTH = re.compile(r"[1-9][0-9]{0,5}")


@require_GET
@page("task.view")
def inbox(request: HttpRequest) -> HttpResponse:
    """The box with its first task opened."""
    return _show(request, _box(request))


@require_GET
@page("task.view")
def inbox_task(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _show(request, _box(request), desk=Desk(_actor(request), read_task(_actor(request), pk)))


@require_GET
@page("task.view")
def inbox_list(request: HttpRequest) -> HttpResponse:
    """The left column alone: an open page asks for it now and then, so new tasks come by."""
    selected = request.GET.get("selected", "")
    return render(request, "bpm/_list.html", {"box": _box(request), "selected": selected})


@require_POST
@page("task.decide")
def inbox_claim(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _act(request, pk, claim_task, _("The task is yours."))


@require_POST
@page("task.decide")
def inbox_release(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _act(request, pk, release_task, _("The task is open again."))


@require_POST
@page("task.decide")
def inbox_decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Decide and open the next task of the box."""
    task = read_task(_actor(request), pk)
    data = _answers(task, request.POST)
    comment = request.POST.get("comment", "")
    try:
        decision = decide_task(
            actor=_actor(request),
            task_id=pk,
            action_id=request.POST.get("action", ""),
            comment=comment,
            data=data,
        )
    except DomainError as error:
        return _refused(request, pk, error, given=data, comment=comment)
    said = _("%(task)s: %(action)s") % {"task": task.title, "action": decision.action_title}
    return _done(request, said, _next_of(request))


@require_POST
@page("task.view")
def inbox_comment(request: HttpRequest, pk: UUID) -> HttpResponse:
    text = request.POST.get("comment", "")
    try:
        comment_task(actor=_actor(request), task_id=pk, text=text)
    except DomainError as error:
        return _refused(request, pk, error, comment=text)
    return _done(request, _("Your comment is kept."), pk)


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by orgs.pages.page


def _act(request: HttpRequest, pk: UUID, action: Any, said: str) -> HttpResponse:
    try:
        action(actor=_actor(request), task_id=pk)
    except DomainError as error:
        return _refused(request, pk, error)
    return _done(request, said, pk)


def _box(request: HttpRequest) -> Box:
    """Tab and length come with every request, in the address or the form."""
    asked: QueryDict = request.POST if request.method == "POST" else request.GET
    tab = asked.get("tab", "")
    length = asked.get("length", "")
    return Box(
        actor=_actor(request),
        tab=tab if tab in TABS else "open",
        length=min(int(length), MOST) if LENGTH.fullmatch(length) else STEP,
    )


def _answers(task: HumanTask, posted: QueryDict) -> dict[str, Any]:
    """The form's inputs as the browser sent them; an unticked box is not sent at all."""
    answers: dict[str, Any] = {}
    for entry in task.form.get("inputs", []):
        value = posted.get(f"data-{entry['name']}")
        answers[entry["name"]] = value is not None if entry["type"] == "checkbox" else value or ""
    return answers


def _next_of(request: HttpRequest) -> UUID | None:
    """The task named as next, if it still waits; else the first of the box."""
    waiting = [task.pk for task in _box(request).tasks]
    named = [key for key in waiting if str(key) == request.POST.get("next")]
    return next(iter([*named, *waiting]), None)


def _show(
    request: HttpRequest, box: Box, *, desk: Desk | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    if desk is None and box.tasks:
        desk = Desk(box.actor, read_task(box.actor, box.tasks[0].pk))
    context = {
        "title": _("Inbox"),
        "box": box,
        "desk": desk,
        "tabs": TABS.items(),
        "selected": str(desk.task.pk) if desk else "",
        "next": box.after(desk.task) if desk else None,
    }
    template = "bpm/_inbox.html" if _is_partial(request) else "bpm/inbox.html"
    return render(request, template, context, status=status)


def _is_partial(request: HttpRequest) -> bool:
    htmx = request.htmx  # type: ignore[attr-defined]  # set by django_htmx
    return bool(htmx) and not htmx.history_restore_request


def _refused(
    request: HttpRequest,
    pk: UUID,
    error: DomainError,
    *,
    given: Mapping[str, Any] | None = None,
    comment: str = "",
) -> HttpResponse:
    """The task as it is now, with the reason (the subject may have one too), and what was typed.

    What is not there or not allowed has a page of its own, made by `orgs.pages.page`.
    """
    if isinstance(error, NotFound | PermissionRefused):
        raise error
    actor = _actor(request)
    desk = Desk(
        actor,
        read_task(actor, pk),
        given=given or {},
        faults=error.detail.get("fields", {}),
        fault=error.message,
        comment=comment,
    )
    typed_wrong = isinstance(error, InvalidInput)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if typed_wrong else HTTPStatus.CONFLICT
    return _show(request, _box(request), desk=desk, status=status)


def _done(request: HttpRequest, said: str, task_id: UUID | None) -> HttpResponse:
    """Say what happened and show a task: as a fragment, or by redirect where HTMX is missing."""
    box = _box(request)
    address = reverse("inbox_task", args=[task_id]) if task_id else reverse("inbox")
    address += f"?tab={box.tab}"
    if not _is_partial(request):
        messages.success(request, said)
        return redirect(address)
    desk = Desk(box.actor, read_task(box.actor, task_id)) if task_id else None
    response = _show(request, box, desk=desk)
    response["HX-Push-Url"] = address
    response["HX-Trigger"] = json.dumps({"ui:toast": {"text": said}, "ui:changed": {}})
    return response
