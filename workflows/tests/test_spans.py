"""Spans reach a receiver of OTLP, in the run's trace, below the run's own span."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core.ids import new_trace_id, uuid7
from core.tests.servers import LocalServer
from workflows.runner import Change, RunState, Step, StepStatus
from workflows.runtime import spans
from workflows.runtime.store.base import Claimed

AT = datetime(2026, 3, 4, tzinfo=UTC)
RUN = Claimed(
    pk=1, public_id=uuid7(), epoch=1, organization_id=uuid4(), workflow_id=uuid4(),
    version_id=uuid4(), trace_id=new_trace_id(), inputs={}, system={}, wakes=0, crashes=0, seq=1,
    control="", started_by_id=None, api_key_id=None,
)  # fmt: skip


class Receiver:
    def __init__(self):
        self.spans = []

    async def __call__(self, request):
        assert request.path == "/v1/traces"
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        said = ExportTraceServiceRequest.FromString(body)
        for resource in said.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response()


def test_a_run_and_its_steps_are_told_when_they_are_durable(settings):
    receiver = Receiver()
    bad = Step(
        "call", "llm", AT, AT + timedelta(seconds=2), status=StepStatus.FAILED, error="no answer",
        error_code="timeout",
    )  # fmt: skip
    with LocalServer(receiver) as server:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = server.url
        spans.record(RUN, Change(steps=(replace(bad, node_id="good", error=""),)))
        error = {"code": "timeout", "message": "no answer"}
        spans.record(RUN, Change(steps=(bad,), state=RunState.FAILED, error=error))
        spans.flush()

    told = {span.name: span for span in receiver.spans}
    assert set(told) == {"good", "call", "run"}
    assert {span.trace_id.hex() for span in told.values()} == {RUN.trace_id}
    whole = told["run"]
    assert not whole.parent_span_id
    assert told["good"].parent_span_id == told["call"].parent_span_id == whole.span_id
    assert [told[name].status.code for name in ("good", "call", "run")] == [0, 2, 2]
    assert told["call"].end_time_unix_nano - told["call"].start_time_unix_nano == 2 * 10**9
    about = {item.key: item.value.string_value for item in told["call"].attributes}
    assert about["loomwork.run.id"] == str(RUN.public_id)
    assert about["error.type"] == "timeout"


def test_nothing_is_told_unless_somebody_listens(settings, monkeypatch):
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    monkeypatch.setattr(spans, "_exporting", None)

    spans.record(RUN, Change(state=RunState.SUCCEEDED))
    spans.flush()
