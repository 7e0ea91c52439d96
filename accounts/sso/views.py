"""The page that finds one's organization, the way to its provider and the way back."""

import logging
from http import HTTPStatus
from uuid import UUID

from allauth.account.internal.decorators import login_not_required
from allauth.account.utils import get_next_redirect_url
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sso.directory import directory, domain_of
from accounts.sso.logout import log_out_by
from accounts.sso.provider import SsoAdapter
from accounts.sso.sessions import mark_of

logger = logging.getLogger(__name__)


class StartForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@never_cache
@login_not_required
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Address in, off to the provider of its domain. Says nothing about accounts or members."""
    if limited := ratelimit.consume_or_429(
        request, app="accounts", action="sso_start", config=settings.SSO_RATE_LIMITS
    ):
        return limited
    form = StartForm(request.POST or None, initial={"email": request.GET.get("email", "")[:254]})
    if request.method == "POST" and form.is_valid():
        found = directory().connection_for(domain_of(form.cleaned_data["email"]))
        if found is not None:
            provider = get_adapter(request).get_provider(request, provider=str(found.id))
            next_url = get_next_redirect_url(request)
            away: HttpResponse = provider.redirect(request, AuthProcess.LOGIN, next_url=next_url)
            return away
        form.add_error("email", gettext("No organization signs in with addresses of this domain."))
    return render(request, "accounts/sso_start.html", {"form": form})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """For who has no password here: the provider asks anew who sits there, then back to `next`."""
    mark = mark_of(request.session)
    connection = directory().connection(mark.connection_id) if mark else None
    if connection is None:
        raise PermissionDenied(gettext("You did not come in by your organization's sign-in."))
    if request.method == "POST":
        provider = get_adapter(request).get_provider(request, provider=str(connection.id))
        params = provider.get_auth_params() | {"prompt": "login", "max_age": "0"}
        away: HttpResponse = provider.redirect(
            request, AuthProcess.LOGIN, next_url=_page_to_return_to(request), auth_params=params
        )
        return away
    return render(request, "accounts/sso_confirm.html", {"name": connection.name})


def _page_to_return_to(request: HttpRequest) -> str | None:
    """The form that was sent is gone with the old session, and its address takes forms alone."""
    url: str | None = get_next_redirect_url(request)
    sessions = reverse("account_sessions")
    return sessions if url and url.startswith(sessions) else url


@csrf_exempt
@never_cache
@login_not_required
@require_POST
def end_by_provider(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """OpenID Connect Back-Channel Logout 1.0: the signed token is what shows who asks."""
    try:
        log_out_by(provider_id, request.POST.get("logout_token", ""))
    except OAuth2Error as error:
        logger.warning("A logout by connection %s was refused: %s", provider_id, error)
        said = {"error": "invalid_request", "error_description": str(error)[:200]}
        return JsonResponse(said, status=HTTPStatus.BAD_REQUEST)
    return HttpResponse(status=HTTPStatus.OK)


@login_not_required
def login(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """A page that asks, and on POST the way to the provider: nobody is sent there by a link."""
    return _serve(OAuth2LoginView, request, provider_id)


@never_cache
@login_not_required
def callback(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    return _serve(OAuth2CallbackView, request, provider_id)


def _serve(kind: type, request: HttpRequest, provider_id: UUID) -> HttpResponse:
    try:
        view = kind.adapter_view(SsoAdapter(request, str(provider_id)))  # type: ignore[attr-defined]
        answer: HttpResponse = view(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return answer
