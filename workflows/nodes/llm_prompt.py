"""Prompt assembly of the llm node: template messages, history, then the query of the memory."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from workflows.engine.references import references_in
from workflows.engine.values import MISSING, is_file
from workflows.nodes.base import Config, NodeContext, NodeFailed
from workflows.nodes.fields import Selector, Text, Variables, or_else, values_of
from workflows.nodes.jinja import render

CONTEXT, HISTORIES, QUERY = "{{#context#}}", "{{#histories#}}", "{{#query#}}"
JINJA = "jinja2"
Message = dict[str, Any]


class PromptMessage(Config):
    role: Text = "user"
    text: Text = ""
    edition_type: Text = "basic"
    jinja2_text: Text = ""


class ContextConfig(Config):
    enabled: bool | None = False
    variable_selector: Selector = ()


class Window(Config):
    enabled: bool | None = False
    size: int | None = None


class RolePrefix(Config):
    user: Text = ""
    assistant: Text = ""


class Memory(Config):
    window: Annotated[Window, or_else({})] = Field(default_factory=Window)
    query_prompt_template: Text = ""
    role_prefix: Annotated[RolePrefix, or_else({})] = Field(default_factory=RolePrefix)


class VisionSettings(Config):
    variable_selector: Selector = ("sys", "files")
    detail: Text = "high"


class Vision(Config):
    enabled: bool | None = False
    configs: Annotated[VisionSettings, or_else({})] = Field(default_factory=VisionSettings)


class JinjaVariables(Config):
    jinja2_variables: Variables


class PromptConfig(Config):
    prompt_template: list[PromptMessage] | PromptMessage = Field(default_factory=list)
    prompt_config: Annotated[JinjaVariables, or_else({})] = Field(
        default_factory=lambda: JinjaVariables(jinja2_variables=[])
    )
    context: Annotated[ContextConfig, or_else({})] = Field(default_factory=ContextConfig)
    memory: Memory | None = None
    vision: Annotated[Vision, or_else({})] = Field(default_factory=Vision)


async def assemble(context: NodeContext, config: PromptConfig) -> list[Message]:
    """The messages to send. Raises NodeFailed (variable_not_found, empty_prompt, ...)."""
    _require_variables(context, config)
    if isinstance(config.prompt_template, PromptMessage):
        messages = await _completion(context, config, config.prompt_template)
    else:
        messages = await _chat(context, config, config.prompt_template)
    messages = _with_pictures(context, config, messages)
    messages = [message for message in messages if message["content"]]
    if not messages:
        raise NodeFailed(
            "No prompt found in the LLM configuration."
            " Please ensure a prompt is properly configured before proceeding.",
            code="empty_prompt",
            kind="NoPromptFoundError",
            retryable=False,
        )
    return messages


def parameters(context: NodeContext, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Model parameters; texts with variables become numbers or truth values again."""
    return {name: _parameter(context, value) for name, value in configured.items()}


def _parameter(context: NodeContext, value: Any) -> Any:
    if not isinstance(value, str) or not references_in(value):
        return value
    text = context.pool.text(value)
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _require_variables(context: NodeContext, config: PromptConfig) -> None:
    template = config.prompt_template
    rows = [template] if isinstance(template, PromptMessage) else template
    texts = [row.text for row in rows if row.edition_type != JINJA]
    if config.memory:
        texts.append(config.memory.query_prompt_template)
    for text in texts:
        for ref in references_in(text):
            if context.pool.get(ref.path) is MISSING:
                raise NodeFailed(
                    f"Variable #{ref}# not found",
                    code="variable_not_found",
                    kind="VariableNotFoundError",
                    retryable=False,
                )


async def _text(context: NodeContext, config: PromptConfig, row: PromptMessage) -> str:
    if row.edition_type == JINJA:
        variables = values_of(config.prompt_config.jinja2_variables, context.pool)
        return await render(context, row.jinja2_text or row.text, variables)
    # The retrieved text is put in last: what it holds is text, never a reference.
    found = _retrieved(context, config.context)
    parts = row.text.split(CONTEXT) if found else [row.text]
    return found.join(context.pool.text(part) for part in parts)


def _retrieved(context: NodeContext, config: ContextConfig) -> str:
    if not config.enabled or not config.variable_selector:
        return ""
    value = context.pool.value(config.variable_selector)
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    return "\n".join(_passage(item) for item in value).strip()


def _passage(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping) and "content" in item:
        return str(item["content"])
    raise NodeFailed(f"Invalid context structure: {item}", code="invalid_context")


async def _chat(
    context: NodeContext, config: PromptConfig, rows: list[PromptMessage]
) -> list[Message]:
    messages: list[Message] = [
        {"role": row.role, "content": await _text(context, config, row)} for row in rows
    ]
    if config.memory is None:
        return messages
    messages += _history(context, config.memory)
    return [*messages, {"role": "user", "content": _query(context, config.memory)}]


def _query(context: NodeContext, memory: Memory) -> str:
    return context.pool.text(memory.query_prompt_template or "{{#sys.query#}}")


def _history(context: NodeContext, memory: Memory) -> list[Message]:
    """Earlier messages of the conversation; the window counts questions with their answers."""
    history = [dict(message) for message in context.run.system.get("history") or ()]
    if memory.window.enabled and memory.window.size is not None:
        return history[-2 * memory.window.size :] if memory.window.size else []
    return history


async def _completion(
    context: NodeContext, config: PromptConfig, row: PromptMessage
) -> list[Message]:
    text = await _text(context, config, row)
    if config.memory is None:
        return [{"role": "user", "content": text}]
    history = _told(context, config.memory)
    if HISTORIES in text:
        text = text.replace(HISTORIES, history)
    elif history:
        text = f"{history}\n{text}"
    query = _query(context, config.memory)
    return [{"role": "user", "content": text.replace(QUERY, query)}]


def _told(context: NodeContext, memory: Memory) -> str:
    prefix = {"user": memory.role_prefix.user, "assistant": memory.role_prefix.assistant}
    names = {"user": prefix["user"] or "Human", "assistant": prefix["assistant"] or "Assistant"}
    return "\n".join(
        f"{names.get(message['role'], message['role'])}: {message['content']}"
        for message in _history(context, memory)
    )


def _with_pictures(
    context: NodeContext, config: PromptConfig, messages: list[Message]
) -> list[Message]:
    """Pictures go with the last message of the user."""
    parts = _pictures(context, config) if config.vision.enabled else []
    if not parts:
        return messages
    last = messages[-1] if messages and messages[-1]["role"] == "user" else None
    text = [{"type": "text", "text": last["content"]}] if last and last["content"] else []
    rest = messages[:-1] if last else messages
    return [*rest, {"role": "user", "content": [*text, *parts]}]


def _pictures(context: NodeContext, config: PromptConfig) -> list[Message]:
    settings = config.vision.configs
    value = context.pool.value(settings.variable_selector)
    files = value if isinstance(value, list) else [value]
    return [
        {"type": "image_url", "image_url": {"url": file["url"], "detail": settings.detail}}
        for file in files
        if is_file(file) and file.get("type") == "image" and file.get("url")
    ]
