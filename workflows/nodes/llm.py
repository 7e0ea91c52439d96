"""LLM: assembles a prompt, asks a model, passes its text on as it comes."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Text
from workflows.nodes.llm_prompt import PromptConfig, assemble, parameters
from workflows.nodes.llm_thinking import ThinkFilter, split_thinking
from workflows.nodes.services import NodeModelAnswer, NodeModelCall


class Model(Config):
    provider: Text = ""
    name: Text = ""
    mode: Text = "chat"
    completion_params: Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})] = (
        Field(default_factory=dict)
    )


class StructuredOutput(Config):
    model_config = {"extra": "ignore", "populate_by_name": True}

    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")


class LlmConfig(PromptConfig):
    model: Model = Field(default_factory=Model)
    reasoning_format: Text = "tagged"
    structured_output_enabled: bool | None = False
    structured_output_switch_on: bool | None = False
    structured_output: StructuredOutput | None = None

    @property
    def schema_wanted(self) -> dict[str, Any] | None:
        """The JSON schema the answer must follow, where one is set and switched on."""
        on = self.structured_output_enabled or self.structured_output_switch_on
        return self.structured_output.json_schema if on and self.structured_output else None


class LlmKind(NodeKind[LlmConfig]):
    name = "llm"
    config = LlmConfig
    effect = True
    retryable = True

    def connector(self, context: NodeContext, config: LlmConfig) -> str:
        return config.model.name.lower()

    async def run(self, context: NodeContext, config: LlmConfig) -> Outcome:
        messages = await assemble(context, config)
        params = parameters(context, config.model.completion_params)
        inputs = {"model": config.model.name, "messages": messages, "params": params}
        if schema := config.schema_wanted:
            params = params | {"response_format": _response_format(schema)}
        call = NodeModelCall(
            run=context.run,
            node_id=context.node.id,
            iteration=context.iteration,
            billing_ref=context.key,
            model=config.model.name,
            provider=config.model.provider,
            messages=messages,
            params=params,
            on_delta=_passing_on(context, config),
        )
        try:
            answer = await context.services.complete_model(call)
        except NodeFailed as error:
            error.inputs = error.inputs or inputs
            raise
        tokens = answer.usage.get("total_tokens") or 0
        context.log("info", f"{call.model} answered with {tokens} tokens, {answer.finish_reason}")
        return _outcome(answer, config, inputs)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        names = {"text", "reasoning_content", "usage", "finish_reason", "files"}
        return frozenset(names | {"structured_output"})


def _passing_on(context: NodeContext, config: LlmConfig) -> Any:
    if config.reasoning_format != "separated":
        return lambda piece: context.stream("text", piece)
    thinking = ThinkFilter()

    def pass_on(piece: str) -> None:
        if text := thinking.feed(piece):
            context.stream("text", text)

    return pass_on


def _outcome(answer: NodeModelAnswer, config: LlmConfig, inputs: dict[str, Any]) -> Outcome:
    text, reasoning = answer.text, answer.reasoning
    if config.reasoning_format == "separated":
        text, thought = split_thinking(text)
        reasoning = reasoning or thought
    outputs: dict[str, Any] = {
        "text": text,
        "reasoning_content": reasoning,
        "usage": answer.usage,
        "finish_reason": answer.finish_reason,
    }
    if config.schema_wanted:
        found = answer.structured
        outputs["structured_output"] = _structured(text, inputs) if found is None else found
    return Outcome(outputs=outputs, inputs=inputs, usage=answer.usage, cost=answer.cost)


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _structured(text: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The object in the answer; models like to wrap it in prose or a fence."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[begin : end + 1])
    except ValueError as error:
        message = "The model's answer is not the JSON that was asked for"
        raise NodeFailed(message, code="invalid_structured_output", inputs=inputs) from error
    found: dict[str, Any] = value
    return found


KIND = LlmKind()
