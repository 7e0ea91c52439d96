"""The base of every row that belongs to a tenant."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from django.db import models

from core.ids import uuid7


class TenantQuerySet(models.QuerySet[Any]):
    def of(self, organization_id: UUID | str) -> Self:
        """Rows of one organization. Everything a request reads starts from here or narrower."""
        return self.filter(organization_id=organization_id)


class TenantModel(models.Model):
    """A row with a public, time-ordered id that belongs to exactly one organization.

    Every subclass says `objects = XQuerySet.as_manager()` with a `TenantQuerySet`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
