"""Whose scripts may call: each organization's list, kept in the cache for a minute."""

from __future__ import annotations

from uuid import UUID

from django.core.cache import cache

from orgs.models import Organization

SECONDS = 60
_ALL = "cors:all"


def origins_of(organization_id: UUID) -> frozenset[str]:
    """What the organization lets in."""
    key = f"cors:{organization_id}"
    known: frozenset[str] | None = cache.get(key)
    if known is None:
        rows = Organization.objects.filter(pk=organization_id)
        known = frozenset(*rows.values_list("cors_origins", flat=True))
        cache.set(key, known, SECONDS)
    return known


def all_origins() -> frozenset[str]:
    """What any organization lets in: a preflight does not say for whom it asks."""
    known: frozenset[str] | None = cache.get(_ALL)
    if known is None:
        lists = Organization.objects.exclude(cors_origins=[])
        known = frozenset(
            origin for each in lists.values_list("cors_origins", flat=True) for origin in each
        )
        cache.set(_ALL, known, SECONDS)
    return known


def forget_origins(organization_id: UUID) -> None:
    cache.delete_many([_ALL, f"cors:{organization_id}"])
