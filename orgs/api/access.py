"""What every REST view shares: the actor, the verb its action needs, and the form of requests.

The form is one for all of them (docs/api.md): callers are counted, a parameter nobody documents is
refused, a POST under an `Idempotency-Key` works once, `If-Match` holds under the row's lock, and
every answer that can be read again carries an `ETag`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework import exceptions, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.documented import refuse_unknown_parameters
from core.etags import PreconditionFailed, matches, seen_already, tag_of
from orgs.access import Actor, actor_of, require
from orgs.api.once import HEADER, answering_once, idempotency_key
from orgs.api.rates import measure_stranger
from orgs.cors import MARK
from orgs.models import Organization

_NEVER: frozenset[str] = frozenset()


class OrgAccess:
    """Mixin: sets `self.actor`; checks `verbs[action]`, else `verbs["*"]`, before anything runs.

    A guest holds no verb, but may list and read what was shared: such actions are named in
    `granted`, and their querysets narrow to the grants.

    Of POSTs, `own_keys` names those whose action knows idempotency keys itself, `apart` those
    that ask a far server and must not hold a transaction meanwhile.
    """

    verbs: ClassVar[Mapping[str, str]] = {}
    granted: ClassVar[frozenset[str]] = frozenset()
    own_keys: ClassVar[frozenset[str]] = _NEVER
    apart: ClassVar[frozenset[str]] = _NEVER
    actor: Actor
    headers: dict[str, str]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self.actor = actor_of(request)
        setattr(request._request, MARK, self.actor.organization_id)  # noqa: SLF001 - as DRF's own
        name = self._name(request)
        if name not in self.granted:
            require(self.actor, self._verb_of(name, request))
        refuse_unknown_parameters(request)
        self._take_conditions(request, name)

    def _verb_of(self, name: str, request: Request) -> str:
        verb = self.verbs.get(name) or self.verbs.get("*")
        if verb is None:  # asked before DRF looks whether it takes the method at all
            raise exceptions.MethodNotAllowed(str(request.method))
        return verb

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

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        if _can_be_read_again(request, answer):
            tag = tag_of(answer.data)
            answer["ETag"] = tag
            if seen_already(request.headers.get("If-None-Match", ""), tag):
                answer.status_code, answer.data = 304, None
        return answer

    def lock_rows(self) -> None:
        """Hold what `If-Match` speaks of until the change is done.

        The one row of the address; where the address names none, the organization's.
        """
        if not hasattr(self, "get_object"):
            Organization.objects.select_for_update().get(pk=self.actor.organization_id)
            return
        row = self.get_object()
        type(row)._base_manager.select_for_update().filter(pk=row.pk).first()

    def current(self) -> Any:
        """What GET answers now at the address that is being changed.

        None where there is no GET: then no tag matches.
        """
        view: Any = self
        show = getattr(view, "retrieve", None) or getattr(view, "get", None)
        if show is None:
            return None
        name = getattr(view, "action", None)
        view.action = "retrieve"  # serializers and querysets are chosen by it
        try:
            return show(view.request, **view.kwargs).data
        finally:
            view.action = name

    def _name(self, request: Request) -> str:
        return getattr(self, "action", None) or (request.method or "").lower()

    def _take_conditions(self, request: Request, name: str) -> None:
        """Wrap the handler, which DRF looks up on the instance after this."""
        method = (request.method or "").lower()
        handler = getattr(self, method, None)
        if handler is None:
            return
        if method == "post" and HEADER in request.headers:
            idempotency_key(request)
            if name not in self.own_keys:
                handler = answering_once(handler, self.actor, apart=name in self.apart)
        elif method in {"patch", "put", "delete"} and "If-Match" in request.headers:
            handler = self._unless_changed(handler)
        setattr(self, method, handler)

    def _unless_changed(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def answer(request: Request, *args: Any, **kwargs: Any) -> Any:
            with transaction.atomic():
                self.lock_rows()
                tag = tag_of(self.current())
                if not matches(request.headers["If-Match"], tag):
                    raise PreconditionFailed("This was changed meanwhile.", etag=tag)
                return handler(request, *args, **kwargs)

        return answer


def _can_be_read_again(request: Request, answer: Any) -> bool:
    return request.method == "GET" and isinstance(answer, Response) and answer.status_code == 200


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
