"""How often nodes may start their effects, by what each organization allows itself.

Which limits there are is remembered for some seconds, so an organization without any costs a step
no look into a database; a change is felt within that time.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import close_old_connections

from core.buckets import Bucket, take
from workflows.models import NodeRateLimit

KEPT_SECONDS = 5.0
ORGANIZATIONS_KEPT = 10_000
Limits = dict[tuple[str, str], Bucket]
KIND, CONNECTOR = NodeRateLimit.Scope.KIND, NodeRateLimit.Scope.CONNECTOR


class Rates:
    """One for a worker, used in its event loop."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_seconds = kept_seconds
        self._known: OrderedDict[UUID, tuple[float, Limits]] = OrderedDict()

    async def admit(self, organization_id: UUID, kind: str, connector: str = "") -> float:
        """Seconds to wait before asking again; 0: go, and it is counted.

        Asked before each start of an effect, a retry as well. `connector` is what `connector_of`
        says of the node, or empty.
        """
        limits = await self._limits(organization_id)
        if not limits:
            return 0.0
        asked = ((KIND, kind), (CONNECTOR, connector.lower()))
        buckets = [limits[name] for name in asked if name in limits]
        return await asyncio.to_thread(take, buckets) if buckets else 0.0

    async def _limits(self, organization_id: UUID) -> Limits:
        at = time.monotonic()
        known = self._known.get(organization_id)
        if known is not None and known[0] > at:
            return known[1]
        limits = await asyncio.to_thread(read_limits, organization_id)
        self._known[organization_id] = (at + self._kept_seconds, limits)
        self._known.move_to_end(organization_id)
        if len(self._known) > ORGANIZATIONS_KEPT:
            self._known.popitem(last=False)
        return limits


def read_limits(organization_id: UUID) -> Limits:
    try:
        rows = NodeRateLimit.objects.of(organization_id)
        return {
            (row.scope, row.name.lower()): Bucket(
                name=f"{{{organization_id}}}:{row.pk}:{row.limit}:{row.per_seconds}:{row.burst}",
                rate=row.limit / row.per_seconds,
                burst=row.burst,
            )
            for row in rows
        }
    finally:
        close_old_connections()


def connector_of(kind: str, data: dict[str, Any]) -> str:
    """What a node's effect goes through, in lower case; empty where it is not known.

    The host of an HTTP request (of its address as filled in), the name of a model, of a tool.
    """
    if kind == "http-request":
        return _host(str(data.get("url") or ""))
    if kind == "tool":
        return str(data.get("tool_name") or "").lower()
    model = data.get("model")
    return str(model.get("name") or "").lower() if isinstance(model, dict) else ""


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return "" if "{" in host or "#" in host else host
