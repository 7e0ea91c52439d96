"""Pieces of configuration that several kinds share."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.engine.pool import Pool
from workflows.nodes.base import Config


def or_else(empty: Any) -> BeforeValidator:
    """Exports say null where they mean that nothing is set."""
    return BeforeValidator(lambda value: empty if value is None else value)


Selector = Annotated[tuple[str, ...], or_else(())]
Text = Annotated[str, or_else("")]


class NamedSelector(Config):
    """A variable given to a node under a name."""

    variable: Text = ""
    value_selector: Selector = ()


def _rows(value: Any) -> Any:
    return [row for row in value or () if isinstance(row, Mapping)]


Variables = Annotated[list[NamedSelector], BeforeValidator(_rows), Field(default_factory=list)]


def values_of(variables: list[NamedSelector], pool: Pool) -> dict[str, Any]:
    """The named variables; None for those that are missing."""
    return {item.variable: pool.value(item.value_selector) for item in variables}


def names_in(rows: Any, key: str) -> frozenset[str]:
    """The names that a list of mappings gives under `key`, from unchecked data."""
    if not isinstance(rows, list):
        return frozenset()
    return frozenset(str(row[key]) for row in rows if isinstance(row, Mapping) and row.get(key))
