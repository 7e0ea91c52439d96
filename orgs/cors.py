"""Cross-origin requests: the installation's own list, and each organization's for itself."""

from __future__ import annotations

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest

from orgs.origins import all_origins, origins_of

MARK = "_loomwork_organization"
"""Where a request carries the organization it acted in (see `orgs.api.access`)."""


class OrganizationCorsMiddleware(CorsMiddleware):
    """Credentials are never allowed: a script brings a key or a token, not the page's cookie.

    A preflight is let through when anybody lists the origin. The answer itself may be read only
    where the organization that was acted in lists it, so that one tenant's list opens nothing of
    another's.
    """

    async_capable = False  # it may have to ask the database

    def check_signal(self, request: HttpRequest) -> bool:
        """Here corsheaders asks, request in hand, whether more than the fixed list is allowed."""
        origin = request.headers.get("Origin", "")
        if not origin or not request.path_info.startswith("/api/"):
            return False
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return origin in all_origins()
        organization_id = getattr(request, MARK, None)
        return organization_id is not None and origin in origins_of(organization_id)
