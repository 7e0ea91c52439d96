"""Values that runs are found by: what a workflow declares, taken from a run's inputs and outputs.

Declared later, they hold for runs that start or end from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.jsonsafe import clean
from files.errors import FileGone, StorageUnavailable
from workflows.models import Run, RunTag, Workflow
from workflows.models.history import LONGEST_VALUE

SOURCES = ("input", "output")
Declared = Sequence[Mapping[str, str]]


def tag_started(run: Run, inputs: Mapping[str, Any], declared: Declared) -> None:
    """Store what is declared of the inputs. In the transaction that makes the run."""
    rows = [_row(run, name, value) for name, value in _values(declared, "input", inputs)]
    if rows:
        RunTag.objects.bulk_create(rows, ignore_conflicts=True)


def tag_ended(runs: Iterable[Run]) -> None:
    """Store what is declared of the outputs, and of the inputs where the start did not.

    One query where none of the workflows declares anything.
    """
    runs = list(runs)
    rows = Workflow.objects.filter(pk__in={run.workflow_id for run in runs}).exclude(searchable=[])
    declared = dict(rows.values_list("pk", "searchable"))
    wanted = [run.pk for run in runs if run.workflow_id in declared]
    if not wanted:
        return
    fields = ("organization_id", "workflow_id", "public_id", "inputs", "outputs")
    found: list[RunTag] = []
    for run in Run.objects.filter(pk__in=wanted).only(*fields):
        said = declared[run.workflow_id]
        # What lies in a store that does not answer, or is lost, is not found by.
        with suppress(FileGone, StorageUnavailable):
            given = {"input": run.inputs, "output": run.outputs}
            found += [
                _row(run, name, value)
                for source in SOURCES
                for name, value in _values(said, source, given[source] or {})
            ]
    RunTag.objects.bulk_create(
        found,
        update_conflicts=True,
        update_fields=("value",),
        unique_fields=("run", "name"),
        batch_size=500,
    )


def _row(run: Run, name: str, value: str) -> RunTag:
    return RunTag(
        organization_id=run.organization_id,
        workflow_id=run.workflow_id,
        run_id=run.pk,
        name=name,
        value=value,
    )


def _values(declared: Declared, source: str, given: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for item in declared:
        if item["source"] == source:
            value = value_at(given, item["path"])
            if value is not None:
                yield item["name"], value


def value_at(given: Any, path: str) -> str | None:
    """The text of what `path` (`customer.id`, `lines.0.sku`) leads to; None for none or a whole."""
    for part in path.split("."):
        if isinstance(given, Mapping):
            given = given.get(part)
        elif isinstance(given, list) and part.isdecimal() and int(part) < len(given):
            given = given[int(part)]
        else:
            return None
    if given is None or isinstance(given, dict | list):
        return None
    text = {True: "true", False: "false"}[given] if isinstance(given, bool) else str(given)
    return str(clean(text))[:LONGEST_VALUE] or None
