"""What a call costs. Integer arithmetic only; a fraction of a nano is rounded up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.utils.timezone import now

from billing.models import Price

PER = 1_000_000


@dataclass(frozen=True, slots=True)
class PriceTag:
    """A price as the hot path carries it. Rates are nanos per 1,000,000 tokens."""

    id: UUID
    model: str
    input: int
    cached_input: int
    output: int
    per_call: int

    def cost(self, prompt: int, completion: int, cached: int = 0) -> int:
        """Nanos for a call. `cached` prompt tokens are part of `prompt`."""
        cached = min(cached, prompt)
        micro = (
            (prompt - cached) * self.input + cached * self.cached_input + completion * self.output
        )
        return self.per_call - (-micro // PER)

    def affordable_output(self, available: int, prompt: int) -> int:
        """Completion tokens that `available` nanos pay for after the prompt."""
        left = available - self.cost(prompt, 0)
        if left < 0:
            return 0
        if self.output == 0:
            return 1 << 31
        return left * PER // self.output


def prices_of(
    organization_id: UUID | str, *, at: datetime | None = None, models: Iterable[str] | None = None
) -> dict[str, PriceTag]:
    """Prices in force by model name; an organization's own price goes before the common one."""
    rows = Price.objects.of(organization_id).filter(valid_from__lte=at or now())
    if models is not None:
        rows = rows.filter(model__in=list(models))
    # Later rows overwrite earlier ones: common before own, older before newer.
    ordered = rows.order_by(F("organization_id").asc(nulls_first=True), "valid_from", "created_at")
    return {row.model: tag_of(row) for row in ordered}


def tag_of(row: Price) -> PriceTag:
    return PriceTag(row.id, row.model, row.input, row.cached_input, row.output, row.per_call)
