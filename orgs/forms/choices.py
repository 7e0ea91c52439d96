"""What lists in forms offer."""

from __future__ import annotations

from django.db.models import QuerySet

from orgs.models import Membership

MOST = 500
"""Choices a list in a form has at most; the API takes any."""


def people(rows: QuerySet[Membership]) -> list[tuple[str, str]]:
    """Members by membership id, sorted by address."""
    rows = rows.select_related("user").order_by("user__email")[:MOST]
    return [(str(row.pk), f"{row.user.get_full_name()} · {row.user.email}") for row in rows]
