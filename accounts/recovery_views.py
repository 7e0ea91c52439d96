"""allauth's pages and endpoint of recovery codes; what they have shown is hashed behind them."""

from typing import Any

from allauth.headless.constants import Client
from allauth.headless.mfa.views import ManageRecoveryCodesView
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView, ViewRecoveryCodesView
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models import User
from accounts.recovery import hash_codes


def _hash_shown(user: User | AnonymousUser, response: HttpResponse) -> HttpResponse:
    """Not before the page is made of them."""
    if isinstance(user, User) and response.status_code == 200:
        if isinstance(response, TemplateResponse):
            response.render()
        hash_codes(user.pk)
    return response


class _ShownOnce:
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown: HttpResponse = super().get(request, *args, **kwargs)  # type: ignore[misc]
        return _hash_shown(request.user, shown)


class CodesPage(_ShownOnce, ViewRecoveryCodesView):
    pass


class CodesFile(_ShownOnce, DownloadRecoveryCodesView):
    pass


class CodesEndpoint(_ShownOnce, ManageRecoveryCodesView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _hash_shown(request.user, super().post(request, *args, **kwargs))


codes_page = CodesPage.as_view()
codes_file = CodesFile.as_view()
codes_endpoint = CodesEndpoint.as_api_view(client=Client.APP)
