"""What goes into the ledger and what comes out. Amounts are nanos."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.models import Hold, UsageRecord
from core.ids import uuid7

HOLD_LIFETIME = timedelta(minutes=20)
"""An open hold older than this has lost its process: calls are ended well before. Upkeep releases
it."""

Outcome = UsageRecord.Outcome
Source = UsageRecord.Source


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Set `amount` aside in `wallet_id` under `billing_ref`."""

    wallet_id: UUID
    billing_ref: str
    request_hash: str
    amount: int
    model: str
    trace_id: str
    price_id: UUID | None = None
    run_id: str = ""
    node_id: str = ""
    api_key_id: UUID | None = None
    user_id: UUID | None = None
    may_take_over: bool = False
    """The caller alone can be working under this reference (the engine fences its runs), so an
    open hold with the same hash is left over from a process that died."""
    hold_id: UUID = field(default_factory=uuid7)

    @property
    def key(self) -> tuple[UUID, str]:
        return self.wallet_id, self.billing_ref


@dataclass(frozen=True, slots=True)
class Held:
    hold_id: UUID
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Insufficient:
    needed: int
    available: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """The call was made and paid before; `answer` is the text its settlement kept."""

    hold_id: UUID
    answer: str
    cost: int


@dataclass(frozen=True, slots=True)
class RefInUse:
    """`reason`: other_request (another hash), in_progress (open), already_used (no answer kept)."""

    reason: str


HoldOutcome = Held | Insufficient | Replayed | RefInUse


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call ended. Repeating it, or settling what upkeep closed, changes nothing."""

    hold_id: UUID
    cost: int
    outcome: str
    usage_source: str = Source.NONE
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    answer: str | None = None
    finished: bool = True
    """The answer came to its end. Otherwise the reference is free for a retry."""
    deployment: str = ""
    latency_ms: int = 0
    ttft_ms: int | None = None
    stream: bool = False

    @property
    def state(self) -> str:
        """Nothing to pay and no answer: released. A free call that was answered is captured."""
        paid = self.cost > 0 or self.finished
        return Hold.State.CAPTURED if paid else Hold.State.RELEASED


@dataclass(frozen=True, slots=True)
class Settled:
    """`captured` was taken; `shortfall` is cost the wallet could not cover.

    Not `closed`: the hold was settled before, and these are its amounts.
    """

    captured: int
    shortfall: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Existing:
    """The live hold that stands under a reference."""

    hold_id: UUID
    request_hash: str
    state: str
    captured: int
    answer: str | None


def judge(request: HoldRequest, existing: Existing) -> HoldOutcome:
    """What a request is told whose reference is taken. A take-over is still to be written."""
    if existing.hold_id == request.hold_id:  # written by an attempt whose answer was lost
        return Held(existing.hold_id)
    if existing.request_hash != request.request_hash:
        return RefInUse("other_request")
    if existing.state == Hold.State.OPEN:
        if request.may_take_over:
            return Held(existing.hold_id, taken_over=True)
        return RefInUse("in_progress")
    if existing.answer is None:
        return RefInUse("already_used")
    return Replayed(existing.hold_id, existing.answer, existing.captured)


def expiry(at: datetime) -> datetime:
    return at + HOLD_LIFETIME


Row = tuple[Any, ...]
