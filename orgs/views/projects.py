"""Projects."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import NotFound
from orgs import actions
from orgs.access import can, require
from orgs.contents import contents_of
from orgs.errors import ProjectNotEmpty
from orgs.forms.projects import ProjectForm
from orgs.listing import newest
from orgs.models import Project
from orgs.pages import back_from, carried_out, page
from orgs.sharing import change_sharing, sharing_context


@require_http_methods(["GET", "POST"])
@page("org.view")
def projects(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    form = ProjectForm(request.POST or None)
    if request.method == "POST":
        require(actor, "project.manage")
        made = carried_out(form, actions.create_project, actor=actor)
        if made:
            messages.success(request, _("The project is made."))
            return redirect("organization_project", made.pk)
    rows, more = newest(Project.objects.visible_to(actor), request)
    context: dict[str, Any] = {
        "title": _("Organization"),
        "projects": rows,
        "more": more,
        "form": form,
        "may_projects": can(actor, "project.manage"),
    }
    return render(request, "orgs/projects.html", context)


@require_http_methods(["GET", "POST"])
@page("org.view")
def project(request: HttpRequest, pk: UUID) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    found = Project.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such project.")
    first = {name: getattr(found, name) for name in ("name", "description", "restricted")}
    form = ProjectForm(request.POST or None, initial=first)
    if request.method == "POST":
        require(actor, "project.manage", found)
        if carried_out(form, actions.update_project, actor=actor, project_id=pk):
            messages.success(request, _("The project is changed."))
            return redirect("organization_project", pk)
    context: dict[str, Any] = {
        "title": found.name,
        "project": found,
        "form": form,
        "holds": contents_of(found),
        "may_projects": can(actor, "project.manage", found),
        **sharing_context(
            actor, found, "project.manage", reverse("project_share", args=[found.pk])
        ),
    }
    return render(request, "orgs/project.html", context)


@require_POST
@page("org.view")
def archive(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.archive_project(actor=request.actor, project_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The project is archived."))
    return redirect("organization_project", pk)


@require_POST
@page("org.view")
def unarchive(request: HttpRequest, pk: UUID) -> HttpResponse:
    actions.unarchive_project(actor=request.actor, project_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("The project is back."))
    return redirect("organization_project", pk)


@require_POST
@page("org.view")
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        actions.delete_project(actor=request.actor, project_id=pk)  # type: ignore[attr-defined]
    except ProjectNotEmpty as error:
        messages.error(request, _(error.message))
        return redirect("organization_project", pk)
    messages.success(request, _("The project is deleted."))
    return redirect("organization_projects")


@require_POST
@page("org.view")
def share(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give or take back one right on a project; leads back to the page the form stands on."""
    actor = request.actor  # type: ignore[attr-defined]
    found = get_object_or_404(Project.objects.visible_to(actor), pk=pk)
    change_sharing(request, actor, found, "project.manage")
    messages.success(request, _("Sharing is changed."))
    return redirect(back_from(request))
