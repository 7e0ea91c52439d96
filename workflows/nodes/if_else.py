"""If-else: the first case that holds names the exit, else `false`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from workflows.engine.conditions import ConditionFailed, holds
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Text

ELSE = "false"
Rows = Annotated[list[dict[str, Any]], BeforeValidator(lambda value: value or [])]


class Case(Config):
    case_id: Text = "true"
    logical_operator: Text = "and"
    conditions: Rows = Field(default_factory=list)


class IfElseConfig(Config):
    cases: list[Case] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _read_single_case(cls, data: Any) -> Any:
        """Old flows have the conditions of their only case in the node itself."""
        if isinstance(data, Mapping) and not data.get("cases") and data.get("conditions"):
            return {"cases": [{**data, "case_id": "true"}]}
        return data


class IfElseKind(NodeKind[IfElseConfig]):
    name = "if-else"
    config = IfElseConfig
    branch = True

    async def run(self, context: NodeContext, config: IfElseConfig) -> Outcome:
        inputs = {"cases": [_shown(context, case) for case in config.cases]}
        try:
            chosen = next((case for case in config.cases if _holds(context, case)), None)
        except ConditionFailed as error:
            message = str(error)
            raise NodeFailed(message, code="condition_failed", inputs=inputs) from error
        handle = chosen.case_id if chosen else ELSE
        outputs = {"result": chosen is not None, "selected_case_id": handle}
        return Outcome(outputs=outputs, handle=handle, inputs=inputs)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({"result", "selected_case_id"})

    def handles(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        cases = data.get("cases") or [{"case_id": "true"}]
        named = (case for case in cases if isinstance(case, Mapping))
        return frozenset({ELSE, *(str(case.get("case_id") or "true") for case in named)})


def _holds(context: NodeContext, case: Case) -> bool:
    return holds(context.pool, case.conditions, case.logical_operator)


def _shown(context: NodeContext, case: Case) -> dict[str, Any]:
    """The case with the values it compares, for the reader of the run."""
    rows = [
        {
            "variable": ".".join(map(str, row.get("variable_selector") or ())),
            "value": context.pool.value(row.get("variable_selector") or ()),
            "operator": row.get("comparison_operator"),
            "expected": row.get("value"),
        }
        for row in case.conditions
    ]
    return {"case_id": case.case_id, "logical_operator": case.logical_operator, "conditions": rows}


KIND = IfElseKind()
