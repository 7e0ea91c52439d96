"""An organization with a connection to a provider, and a browser that signs in by it."""

import re
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from orgs.actions import add_domain, create_connection
from orgs.models import SsoConnection, SsoDomain
from orgs.tests.factories import OrganizationFactory, actor_in
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, RunningProvider


def connect(
    provider: RunningProvider, domain: str = "northwind.example", **options: Any
) -> SsoConnection:
    """A connection of a new organization, its domain proven."""
    owner = options.pop("owner", None) or actor_in(OrganizationFactory())
    row = create_connection(
        actor=owner,
        name=options.pop("name", "Northwind"),
        issuer=provider.url,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        **options,
    )
    if domain:
        added = add_domain(actor=owner, connection_id=row.pk, domain=domain)
        SsoDomain.objects.filter(pk=added.pk).update(verified_at=now())
    return row


def target_in(page: Any) -> str:
    """Where a page that leaves for a provider leads."""
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())
    assert found, page.content.decode()[-2000:]
    return unescape(found[1])


def leave(client: Client, email: str, **form: str) -> str:
    page = client.post(reverse("sso_start"), {"email": email, **form})
    assert page.status_code == 200
    return target_in(page)


def path_of(location: str) -> str:
    return re.sub(r"^https?://[^/]+", "", location)


def sign_on(client: Client, provider: RunningProvider, email: str, **form: str) -> Any:
    """There and back; the answer of the callback."""
    return client.get(path_of(provider.back(leave(client, email, **form))))


def signed_in_as(client: Client) -> str | None:
    return client.session.get("_auth_user_id")
