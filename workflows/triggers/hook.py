"""The door of webhooks: `POST /hooks/<token>/`, open to whoever knows the token.

An async answer whose database work runs in threads for a moment at a time. Who waits for the end of
a run waits in the event loop: a thousand of them hold no thread.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from core.api import error_body
from core.denials import DENIALS, note_denial
from core.errors import DomainError
from core.origin import current_ip
from core.refusals import HttpsRequired
from workflows.engine.records import GOOD
from workflows.errors import HookTooLarge, HookUnreadable, RunEndedBadly, RunNotFinished
from workflows.models import Run
from workflows.triggers.deliveries import MAX_BODY, Delivery, Taken, take_delivery
from workflows.triggers.waiting import Call, wait_for_end, wait_in_thread

logger = logging.getLogger(__name__)
Wait = Callable[[Run, float], Awaitable[Run | None]]


@csrf_exempt
async def hook(request: HttpRequest, secret: str) -> HttpResponse:
    """Behind Django's middleware; `workflows.triggers.app` answers without it."""
    in_thread = sync_to_async(_call, thread_sensitive=True)
    wait = sync_to_async(wait_in_thread, thread_sensitive=True)
    return await answer(request, secret, in_thread, wait)


def _call(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


def waiting_with(call: Call) -> Wait:
    async def wait(run: Run, seconds: float) -> Run | None:
        return await wait_for_end(run, seconds, call)

    return wait


async def answer(request: HttpRequest, token: str, call: Call, wait: Wait) -> HttpResponse:
    """The whole of an answer. `call` runs what blocks in a thread, `wait` waits for a run."""
    try:
        response = await _answer(request, token, call, wait)
    except DomainError as error:
        if error.status in DENIALS:
            note_denial(request, error.code)
        body = error_body(error.code, str(error.message), error.detail)
        response = JsonResponse(body, status=error.status, headers=error.headers)
    except Exception:
        logger.exception("A delivery could not be answered")
        body = error_body("internal_error", "Something went wrong on our side.")
        response = JsonResponse(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


async def _answer(request: HttpRequest, token: str, call: Call, wait: Wait) -> HttpResponse:
    if settings.HTTPS and not request.is_secure():
        raise HttpsRequired
    if request.method != "POST":
        body = error_body("method_not_allowed", "Deliveries are POST requests.")
        status = HTTPStatus.METHOD_NOT_ALLOWED
        return JsonResponse(body, status=status, headers={"Allow": "POST"})
    taken = await call(take_delivery, token, delivery_of(request))
    if taken.run is None:
        return JsonResponse(taken.answer)
    if not taken.wait_seconds:
        return _accepted(taken)
    ended = await wait(taken.run, taken.wait_seconds)
    return _finished(taken, ended)


def delivery_of(request: HttpRequest) -> Delivery:
    """Raises HookUnreadable for an upload, HookTooLarge for a body that says it is."""
    kind = request.content_type or ""
    if kind.startswith("multipart/"):
        raise HookUnreadable("The body is neither JSON nor a form.")
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise HookTooLarge("The body of a delivery is too large.", limit=MAX_BODY)
    return Delivery(
        body=request.body,
        headers=request.headers,
        content_type=kind,
        query={name: request.GET[name] for name in request.GET},
        ip=current_ip(),
    )


def _accepted(taken: Taken) -> HttpResponse:
    body = _named(taken) | {"state": str(taken.run.state)} if taken.run else {}
    return JsonResponse(body, status=HTTPStatus.ACCEPTED, headers=_replayed(taken))


def _finished(taken: Taken, ended: Run | None) -> HttpResponse:
    """Raises RunNotFinished, RunEndedBadly: neither says what went on inside."""
    if ended is None:
        raise RunNotFinished("The run goes on; ask for it later.", **_named(taken))
    if ended.state not in GOOD:
        state = str(ended.state)
        raise RunEndedBadly("The run did not succeed.", state=state, **_named(taken))
    body = _named(taken) | {"state": ended.state, "outputs": ended.outputs}
    return JsonResponse(body, headers=_replayed(taken))


def _named(taken: Taken) -> dict[str, Any]:
    if taken.run is None:
        return {}
    run = str(taken.run.public_id)
    return {"run": run, "status_url": settings.PUBLIC_URL + reverse("run-detail", args=[run])}


def _replayed(taken: Taken) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if taken.replayed else {}
