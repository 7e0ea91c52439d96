"""What llm erases of a closed organization, secrets first among it, and hands out before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from llm.models import Model, Provider
from orgs.closing import erase_batch, plain_rows, register_erasure, register_source


def erase_models(organization_id: UUID, limit: int) -> int:
    """Models are protected by nothing, providers by their models."""
    if taken := erase_batch(Model.objects.of(organization_id), limit):
        return taken
    return erase_batch(Provider.objects.of(organization_id), limit)


def provider_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    """Without their keys."""
    rows = Provider.objects.of(organization_id)
    yield from plain_rows(rows, "id", "name", "kind", "base_url", "enabled", "created_at")


def model_rows(organization_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Model.objects.of(organization_id)
    names = ("id", "name", "provider_id", "upstream_name", "context_window", "max_output_tokens")
    yield from plain_rows(rows, *names, "enabled", "created_at")


def contribute() -> None:
    register_erasure("models", 400, erase_models)
    register_source("providers", provider_rows)
    register_source("models", model_rows)
