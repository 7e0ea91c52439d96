"""Variable aggregator: of several variables the first, in configured order, that exists."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.engine.pool import Pool
from workflows.engine.values import MISSING
from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome
from workflows.nodes.fields import Selector, Text


def _selectors(value: Any) -> Any:
    return [row for row in value or () if isinstance(row, (list, tuple)) and len(row) > 1]


Selectors = Annotated[list[Selector], BeforeValidator(_selectors)]


class Group(Config):
    group_name: Text = ""
    variables: Selectors = Field(default_factory=list)


class AdvancedSettings(Config):
    group_enabled: bool = False
    groups: Annotated[list[Group], BeforeValidator(lambda value: value or [])] = Field(
        default_factory=list
    )


class AggregatorConfig(Config):
    variables: Selectors = Field(default_factory=list)
    advanced_settings: AdvancedSettings | None = None

    @property
    def groups(self) -> list[Group]:
        settings = self.advanced_settings
        return settings.groups if settings and settings.group_enabled else []


class AggregatorKind(NodeKind[AggregatorConfig]):
    name = "variable-aggregator"
    config = AggregatorConfig

    async def run(self, context: NodeContext, config: AggregatorConfig) -> Outcome:
        if config.groups:
            return _grouped(context.pool, config.groups)
        found, shown = _first(context.pool, config.variables)
        return Outcome(outputs={} if found is MISSING else {"output": found}, inputs=shown)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        config = AggregatorConfig.model_validate(data)
        return frozenset(group.group_name for group in config.groups) or frozenset({"output"})


def _first(pool: Pool, selectors: list[Selector]) -> tuple[Any, dict[str, Any]]:
    for selector in selectors:
        value = pool.get(selector)
        if value is not MISSING:
            return value, {".".join(selector[1:]): value}
    return MISSING, {}


def _grouped(pool: Pool, groups: list[Group]) -> Outcome:
    outputs: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for group in groups:
        value, shown = _first(pool, group.variables)
        if value is not MISSING:
            outputs[group.group_name] = {"output": value}
            inputs |= shown
    return Outcome(outputs=outputs, inputs=inputs)


KIND = AggregatorKind()
