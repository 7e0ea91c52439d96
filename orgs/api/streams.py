"""Authentication for async streams, which DRF's views cannot serve."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings

from orgs.access import Actor, actor_of


@sync_to_async
def stream_actor(request: HttpRequest) -> Actor | None:
    """The actor of a plain async view, by key, token or session; None when nobody is named.

    Raises AuthenticationFailed for a wrong credential, NoOrganization like any other door.
    """
    classes: Any = (
        api_settings.DEFAULT_AUTHENTICATION_CLASSES
    )  # read as dotted names, given as classes
    asked = Request(request, authenticators=[one() for one in classes])
    return actor_of(asked) if asked.user.is_authenticated else None
