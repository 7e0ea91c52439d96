"""Commands to one run over HTTP. What each does in each state stands in docs/control.md."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.schema import refusal
from orgs.api.access import OrgViewSet
from orgs.api.once import REPLAYED, idempotency_key
from workflows.actions import (
    cancel_run,
    pause_run,
    rerun_run,
    reset_run,
    resume_run,
    retry_run,
    signal_run,
    skip_node,
    terminate_run,
)
from workflows.actions.commanding import LONGEST_REASON
from workflows.actions.steering import LONGEST_DELIVERY, LONGEST_NAME
from workflows.api.serializers import RunSerializer
from workflows.control_matrix import Command
from workflows.models import Run
from workflows.variables import query_variables

GRANTED = frozenset({*map(str, Command), "variables"})
"""Each asks for its own right on the run."""
LONGEST_ID = 100
REFUSED = refusal(
    "run_state_conflict",
    "A run that is succeeded takes no pause.",
    state="succeeded",
    command="pause",
)
OVER = refusal("run_finished", "The run is over already.", state="succeeded", command="cancel")
AT_WORK = refusal(
    "node_state_conflict", "This node cannot be skipped now.", node="draft", state="running"
)
UNREACHED = refusal(
    "node_state_conflict", "The run has not come to this node.", node="draft", state="unreached"
)
GONE = refusal("reset_impossible", "What was done by then is not there any more.", nodes=["draft"])
LARGE = refusal("value_too_large", "This is too large.", size=300_000, limit=262_144)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=LONGEST_REASON
    )


class RerunSerializer(serializers.Serializer[Any]):
    node = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=LONGEST_ID,
        help_text="From this node on; without one, all anew.",
    )
    inputs = serializers.DictField(
        required=False, allow_null=True, default=None, help_text="Instead of the run's inputs."
    )
    outputs = serializers.DictField(
        child=serializers.DictField(),
        required=False,
        default=dict,
        help_text="By earlier node: what it came to, instead of what it did come to.",
    )
    version = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Only where all is anew."
    )


class SkipSerializer(serializers.Serializer[Any]):
    node = serializers.CharField(max_length=LONGEST_ID)
    iteration = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=LONGEST_ID
    )
    outputs = serializers.DictField(required=False, default=dict)
    handle = serializers.CharField(
        required=False,
        default="source",
        max_length=LONGEST_ID,
        help_text="Of a node with branches: the one to take.",
    )


class SignalSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME)
    data = serializers.DictField(  # type: ignore[assignment]  # the name is the public one
        required=False, default=dict
    )
    delivery_id = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=LONGEST_DELIVERY,
        help_text="Sent again, it is delivered once all the same.",
    )


class ResetSerializer(serializers.Serializer[Any]):
    to = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="The number of an event of the history."
    )


class WholeSerializer(serializers.Serializer[Any]):
    whole = serializers.BooleanField(
        required=False, default=False, help_text="Bring large values instead of references."
    )


class VariablesSerializer(serializers.Serializer[Any]):
    sys = serializers.DictField()
    inputs = serializers.DictField()
    env = serializers.DictField()
    conversation = serializers.DictField()
    nodes = serializers.DictField(help_text="By node, what it came to.")


REASON = OpenApiExample("Say why", request_only=True, value={"reason": "Not needed any more."})
RERUN = OpenApiExample(
    "From a node, with an edited output of an earlier one",
    request_only=True,
    value={"node": "draft", "outputs": {"classify": {"text": "invoice"}}},
)
SKIP = OpenApiExample(
    "Answer in the place of a node",
    request_only=True,
    value={"node": "ask", "outputs": {"note": "fine"}, "handle": "approve"},
)
SIGNAL = OpenApiExample(
    "A payment came in",
    request_only=True,
    value={"name": "paid", "data": {"amount": 12}, "delivery_id": "payment-4711"},
)
RESET = OpenApiExample("Back to event 7", request_only=True, value={"to": 7})
VARIABLES = OpenApiExample(
    "After the first node",
    response_only=True,
    value={
        "sys": {"query": "My invoice is wrong."},
        "inputs": {"ticket": "My invoice is wrong."},
        "env": {"REGION": "eu", "API_TOKEN": "••••"},  # nosec B105 - masked
        "conversation": {},
        "nodes": {"start": {"ticket": "My invoice is wrong."}},
    },
)


def _form(kind: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    form = kind(data=data)
    form.is_valid(raise_exception=True)
    found: dict[str, Any] = form.validated_data
    return found


class ControlsRuns(OrgViewSet):
    """Mixin: a POST for each command. The answer is the run as it stands then.

    A repeated command that has nothing left to do succeeds and changes nothing.
    """

    def _answer(self, act: Any, **given: Any) -> Response:
        run: Run = act(actor=self.actor, run_id=self.get_object().public_id, **given)
        return Response(RunSerializer(run).data)

    @extend_schema(request=None, responses={200: RunSerializer, 409: REFUSED})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Start nothing more of it; what is under way settles first."""
        return self._answer(pause_run)

    @extend_schema(request=None, responses={200: RunSerializer, 409: REFUSED})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let a paused or parked run go on."""
        return self._answer(resume_run)

    @extend_schema(
        request=ReasonSerializer, responses={200: RunSerializer, 409: OVER}, examples=[REASON]
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Bring it to its end; what it asked of people is taken back.

        Nodes at work get a chance to stop and a clean-up branch runs: then the run is still
        `running` or `queued` in the answer. Otherwise it is over.
        """
        return self._answer(cancel_run, **_form(ReasonSerializer, request.data))

    @extend_schema(
        request=ReasonSerializer, responses={200: RunSerializer, 409: REFUSED}, examples=[REASON]
    )
    @action(detail=True, methods=["post"])
    def terminate(self, request: Request, pk: str) -> Response:
        """End it now, without any cleaning up."""
        return self._answer(terminate_run, **_form(ReasonSerializer, request.data))

    @extend_schema(request=None, responses={200: RunSerializer, 409: REFUSED})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Go on with a run that ended badly from what failed."""
        return self._answer(retry_run)

    @extend_schema(
        request=RerunSerializer,
        responses={201: RunSerializer, 409: UNREACHED, 413: LARGE},
        examples=[RERUN],
    )
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, pk: str) -> Response:
        """Start a new run like this one: all anew, or from a node with what came before.

        The same `Idempotency-Key` answers with the same new run.
        """
        given = _form(RerunSerializer, request.data)
        run = rerun_run(
            actor=self.actor,
            run_id=self.get_object().public_id,
            node_id=given["node"],
            inputs=given["inputs"],
            outputs=given["outputs"],
            version_id=given["version"],
            idempotency_key=idempotency_key(request),
        )
        again = {REPLAYED: "true"} if run.repeated else None
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED, headers=again)

    @extend_schema(
        request=SkipSerializer,
        responses={200: RunSerializer, 409: AT_WORK, 413: LARGE},
        examples=[SKIP],
    )
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, pk: str) -> Response:
        """Settle a waiting, ready or failed node with given outputs instead of running it."""
        given = _form(SkipSerializer, request.data)
        return self._answer(skip_node, node_id=given.pop("node"), **given)

    @extend_schema(
        request=SignalSerializer,
        responses={
            200: RunSerializer,
            409: refusal("too_many_signals", "Too many signals wait in this run.", most=1000),
            413: LARGE,
        },
        examples=[SIGNAL],
    )
    @action(detail=True, methods=["post"])
    def signal(self, request: Request, pk: str) -> Response:
        """Tell it something by a name; kept until a node waits for that."""
        return self._answer(signal_run, **_form(SignalSerializer, request.data))

    @extend_schema(
        request=ResetSerializer, responses={200: RunSerializer, 409: GONE}, examples=[RESET]
    )
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str) -> Response:
        """Set it back to right after an event; what came later is done anew."""
        return self._answer(reset_run, **_form(ResetSerializer, request.data))

    @extend_schema(
        operation_id="runs_variables_retrieve",
        parameters=[WholeSerializer],
        responses={
            200: VariablesSerializer,
            410: refusal("file_gone", "The content of this file is gone."),
            503: refusal("storage_unavailable", "The storage does not answer."),
        },
        examples=[VARIABLES],
    )
    @action(detail=True)
    def variables(self, request: Request, pk: str) -> Response:
        """What the flow can read now; secrets are blotted out."""
        whole = _form(WholeSerializer, request.query_params)["whole"]
        run_id = self.get_object().public_id
        return Response(query_variables(actor=self.actor, run_id=run_id, whole=whole))
