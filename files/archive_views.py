"""Pages of archives: an owner asks for an archive and fetches it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from files import archives
from files.api.archives import archive_response
from orgs.pages import page


@require_POST
@page("org.close")
def request_archive(request: HttpRequest) -> HttpResponse:
    archives.request_archive(actor=request.actor)  # type: ignore[attr-defined]
    messages.success(request, _("The archive is being written; look again in a moment."))
    return redirect("organization_danger")


@require_GET
@page("org.close")
def download_archive(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return archive_response(request.actor, pk)  # type: ignore[attr-defined]
