"""What a node kind is, and what it is given to run with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from workflows.engine.graph import SOURCE, Node, Shape
from workflows.engine.pool import Pool
from workflows.engine.records import Wait
from workflows.engine.references import Ref, Template
from workflows.nodes.services import Run, Services


class Config(BaseModel):
    """A node's configuration. Unknown keys of other versions of the format are let pass."""

    model_config = ConfigDict(
        extra="ignore", arbitrary_types_allowed=True, coerce_numbers_to_str=True
    )


C = TypeVar("C", bound=Config)


class NodeFailed(Exception):
    """The node cannot do what it should. `code` is stable, `kind` is Dify's `error_type`.

    `inputs` are shown with the failed step; what is not `retryable` fails the same way again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "node_failed",
        kind: str = "NodeError",
        inputs: Mapping[str, Any] | None = None,
        retryable: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.kind = kind
        self.inputs = dict(inputs or {})
        self.retryable = retryable


class AnsweredMeanwhile(Exception):
    """The time for an answer was up, but the answer came first: it will be delivered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a node came to. `handle` says which edges fire; `cost` is in nanos."""

    outputs: dict[str, Any]
    handle: str = SOURCE
    inputs: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The node rests; a signal will call its `resume`."""

    wait: Wait
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class NodeContext:
    """One node's view of its run. `stream` passes on pieces of an output as they come."""

    run: Run
    node: Node
    pool: Pool
    services: Services
    stream: Callable[[str, str], None]
    iteration: str = ""
    attempt: int = 1

    @property
    def key(self) -> str:
        """Names this effect for ever: the same on every attempt and after every crash."""
        return f"run:{self.run.run_id}:{self.node.id}:{self.iteration}"


class NodeKind(Generic[C]):
    """Everything the product knows of a kind of node. One instance serves all runs."""

    name: ClassVar[str]
    config: type[C]
    effect: ClassVar[bool] = False
    """It reaches outside: what came before is durable when it starts, its own result at once."""
    retryable: ClassVar[bool] = False
    branch: ClassVar[bool] = False
    response: ClassVar[bool] = False
    container: ClassVar[bool] = False
    mocked: ClassVar[bool] = False
    """Under mocks `mock` stands in for `run`."""

    async def run(self, context: NodeContext, config: C) -> Outcome | Waiting:
        raise NotImplementedError

    async def resume(
        self, context: NodeContext, config: C, wait: Wait, payload: Mapping[str, Any]
    ) -> Outcome:
        """Carry on with the answer to a wait. May raise AnsweredMeanwhile."""
        raise NodeFailed(f"{self.name} never waits", code="unexpected_signal")

    def mock(self, context: NodeContext, config: C, reads: tuple[Ref, ...]) -> Outcome:
        """Outputs in place of a run; `reads` is what the flow reads from this node."""
        raise NotImplementedError

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        """Names it can put out, or None when that cannot be told beforehand."""
        return None

    def handles(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        """Names of its exits, for a branch."""
        return frozenset({SOURCE})

    def template(self, config: C) -> Template:
        """What it says to the reader, for a response."""
        return ()

    @property
    def shape(self) -> Shape:
        return Shape(self.branch, self.response, self.container, self.outputs, self.handles)
