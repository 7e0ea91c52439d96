"""Pages of exports: start one, watch it, take its file away."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from files.actions import cancel_export, download_export, start_export
from files.attachment import attachment_of
from files.models import Export
from files.sources import require_source, source_of
from orgs.access import Actor
from orgs.pages import page

SHOWN = 50


@require_http_methods(["GET", "POST"])
@page("org.view")
def exports(request: HttpRequest) -> HttpResponse:
    """The latest exports; a POST starts one of `source` with the filters of `query`."""
    if request.method == "POST":
        return _start(request)
    rows = Export.objects.visible_to(_actor(request)).order_by("-pk")[:SHOWN]
    context = {"title": _("Exports"), "exports": rows}
    return render(request, "files/exports.html", context)


def _start(request: HttpRequest) -> HttpResponse:
    export = start_export(
        actor=_actor(request),
        source=request.POST.get("source", ""),
        fmt=request.POST.get("format", ""),
        filters=QueryDict(request.POST.get("query", "")).dict(),
    )
    if getattr(request, "htmx", False):
        return render(request, "files/_export.html", {"export": export})
    messages.success(request, _("The export is under way."))
    return redirect("exports")


@require_GET
@page("org.view")
def export(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One export's line; it asks again for itself until it is over."""
    return render(request, "files/_export.html", {"export": _export(request, pk)})


@require_POST
@page("org.view")
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = cancel_export(actor=_actor(request), export_id=pk)
    if getattr(request, "htmx", False):
        return render(request, "files/_export.html", {"export": found})
    return redirect("exports")


@require_GET
@page("org.view")
def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return attachment_of(*download_export(actor=_actor(request), export_id=pk))


def _export(request: HttpRequest, pk: UUID) -> Export:
    actor = _actor(request)
    found: Export | None = Export.objects.of(actor.organization_id).filter(pk=pk).first()
    if found is None:
        raise Http404
    require_source(actor, source_of(found.source))
    return found


def _actor(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined]  # set by `page`
