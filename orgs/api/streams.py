"""Authentication for async streams, which DRF's views cannot serve."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.settings import api_settings

from core.documented import refuse_unknown_parameters
from orgs.access import Actor, actor_of
from orgs.api.rates import measure, measure_stranger
from orgs.cors import MARK


@sync_to_async
def stream_actor(request: HttpRequest) -> Actor | None:
    """The actor of a plain async view, by key, token or session; None when nobody is named.

    Raises AuthenticationFailed for a wrong credential, Throttled, UnknownParameter and
    NoOrganization like any other door.
    """
    classes: Any = (
        api_settings.DEFAULT_AUTHENTICATION_CLASSES
    )  # read as dotted names, given as classes
    asked = Request(request, authenticators=[one() for one in classes])
    try:
        known = asked.user.is_authenticated
    except AuthenticationFailed:
        measure_stranger(asked)
        raise
    verdict = measure(asked)
    if verdict is not None and not verdict.allowed:
        raise Throttled(verdict.retry_after)
    if not known:
        return None
    actor = actor_of(asked)
    setattr(request, MARK, actor.organization_id)
    refuse_unknown_parameters(request)
    return actor
