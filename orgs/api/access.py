"""What every REST view shares: the actor, the verb its action needs, and the form of requests.

The form is one for all of them (docs/api.md): callers are counted, a parameter nobody documents is
refused, a POST under an `Idempotency-Key` works once, `If-Match` holds under the row's lock, and
every answer that can be read again carries an `ETag`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import exceptions, viewsets
from rest_framework.request import Request
from rest_framework.views import APIView

from core.conditions import ConditionalView
from orgs.access import Actor, actor_of, require
from orgs.actions.answers import caller_of
from orgs.api.once import AnsweringOnce
from orgs.api.rates import measure_stranger
from orgs.cors import MARK
from orgs.models import Organization


class OrgAccess(ConditionalView, AnsweringOnce):
    """Mixin: sets `self.actor`; checks `verbs[action]`, else `verbs["*"]`, before anything runs.

    A guest holds no verb, but may list and read what was shared: such actions are named in
    `granted`, and their querysets narrow to the grants.
    """

    verbs: ClassVar[Mapping[str, str]] = {}
    granted: ClassVar[frozenset[str]] = frozenset()
    actor: Actor
    verb_asked: str
    """What this request needs: a key that may change a thing need not list it to find it."""
    kwargs: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self.actor = actor_of(request)
        setattr(request._request, MARK, self.actor.organization_id)  # noqa: SLF001 - as DRF's own
        name = self._name(request)
        self.verb_asked = self.verbs.get(name) or self.verbs.get("*", "")
        if name not in self.granted:
            if not self.verb_asked:  # DRF looks only later whether the method is taken at all
                raise exceptions.MethodNotAllowed(str(request.method))
            require(self.actor, self.verb_asked)
        self.take_conditions(request)
        self.answer_once(request, name, self.actor.organization_id, caller_of(self.actor))

    def perform_authentication(self, request: Request) -> None:
        """Count whoever asks before anybody is turned away, so that guessing is counted too."""
        try:
            super().perform_authentication(request)  # type: ignore[misc]
        except exceptions.AuthenticationFailed:
            verdict = measure_stranger(request)
            if verdict is not None and not verdict.allowed:
                raise exceptions.Throttled(verdict.retry_after) from None
            raise
        self.check_throttles(request)  # type: ignore[attr-defined]

    def lock_rows(self) -> None:
        """The row of the address; where it names none, the organization's."""
        key = getattr(self, "lookup_url_kwarg", None) or getattr(self, "lookup_field", "")
        if key in self.kwargs:
            super().lock_rows()
        else:
            Organization.objects.select_for_update().get(pk=self.actor.organization_id)

    def _name(self, request: Request) -> str:
        return getattr(self, "action", None) or (request.method or "").lower()


class OrgAPIView(OrgAccess, APIView):
    """`verbs` is keyed by lower-case method."""


class OrgViewSet(OrgAccess, viewsets.GenericViewSet[Any]):
    """`verbs` is keyed by action name.

    A list says what it can be narrowed by (`filters`, a serializer, and `columns` where a filter's
    name is not its column) and how it can be ordered (`orderings`): see `core.listing`.
    """

    filters: ClassVar[type[Any] | None] = None
    columns: ClassVar[Mapping[str, str]] = {}
    orderings: ClassVar[Mapping[str, str]] = {"created_at": "pk"}  # ids sort by age
