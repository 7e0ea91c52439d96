"""What writing rows of orgs has in common: names there can be once, entries in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction

from audit.actions import record
from orgs.access import Actor


def saved(row: models.Model, *, new: bool = False) -> bool:
    """False, with nothing written and the transaction going on, where a constraint refuses."""
    try:
        with transaction.atomic():
            row.save(force_insert=new)
    except IntegrityError:
        return False
    return True


def note(
    event: str,
    actor: Actor,
    target_type: str,
    row: models.Model,
    /,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    project_id: UUID | None = None,
    **data: Any,
) -> None:
    record(
        event,
        actor=actor,
        target_type=target_type,
        target_id=row.pk,
        summary=str(row),
        data=data,
        before=before,
        after=after,
        project_id=project_id,
    )
