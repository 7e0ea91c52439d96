"""Runs and steps as OpenTelemetry spans, sent when they are durable.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set: then a comparison is all it costs. A run's spans
lie in the run's own trace. Ids of spans are made of ids of runs and nodes, so a step belongs to its
run's span though that is sent last, perhaps by another process, and a span sent twice is one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings

from workflows.runner import ENDED, Change, RunState, Step
from workflows.runtime.store.base import Claimed

QUEUE = 16_384
"""Spans that wait to be sent; a receiver that is away loses those beyond."""


def record(run: Claimed, change: Change) -> None:
    """Send what has just become durable of the run. Never waits, never raises on the way out."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT and (change.steps or change.state in ENDED):
        _record(_exporting(settings.OTEL_EXPORTER_OTLP_ENDPOINT), run, change)


def flush(timeout: float = 5.0) -> None:
    """Send what waits; for a process that ends."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        provider = _exporting(settings.OTEL_EXPORTER_OTLP_ENDPOINT)[0]
        provider.force_flush(int(timeout * 1000))


def span_id_of(*names: object) -> int:
    """64 bits, never 0."""
    text = "/".join(map(str, names)).encode()
    return int.from_bytes(sha256(text).digest()[:8]) or 1


@lru_cache(maxsize=4)
def _exporting(endpoint: str) -> tuple[Any, Any, Any]:
    """(provider, tracer, ids) of this process; the libraries are read on first use only."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415

    class Given(IdGenerator):
        """Ids as they were laid down just before; used by one thread at a time."""

        trace_id = span_id = 0

        def generate_trace_id(self) -> int:
            return self.trace_id

        def generate_span_id(self) -> int:
            return self.span_id

    ids = Given()
    provider = TracerProvider(
        id_generator=ids,
        resource=Resource.create({"service.name": "loomwork", "service.namespace": "engine"}),
        shutdown_on_exit=True,
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE))
    return provider, provider.get_tracer("loomwork.engine"), ids


def _record(exporting: tuple[Any, Any, Any], run: Claimed, change: Change) -> None:
    for step in change.steps:
        _step_span(exporting, run, step)
    if change.state in ENDED:
        _run_span(exporting, run, change)


def _step_span(exporting: tuple[Any, Any, Any], run: Claimed, step: Step) -> None:
    from opentelemetry.trace import (  # noqa: PLC0415
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    _, tracer, ids = exporting
    ids.span_id = span_id_of(run.public_id, step.node_id, step.iteration, run.generation)
    whole = SpanContext(
        int(run.trace_id, 16), span_id_of(run.public_id), True, TraceFlags(TraceFlags.SAMPLED)
    )
    span = tracer.start_span(
        step.node_id,
        context=set_span_in_context(NonRecordingSpan(whole)),
        start_time=_nanos(step.started_at),
        attributes=_about(run)
        | {
            "loomwork.node.id": step.node_id,
            "loomwork.node.kind": step.kind,
            "loomwork.node.iteration": step.iteration,
            "loomwork.step.status": str(step.status),
            "loomwork.step.attempts": step.attempts,
        },
    )
    if step.error:
        _fail(span, step.error_code or "failed", step.error)
    span.end(_nanos(step.ended_at))


def _run_span(exporting: tuple[Any, Any, Any], run: Claimed, change: Change) -> None:
    from opentelemetry.context import Context  # noqa: PLC0415

    _, tracer, ids = exporting
    ids.trace_id, ids.span_id = int(run.trace_id, 16), span_id_of(run.public_id)
    span = tracer.start_span(
        "run",
        context=Context(),
        start_time=_made_at(run.public_id),
        links=_links(run),
        attributes=_about(run) | {"loomwork.run.state": str(change.state)},
    )
    if change.state in {RunState.FAILED, RunState.TIMED_OUT}:
        error = change.error or {}
        _fail(span, str(error.get("code", "failed")), str(error.get("message", "")))
    span.end(_nanos(datetime.now(UTC)))


def _links(run: Claimed) -> list[Any]:
    """To the run that started it, where the claim says which that is."""
    from opentelemetry.trace import Link, SpanContext, TraceFlags  # noqa: PLC0415

    parent = getattr(run, "parent_public_id", None)
    if parent is None:
        return []
    flags = TraceFlags(TraceFlags.SAMPLED)
    return [Link(SpanContext(int(run.trace_id, 16), span_id_of(parent), True, flags))]


def _about(run: Claimed) -> dict[str, Any]:
    return {
        "loomwork.organization.id": str(run.organization_id),
        "loomwork.workflow.id": str(run.workflow_id),
        "loomwork.run.id": str(run.public_id),
    }


def _fail(span: Any, code: str, message: str) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, message[:300]))


def _nanos(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


def _made_at(public_id: UUID) -> int:
    """Nanoseconds since 1970, from the first 48 bits of a UUIDv7 (RFC 9562)."""
    return (public_id.int >> 80) * 1_000_000
