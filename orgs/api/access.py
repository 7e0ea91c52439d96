"""What every REST view shares: the actor, and the verb its action needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import viewsets
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView

from orgs.access import Actor, actor_of, require


class OrgAccess:
    """Mixin: sets `self.actor`; checks `verbs[action]`, else `verbs["*"]`, before anything runs.

    A guest holds no verb, but may list and read what was shared: such actions are named in
    `granted`, and their querysets narrow to the grants.
    """

    verbs: ClassVar[Mapping[str, str]] = {}
    granted: ClassVar[frozenset[str]] = frozenset()
    actor: Actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self.actor = actor_of(request)
        name = getattr(self, "action", None) or (request.method or "").lower()
        if name not in self.granted:
            require(self.actor, self._verb_of(name, request))

    def _verb_of(self, name: str, request: Request) -> str:
        verb = self.verbs.get(name) or self.verbs.get("*")
        if verb is None:  # asked before DRF looks whether it takes the method at all
            raise MethodNotAllowed(str(request.method))
        return verb


class OrgAPIView(OrgAccess, APIView):
    """`verbs` is keyed by lower-case method."""


class OrgViewSet(OrgAccess, viewsets.GenericViewSet[Any]):
    """`verbs` is keyed by action name."""
