"""What the steps of the pipeline pass along."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from yarl import URL

from billing.prices import PriceTag


@dataclass(frozen=True, slots=True)
class Caller:
    """Who pays and who asked. `scopes` None: code of this process, already authorized."""

    organization_id: UUID
    api_key_id: UUID | None = None
    user_id: UUID | None = None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where a model runs."""

    provider_id: UUID
    provider_name: str
    kind: str
    url: URL | None
    """Where chat completions are posted; None: an address this installation does not call."""
    api_key: str = field(repr=False)
    upstream_name: str
    limit_parameter: str

    @property
    def label(self) -> str:
        return f"{self.provider_name}/{self.upstream_name}"[:160]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    id: UUID
    name: str
    created: int
    context_window: int
    max_output_tokens: int
    deployment: Deployment
    price: PriceTag | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What an organization can call, as read from the database at most a second ago."""

    wallet_id: UUID
    models: Mapping[str, ModelEntry]


@dataclass(frozen=True, slots=True)
class TokenUsage:
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    source: str = "none"


@dataclass(slots=True)
class Call:
    """One model call on its way through the steps; each step fills in its part."""

    caller: Caller
    body: dict[str, Any]
    """The request in OpenAI's form. Steps change it only to what goes upstream."""
    billing_ref: str
    request_hash: str
    trace_id: str
    stream: bool = False
    run_id: str = ""
    node_id: str = ""
    may_take_over: bool = False
    keep_answer: bool = False
    wallet_id: UUID | None = None
    entry: ModelEntry | None = None
    hold_id: UUID | None = None
    hide_usage: bool = False
    """The stream's usage event was asked for by us, not by the client."""
    prompt_estimate: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_piece: float | None = None

    @property
    def model(self) -> ModelEntry:
        if self.entry is None:
            raise RuntimeError("policy has not run")
        return self.entry

    @property
    def price(self) -> PriceTag:
        if self.model.price is None:
            raise RuntimeError("policy has not run")
        return self.model.price

    def touch(self) -> None:
        """The first piece of the answer has arrived."""
        if self.first_piece is None:
            self.first_piece = time.perf_counter()

    @property
    def latency_ms(self) -> int:
        return round((time.perf_counter() - self.started) * 1000)

    @property
    def ttft_ms(self) -> int | None:
        if self.first_piece is None:
            return None
        return round((self.first_piece - self.started) * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished call. `body` is the provider's own bytes (empty for a stream)."""

    body: bytes
    message: dict[str, Any]
    """text, reasoning, tool_calls, finish_reason, model."""
    usage: TokenUsage
    cost: int
