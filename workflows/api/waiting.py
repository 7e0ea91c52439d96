"""An answer that comes when a run is over: its status at once, its body then.

On an asynchronous server nobody who waits holds a thread; on another one their thread waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from workflows.api.serializers import RunSerializer
from workflows.models import Run
from workflows.triggers.waiting import wait_for_end, wait_in_thread


def answer_when_over(
    request: Request, run: Run, seconds: int, headers: dict[str, str] | None
) -> HttpResponseBase:
    """The run once it is over, or as it is after `seconds`."""
    plain: Any = request._request  # noqa: SLF001 - as DRF's own
    if not isinstance(plain, ASGIRequest):
        shown = RunSerializer(wait_in_thread(run, seconds) or _fresh(run)).data
        return Response(shown, status=status.HTTP_201_CREATED, headers=headers)
    return StreamingHttpResponse(
        _later(run, seconds),
        status=status.HTTP_201_CREATED,
        content_type="application/json",
        headers={**(headers or {}), "Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _later(run: Run, seconds: int) -> AsyncIterator[bytes]:
    ended = await wait_for_end(run, seconds, _call)
    yield await _call(_rendered, ended or run)


@sync_to_async
def _call(work: Any, *args: Any) -> Any:
    try:
        return work(*args)
    finally:
        close_old_connections()


def _rendered(run: Run) -> bytes:
    shown = run if run.finished else _fresh(run)
    text: bytes = JSONRenderer().render(RunSerializer(shown).data)
    return text


def _fresh(run: Run) -> Run:
    rows = Run.objects.select_related("version").defer("version__definition", "version__report")
    found: Run = rows.get(pk=run.pk)
    return found
