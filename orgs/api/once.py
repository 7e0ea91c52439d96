"""`Idempotency-Key`: a POST that is sent again does its work once and answers the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import QueryDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import InvalidInput
from orgs.actions.answers import claim_answer, drop_claim, keep_answer
from orgs.models import StoredAnswer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,120}")
_SEPARATE = b"\x00"
Handler = Callable[..., Any]


def idempotency_key(request: Any) -> str | None:
    """The request's key. Raises InvalidInput for one that is not 1 to 120 visible ASCII."""
    given: str | None = request.headers.get(HEADER)
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        raise InvalidInput(
            "An idempotency key has 1 to 120 visible ASCII characters.", field=HEADER
        )
    return given


class AnsweringOnce:
    """Mixin: `answer_once` is called at the end of `initial`, when the caller is known.

    `own_keys` names the actions that know idempotency keys themselves, `apart` those that ask a
    far server and must not hold a transaction meanwhile.
    """

    own_keys: ClassVar[frozenset[str]] = frozenset()
    apart: ClassVar[frozenset[str]] = frozenset()

    def answer_once(
        self, request: Request, name: str, organization_id: UUID | None, caller: str
    ) -> None:
        """Wrap a POST under a key; DRF looks the handler up after this."""
        post: Any = getattr(self, "post", None)
        if request.method != "POST" or HEADER not in request.headers or post is None:
            return
        idempotency_key(request)
        if name not in self.own_keys:
            scope = {"organization_id": organization_id, "caller": caller}
            self.post = answering_once(post, scope, apart=name in self.apart)


def answering_once(handler: Handler, scope: dict[str, Any], *, apart: bool) -> Handler:
    """`handler`, under the request's key, for the `organization_id` and `caller` of `scope`.

    `apart`: its work is no transaction, for it asks a far server; so the answer is kept after it,
    and a crash in between has it done again.
    """

    def answer(request: Request, *args: Any, **kwargs: Any) -> Any:
        key = idempotency_key(request)
        if key is None:
            return handler(request, *args, **kwargs)
        claim = claim_answer(**scope, route=_route(request), key=key, digest=_digest(request))
        if claim.status is not None:
            return _replayed(claim)
        try:
            return _worked(claim, handler, request, args, kwargs, apart)
        except BaseException:
            drop_claim(claim)
            raise

    return answer


def _worked(
    claim: StoredAnswer, handler: Handler, request: Request, args: Any, kwargs: Any, apart: bool
) -> Any:
    with nullcontext() if apart else transaction.atomic():
        response = handler(request, *args, **kwargs)
        kept = _can_be_sent_again(response)
        if kept:
            keep_answer(claim, status=response.status_code, body=_body(response))
        elif not apart and response.status_code >= 400:
            transaction.set_rollback(True)
    if not kept:
        drop_claim(claim)
    return response


def _can_be_sent_again(response: Any) -> bool:
    """A stream and a file cannot, and a refusal need not: it changed nothing."""
    return isinstance(response, Response) and response.status_code < 400


def _body(response: Response) -> str:
    return "" if response.data is None else JSONRenderer().render(response.data).decode()


def _replayed(kept: StoredAnswer) -> Response:
    text = kept.body.reveal() if kept.body else ""
    return Response(
        json.loads(text) if text else None, status=kept.status, headers={REPLAYED: "true"}
    )


def _route(request: Request) -> str:
    """The address with its ids; one that no column holds is named by its digest."""
    route = f"{request.method} {request.path}"
    return route if len(route) <= 300 else hashlib.sha256(route.encode()).hexdigest()


def _digest(request: Request) -> str:
    """Of everything that makes it this request: query, fields in any order, files by content."""
    found = hashlib.sha256(_text(sorted(request.query_params.lists())))
    found.update(_SEPARATE)
    data = request.data
    if not isinstance(data, QueryDict):
        found.update(_text(data))
        return found.hexdigest()
    for name, values in sorted(data.lists()):
        for value in values:
            found.update(_text([name]))
            found.update(_file_digest(value) if isinstance(value, UploadedFile) else _text(value))
            found.update(_SEPARATE)
    return found.hexdigest()


def _text(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")


def _file_digest(file: UploadedFile[Any]) -> bytes:
    found = hashlib.sha256(_text([file.name, file.content_type]))
    for chunk in file.chunks():
        found.update(chunk)
    file.seek(0)
    return found.digest()
