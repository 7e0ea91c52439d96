"""The page that finds one's organization, the way to its provider and the way back."""

from uuid import UUID

from allauth.account.internal.decorators import login_not_required
from allauth.account.utils import get_next_redirect_url
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.sso.directory import directory, domain_of
from accounts.sso.provider import SsoAdapter


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
