"""What is known of Dify's node types: which run here, what they put out, what they must hold."""

from collections.abc import Mapping

CURRENT_VERSION = (0, 6, 0)
LONGEST_ID = 80
"""Of a node, a case or an action: they stand in keys and columns of runs and tasks."""
GRAPH_MODES = frozenset({"workflow", "advanced-chat"})
LATER_MODES = frozenset({"chat", "agent-chat", "completion", "channel", "rag-pipeline"})

OLD_NAMES: Mapping[str, str] = {"variable-assigner": "variable-aggregator"}
OURS = frozenset(
    {
        "start",
        "end",
        "answer",
        "llm",
        "if-else",
        "code",
        "template-transform",
        "http-request",
        "variable-aggregator",
        "human-input",
        "tool",
        "iteration",
        "iteration-start",
        "loop",
        "loop-start",
        "loop-end",
        "assigner",
        # Our own: a file may hold them, exported from here.
        "wait",
        "sub-workflow",
        "on-cancel",
    }
)
TRIGGERS = frozenset({"trigger-webhook", "trigger-schedule", "trigger-plugin"})
LATER = TRIGGERS | {
    "agent",
    "datasource",
    "document-extractor",
    "knowledge-index",
    "knowledge-retrieval",
    "knowledge-retrieval-v2",
    "list-operator",
    "parameter-extractor",
    "question-classifier",
}
# Entered by their container (or by a cancellation), never by an edge from the start.
INNER_STARTS = frozenset({"iteration-start", "loop-start", "on-cancel"})

# Kinds with outputs of their own making (tool: plugin variables) are absent: anything may be read.
FIXED_OUTPUTS: Mapping[str, frozenset[str]] = {
    "end": frozenset(),
    "answer": frozenset({"answer", "files"}),
    "llm": frozenset(
        {"text", "reasoning_content", "usage", "finish_reason", "structured_output", "files"}
    ),
    "if-else": frozenset({"result", "selected_case_id"}),
    "template-transform": frozenset({"output"}),
    "http-request": frozenset({"status_code", "body", "headers", "files"}),
    "iteration": frozenset({"output", "item", "index"}),
    "iteration-start": frozenset(),
    "loop-start": frozenset(),
    "loop-end": frozenset(),
    "assigner": frozenset(),
    "on-cancel": frozenset(),
    "wait": frozenset({"signals", "signal", "timed_out"}),
}
HUMAN_OUTPUTS = frozenset({"__action_id", "__action_value", "__rendered_content"})

CHAT_ONLY = frozenset({"query", "conversation_id", "dialogue_count"})

OPERATORS = frozenset(
    {
        "contains",
        "not contains",
        "start with",
        "end with",
        "is",
        "is not",
        "empty",
        "not empty",
        "in",
        "not in",
        "all of",
        "=",
        "≠",
        ">",
        "<",
        "≥",
        "≤",
        "null",
        "not null",
        "exists",
        "not exists",
    }
)

# Fields that hold text with references in it.
TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "answer": ("answer",),
    "llm": ("prompt_template", "memory", "model"),
    "if-else": ("cases",),
    "http-request": ("url", "headers", "params", "authorization", "body"),
    "human-input": ("form_content", "inputs", "delivery_methods"),
    "tool": ("tool_parameters", "tool_configurations"),
    "wait": ("until", "timeout_seconds"),
    "sub-workflow": ("inputs", "query"),
    "loop": ("break_conditions",),
}

# What must be there, and as what, for a node to run at all. "?" marks what may be absent.
SHAPES: Mapping[str, Mapping[str, str]] = {
    "start": {"variables": "list?"},
    "end": {"outputs": "list?"},
    "answer": {"answer": "text"},
    "llm": {"model": "mapping", "prompt_template": "list|mapping", "context": "mapping?"},
    "if-else": {"cases": "list"},
    "code": {
        "code": "text",
        "code_language": "text",
        "variables": "list?",
        "outputs": "mapping?",
    },
    "template-transform": {"template": "text", "variables": "list?"},
    "http-request": {
        "method": "text",
        "url": "text",
        "headers": "text?",
        "params": "text?",
        "authorization": "mapping?",
        "body": "mapping?",
        "timeout": "mapping?",
    },
    "variable-aggregator": {"variables": "list?", "advanced_settings": "mapping?"},
    "human-input": {
        "form_content": "text?",
        "inputs": "list?",
        "user_actions": "list",
        "delivery_methods": "list?",
    },
    "tool": {
        "provider_id": "text",
        "tool_name": "text",
        "tool_parameters": "mapping?",
        "tool_configurations": "mapping?",
    },
    "iteration": {"iterator_selector": "list", "output_selector": "list?"},
    "loop": {"loop_variables": "list?", "break_conditions": "list?"},
    "assigner": {"items": "list?"},
    "wait": {"until": "list"},
    "sub-workflow": {"workflow": "text", "inputs": "mapping?"},
}
