"""What a node kind is, and what it is given to run with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from workflows.engine.graph import SOURCE, Node, Shape
from workflows.engine.pool import Pool
from workflows.engine.records import LogLine, Step, Wait
from workflows.engine.references import Ref, Template
from workflows.nodes.services import Run, Services

LONGEST_LINE = 4000
"""Characters of a log line."""


def _unheard(line: LogLine) -> None:
    """Nobody keeps what this node has to say."""


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


class StillWaiting(Exception):
    """What came was not all that the node waits for; it goes on waiting as `wait` says."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait.key)
        self.wait = wait


class AnsweredMeanwhile(Exception):
    """The time for an answer was up, but the answer came first: it will be delivered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a node came to. `handle` says which edges fire; `cost` is in nanos.

    `assigned`: variables of others that it changes, as ((scope, name), value).
    """

    outputs: dict[str, Any]
    handle: str = SOURCE
    inputs: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    cost: int = 0
    assigned: tuple[tuple[tuple[str, str], Any], ...] = ()


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
    write: Callable[[LogLine], None] = _unheard

    @property
    def key(self) -> str:
        """Names this effect for ever: the same on every attempt and after every crash.

        Only a reset of the run makes another effect of it.
        """
        key = f"run:{self.run.run_id}:{self.node.id}:{self.iteration}"
        return f"{key}:g{self.run.generation}" if self.run.generation else key

    def log(self, level: str, message: str) -> None:
        """Say something to whoever reads the run. `level`: debug info warning error."""
        at = datetime.now(UTC)
        self.write(LogLine(level, message[:LONGEST_LINE], self.node.id, self.iteration, at))


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
    rests: ClassVar[bool] = False
    """It waits for somebody else."""
    breaks: ClassVar[bool] = False
    """Where it settles, the rounds of its container are over."""

    async def run(self, context: NodeContext, config: C) -> Outcome | Waiting:
        raise NotImplementedError

    async def resume(
        self, context: NodeContext, config: C, wait: Wait, payload: Mapping[str, Any]
    ) -> Outcome:
        """Carry on with the answer to a wait. May raise AnsweredMeanwhile, StillWaiting."""
        raise NodeFailed(f"{self.name} never waits", code="unexpected_signal")

    def mock(self, context: NodeContext, config: C, reads: tuple[Ref, ...]) -> Outcome:
        """Outputs in place of a run; `reads` is what the flow reads from this node."""
        raise NotImplementedError

    def connector(self, context: NodeContext, config: C) -> str:
        """What it reaches (a host, a model, a tool), for limits; empty where that says nothing."""
        return ""

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


class Rounds(Protocol):
    """A container at work: which rounds of its children run, and what comes of them.

    Nothing but what it is told decides, in the order it is told: so it is rebuilt after a crash.
    """

    outcome: "Outcome | NodeFailed | None"
    """Set once no round is left to come."""

    def first(self) -> range:
        """The rounds to begin with."""

    def pool(self, index: int) -> Pool:
        """What the round sees."""

    def ended(self, index: int, *, failure: Step | None = None, broke: bool = False) -> range:
        """A round is over (`broke`: and asked that no other follows); the rounds to start now."""


class ContainerKind(NodeKind[C]):
    """A node whose children run in rounds."""

    container = True

    def open(self, context: NodeContext, config: C) -> Rounds:
        """Begin. Raises NodeFailed."""
        raise NotImplementedError
