"""Pages of API keys. Every write goes through the action the API uses."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from orgs import actions
from orgs.forms import KeyForm
from orgs.models import ApiKey
from orgs.pages import page


@require_GET
@page("key.manage")
def keys(request: HttpRequest) -> HttpResponse:
    return render(request, "orgs/keys.html", _key_context(request))


def _key_context(request: HttpRequest) -> dict[str, Any]:
    actor = request.actor  # type: ignore[attr-defined]
    rows = ApiKey.objects.of(actor.organization_id).order_by("-pk")
    return {"title": _("API keys"), "keys": rows}


@require_http_methods(["GET", "POST"])
@page("key.manage")
def new_key(request: HttpRequest) -> HttpResponse:
    """Create a key; its token is in this one answer and nowhere else, so there is no redirect."""
    actor = request.actor  # type: ignore[attr-defined]
    form = KeyForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid():
        key, token = actions.create_key(
            actor=actor,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(),
        )
        answer = {"title": key.name, "key": key, "token": token}
        response = render(request, "orgs/key_created.html", answer)
        response.headers["Cache-Control"] = "no-store"
        return response
    return render(request, "orgs/key_new.html", {"title": _("New API key"), "form": form})


@require_POST
@page("key.manage")
def revoke_key(request: HttpRequest, pk: UUID) -> HttpResponse:
    key = actions.revoke_key(actor=request.actor, key_id=pk)  # type: ignore[attr-defined]
    messages.success(request, _("“%(name)s” is revoked.") % {"name": key.name})
    return redirect("api_keys")
