"""Saying by which of its values the runs of a workflow are found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import InvalidInput, NotFound
from core.jsonsafe import is_storable
from orgs.access import Actor, require
from workflows.history.tags import SOURCES
from workflows.models import Workflow

MOST_SEARCHABLE = 10
"""Values that one workflow's runs are found by."""
LONGEST_PATH = 200
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")


@transaction.atomic
def set_searchable(
    *, actor: Actor, workflow_id: UUID, values: Sequence[Mapping[str, str]]
) -> Workflow:
    """Find runs by `values`: [{"name", "source": input | output, "path": "customer.id"}].

    Holds for runs that start or end from now on. Raises InvalidInput.
    """
    found = Workflow.objects.visible_to(actor).filter(pk=workflow_id).first()
    if found is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.edit", found)
    checked = _checked(values)
    workflow: Workflow = Workflow.objects.select_for_update().get(pk=found.pk)
    before, workflow.searchable = workflow.searchable, checked
    if before != checked:
        workflow.save(update_fields=["searchable", "updated_at"])
        record(
            "workflows.workflow.searchable_changed",
            actor=actor,
            target_type="workflow",
            target_id=workflow.pk,
            summary=workflow.name,
            before={"searchable": before},
            after={"searchable": checked},
            project_id=workflow.project_id,
        )
    return workflow


def _checked(values: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    rows = [{key: str(item.get(key, "")) for key in ("name", "source", "path")} for item in values]
    names = [row["name"] for row in rows]
    if len(rows) > MOST_SEARCHABLE:
        raise InvalidInput(
            _("A workflow has at most %s searchable values.") % MOST_SEARCHABLE, field="values"
        )
    for row in rows:
        good = NAME.fullmatch(row["name"]) and row["source"] in SOURCES and _is_path(row["path"])
        if not good or names.count(row["name"]) > 1:
            raise InvalidInput(
                _("Each searchable value has a name of its own, a source and a path."),
                field="values",
                name=row["name"][:60],
            )
    return rows


def _is_path(text: str) -> bool:
    return 0 < len(text) <= LONGEST_PATH and is_storable(text) and all(text.split("."))


def read_lines(text: str) -> list[dict[str, Any]]:
    """A form's lines, `order = input: order.id`, as values; what is no such line lacks parts."""
    found = []
    for line in filter(str.strip, text.splitlines()):
        name, _equals, rest = line.partition("=")
        source, _colon, path = rest.partition(":")
        found.append({"name": name.strip(), "source": source.strip(), "path": path.strip()})
    return found


def write_lines(values: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(f"{row['name']} = {row['source']}: {row['path']}" for row in values)
