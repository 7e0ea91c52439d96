"""The form of requests that every view of ours shares, whoever may call it.

A parameter that nobody documents or that comes twice is refused, `If-Match` holds under the row's
lock, and every answer that can be read again carries an `ETag`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from core.documented import refuse_repeated_fields, refuse_unknown_parameters
from core.etags import PreconditionFailed, matches, seen_already, tag_of

CHANGES = frozenset({"patch", "put", "delete"})


class ConditionalView:
    """Mixin: `take_conditions` is called at the end of `initial`, when the caller is known."""

    def take_conditions(self, request: Request) -> None:
        """Refuse what is not documented; wrap the handler, which DRF looks up after this."""
        refuse_unknown_parameters(request)
        refuse_repeated_fields(request)
        method = (request.method or "").lower()
        if method in CHANGES and "If-Match" in request.headers and hasattr(self, method):
            setattr(self, method, self._unless_changed(getattr(self, method)))

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
        """Hold what `If-Match` speaks of until the change is done: the row of the address."""
        row = self.get_object()  # type: ignore[attr-defined]
        type(row)._base_manager.select_for_update().filter(pk=row.pk).first()

    def current(self) -> Any:
        """What GET answers now at the address that is being changed.

        None where there is no GET: then no tag matches.
        """
        view: Any = self
        show = getattr(view, "get", None)
        if show is None:
            return None
        request, name = view.request, getattr(view, "action", None)
        view.request = _as_get(request)  # one handler may serve both methods
        view.action = getattr(view, "action_map", {}).get("get", name)
        try:
            return show(view.request, **view.kwargs).data
        finally:
            view.request, view.action = request, name

    def _unless_changed(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def answer(request: Request, *args: Any, **kwargs: Any) -> Any:
            with transaction.atomic():
                self.lock_rows()
                tag = tag_of(self.current())
                if not matches(request.headers["If-Match"], tag):
                    raise PreconditionFailed("This was changed meanwhile.", etag=tag)
                return handler(request, *args, **kwargs)

        return answer


def _as_get(request: Request) -> Request:
    seen: Any = copy.copy(request)
    seen._request = copy.copy(request._request)  # noqa: SLF001 - DRF keeps the method there
    seen._request.method = "GET"  # noqa: SLF001
    return seen


def _can_be_read_again(request: Request, answer: Any) -> bool:
    return request.method == "GET" and isinstance(answer, Response) and answer.status_code == 200
