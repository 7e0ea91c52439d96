"""What nodes may ask of the world outside. The runner passes an implementation in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class Run(Protocol):
    """What a node may know of its run."""

    @property
    def run_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def system(self) -> Mapping[str, Any]: ...
    @property
    def actor(self) -> Any: ...
    @property
    def generation(self) -> int: ...


@dataclass(frozen=True, slots=True)
class NodeModelCall:
    """One model call. `billing_ref` is the node's idempotency key; `on_delta` takes text pieces."""

    run: Run
    node_id: str
    iteration: str
    billing_ref: str
    model: str
    provider: str
    messages: list[dict[str, Any]]
    params: dict[str, Any]
    on_delta: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class NodeModelAnswer:
    """`structured` is the object asked for with `response_format`, where the service read it."""

    text: str
    reasoning: str = ""
    finish_reason: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    cost: int = 0
    structured: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NodeHttpRequest:
    """`timeout` in seconds for the whole exchange; redirects are the service's to follow."""

    run: Run
    node_id: str
    idempotency_key: str
    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    params: Sequence[tuple[str, str]]
    body: bytes | None
    timeout: float
    max_bytes: int
    verify: bool = True


@dataclass(frozen=True, slots=True)
class NodeHttpResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""


@dataclass(frozen=True, slots=True)
class NodeTaskRequest:
    """A question to a person. `key` names it for ever: asking again with it asks nobody twice."""

    run: Run
    node_id: str
    iteration: str
    key: str
    title: str
    content: str
    inputs: list[dict[str, Any]]
    actions: list[dict[str, str]]
    candidates: list[str]
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class NodeChildRequest:
    """Another workflow to run. `key` names the child for ever: asked again, it is the same run.

    `close`: what becomes of the child when the run ends before it, `cancel` or `leave`.
    """

    run: Run
    node_id: str
    iteration: str
    key: str
    workflow: str
    inputs: dict[str, Any]
    query: str
    awaited: bool
    close: str


class Services(Protocol):
    """Effects. Each may raise `core.errors.DomainError`, whose code the failed node keeps."""

    async def complete_model(self, call: NodeModelCall) -> NodeModelAnswer: ...

    async def send_http(self, request: NodeHttpRequest) -> NodeHttpResponse: ...

    async def run_code(
        self,
        language: str,
        code: str,
        variables: dict[str, Any],
        timeout: float,
        heard: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """What `main` returns; `heard` takes what it printed."""

    async def open_human_task(self, request: NodeTaskRequest) -> str: ...

    async def start_child(self, request: NodeChildRequest) -> str:
        """Start a run of another workflow; its id."""

    async def admit(self, run: Run, kind: str, connector: str) -> float:
        """Seconds to wait before an effect of this kind may reach its connector; 0 to go."""

    async def close_human_task(self, key: str) -> bool:
        """Withdraw the question; False when a person was faster and the answer is on its way."""
