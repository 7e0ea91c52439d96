"""Running a flow without the world: models, tools and servers answer from a table.

Everything else is real: prompts are assembled, templates rendered, conditions judged, text
streamed. A test of a flow is a set of inputs, such a table, and what should come of it.
"""

import asyncio
import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from workflows.engine.graph import SOURCE, Graph
from workflows.engine.references import Ref
from workflows.engine.values import FILE
from workflows.nodes.base import NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.samples import smallest
from workflows.nodes.services import (
    NodeChildRequest,
    NodeHttpRequest,
    NodeHttpResponse,
    NodeModelAnswer,
    NodeModelCall,
    NodeTaskRequest,
    Services,
)

if TYPE_CHECKING:
    from workflows.runner.compiled import Policy

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
SYSTEM: Mapping[str, Any] = {
    "query": "",
    "files": [],
    "conversation_id": "conv-1",
    "dialogue_count": 1,
    "user_id": "user-1",
    "app_id": "app-1",
    "workflow_id": "wf-1",
    "workflow_run_id": "run-1",
    "timestamp": 1700000000,
}
WORD = re.compile(r"\S*\s*")


@dataclass(frozen=True, slots=True)
class Mocks:
    """The table. Keys that name nodes hold node ids."""

    llm_text: str | None = None
    llm_fully_mocked: bool = False
    tool_outputs: dict[str, Any] | None = None
    node_outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    node_errors: dict[str, str | list[str]] = field(default_factory=dict)
    node_delays_s: dict[str, float] = field(default_factory=dict)
    run_real_code: bool = False
    patch_nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    auto_inputs: bool = False
    reads: Mapping[str, tuple[Ref, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Mocks":
        """From the JSON of a test; unknown keys and nulls are left out."""
        known = {item.name for item in fields(cls)} - {"reads"}
        given = {key: value for key, value in raw.items() if key in known and value is not None}
        return cls(**given)

    def reading(self, reads: Mapping[str, tuple[Ref, ...]]) -> "Mocks":
        """With knowledge of what the flow reads from each node."""
        return replace(self, reads=reads)

    def patched(self, definition: Mapping[str, Any] | Graph) -> Mapping[str, Any] | Graph:
        """The definition with `patch_nodes` merged into its nodes' data."""
        if not self.patch_nodes:
            return definition
        raw = definition.definition if isinstance(definition, Graph) else definition
        changed = copy.deepcopy(dict(raw))
        for node in changed.get("nodes") or ():
            node["data"] = {**(node.get("data") or {}), **self.patch_nodes.get(node["id"], {})}
        return changed

    def services(self, real: Services) -> Services:
        return _MockServices(self, real)

    def instant(self, node_id: str, policy: "Policy") -> bool:
        """Whether the node answers at once, so that nodes run one by one, in order."""
        pauses = policy.retries and policy.interval and node_id in self.node_errors
        return not pauses and node_id not in self.node_delays_s

    async def disturb(self, context: NodeContext) -> None:
        """Delays and failures that the table asks for."""
        node_id = context.node.id
        if delay := self.node_delays_s.get(node_id):
            await asyncio.sleep(delay)
        errors = self.node_errors.get(node_id)
        if isinstance(errors, list):
            errors = errors[context.attempt - 1] if context.attempt <= len(errors) else None
        if errors is not None:
            raise NodeFailed(str(errors), code="mock_error", kind="MockError")

    def stand_in(self, kind: NodeKind[Any], config: Any, context: NodeContext) -> Outcome | None:
        """What the node comes to, or None when it must run."""
        node_id = context.node.id
        if kind.name == "llm":
            return self._whole_llm(context) if self.llm_fully_mocked else None
        if (given := self.node_outputs.get(node_id)) is not None:
            return _given(given)
        if kind.name == "tool" and self.tool_outputs is not None:
            return Outcome(outputs=dict(self.tool_outputs))
        if not kind.mocked or (kind.name == "code" and self.run_real_code):
            return None
        return kind.mock(context, config, self.reads.get(node_id, ()))

    def touch_up(
        self, kind: NodeKind[Any], context: NodeContext, outputs: dict[str, Any]
    ) -> dict[str, Any]:
        """A model's node ran for real, but for the answer: outputs set for it win."""
        if kind.name != "llm":
            return outputs
        return outputs | self.node_outputs.get(context.node.id, {})

    def text_of(self, node_id: str) -> str:
        given = self.node_outputs.get(node_id, {}).get("text", self.llm_text)
        return f"<llm:{node_id}>" if given is None else str(given)

    def _whole_llm(self, context: NodeContext) -> Outcome:
        text = self.text_of(context.node.id)
        for word in words_of(text):
            context.stream("text", word)
        outputs = {"text": text, "reasoning_content": "", "usage": USAGE, "finish_reason": "stop"}
        return Outcome(outputs=outputs, usage=USAGE)


def _given(outputs: dict[str, Any]) -> Outcome:
    handle = outputs.get("__action_id") or outputs.get("selected_case_id") or SOURCE
    return Outcome(outputs=dict(outputs), handle=str(handle))


def words_of(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if word]


class _MockServices:
    """Models answer from the table; code (and templates that need it) runs in the real sandbox."""

    def __init__(self, mocks: Mocks, real: Services) -> None:
        self._mocks = mocks
        self._real = real

    async def complete_model(self, call: NodeModelCall) -> NodeModelAnswer:
        text = self._mocks.text_of(call.node_id)
        for word in words_of(text):
            if call.on_delta:
                call.on_delta(word)
        wanted = call.params.get("response_format", {}).get("json_schema", {}).get("schema")
        return NodeModelAnswer(
            text, usage=dict(USAGE), structured=smallest(wanted) if wanted else None
        )

    async def send_http(self, request: NodeHttpRequest) -> NodeHttpResponse:
        raise NodeFailed("No network under mocks", code="mocked")

    async def run_code(
        self,
        language: str,
        code: str,
        variables: dict[str, Any],
        timeout: float,
        heard: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        return await self._real.run_code(language, code, variables, timeout, heard)

    async def open_human_task(self, request: NodeTaskRequest) -> str:
        raise NodeFailed("Nobody to ask under mocks", code="mocked")

    async def close_human_task(self, key: str) -> bool:
        return True  # nothing was opened

    async def start_child(self, request: NodeChildRequest) -> str:
        raise NodeFailed("No other workflows under mocks", code="mocked")

    async def admit(self, run: Any, kind: str, connector: str) -> float:
        return 0.0


def made_up_inputs(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs by the types of the start form."""
    for node in definition.get("nodes") or ():
        if node.get("type") == "start":
            rows = (node.get("data") or {}).get("variables") or ()
            return {row["variable"]: _made_up(row) for row in rows if row.get("variable")}
    return {}


def _made_up(row: Mapping[str, Any]) -> Any:
    made: dict[str, Any] = {
        "number": 3,
        "select": (row.get("options") or [None])[0],
        "checkbox": True,
        "json_object": {"a": 1},
        "file": sample_file("sample.pdf"),
        "file-list": [sample_file("a.pdf"), sample_file("b.pdf")],
    }
    return made.get(str(row.get("type")), f"sample {row.get('variable')}")


def sample_file(name: str) -> dict[str, Any]:
    return {
        FILE: name,
        "name": name,
        "type": "document",
        "extension": ".pdf",
        "mime_type": "application/pdf",
        "size": 1024,
        "transfer_method": "remote_url",
        "url": f"https://example.com/{name}",
    }


def shown_files(value: Any) -> Any:
    """Files by their names alone, as expectations write them."""
    if isinstance(value, Mapping):
        if FILE in value:
            return {FILE: value[FILE]}
        return {key: shown_files(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown_files(item) for item in value]
    return value
