"""Rendering Jinja templates that strangers wrote.

A tame template (names, filters of a short list, ifs, at most two loops inside each other, no sums
or text growing in a loop) costs no more than its data, so it is rendered here, in Jinja's sandbox,
with its loop rounds counted and its output capped. Any other can be made to eat all memory with
one expression, which no thread could be stopped from: it goes to the confined process that runs
code, with its limits of memory and time.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import DomainError
from workflows.nodes.base import NodeContext, NodeFailed

LONGEST_OUTPUT = 400_000
MOST_ROUNDS = 100_000
DEEPEST_LOOPS = 2
SECONDS = 10.0
ROUNDS = "__rounds__"

PLAIN_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Test,
    nodes.Filter,
    nodes.Keyword,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
)
OUTSIDE_LOOPS = (nodes.Assign, nodes.Add, nodes.Sub, nodes.Concat)
MOST_OUTSIDE_LOOPS = 16
PLAIN_FILTERS = frozenset(
    {
        "abs",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "max",
        "min",
        "reverse",
        "round",
        "safe",
        "sort",
        "string",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "wordcount",
    }
)
PLAIN_METHODS = frozenset(
    {"items", "keys", "values", "get", "strip", "lower", "upper", "startswith", "endswith", "split"}
)

IN_PROCESS = """
from jinja2.sandbox import ImmutableSandboxedEnvironment


def main(template, variables):
    text = ImmutableSandboxedEnvironment().from_string(template).render(**variables)
    return {"text": text}
"""


async def render(context: NodeContext, template: str, variables: Mapping[str, Any]) -> str:
    """Render for a node; raises NodeFailed (template_failed, output_too_long)."""
    if "{" not in template:
        return template
    try:
        program = _program(template)
        if program is not None:
            return _render_here(program, variables)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        message = f"{type(error).__name__}: {error}"
        raise NodeFailed(message, code="template_failed", kind="TemplateRenderError") from error
    return _within(await _render_confined(context, template, variables))


async def _render_confined(
    context: NodeContext, template: str, variables: Mapping[str, Any]
) -> str:
    given = {"template": template, "variables": dict(variables)}
    try:
        answer = await context.services.run_code("python3", IN_PROCESS, given, SECONDS)
    except DomainError as error:
        code = "template_failed" if error.code == "code_failed" else error.code
        raise NodeFailed(error.message, code=code, kind="TemplateRenderError") from error
    return str(answer.get("text", ""))


class _Environment(ImmutableSandboxedEnvironment):
    """Loops are rewritten to count their rounds: see `_program`."""

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        for loop in source.find_all(nodes.For):
            counter = nodes.Name(ROUNDS, "load", lineno=loop.lineno)
            loop.iter = nodes.Filter(
                loop.iter, "counted", [counter], [], None, None, lineno=loop.lineno
            )
        source.set_environment(self)
        return super()._generate(source, *args, **kwargs)


class _Rounds:
    def __init__(self) -> None:
        self.left = MOST_ROUNDS


def _counted(items: Iterable[Any], rounds: _Rounds) -> Iterator[Any]:
    for item in items:
        rounds.left -= 1
        if rounds.left < 0:
            raise ValueError(f"more than {MOST_ROUNDS} rounds of a loop")
        yield item


ENVIRONMENT = _Environment()
ENVIRONMENT.filters["counted"] = _counted


@lru_cache(maxsize=512)
def _program(template: str) -> Template | None:
    """The compiled template, or None when it must not run in this process."""
    tree = ENVIRONMENT.parse(template)
    return ENVIRONMENT.from_string(template) if _is_tame(tree) else None


def _render_here(program: Template, variables: Mapping[str, Any]) -> str:
    parts: list[str] = []
    length = 0
    for part in program.generate(**{**variables, ROUNDS: _Rounds()}):
        length += len(part)
        if length > LONGEST_OUTPUT:
            break
        parts.append(part)
    return _within("".join(parts), length)


def _within(text: str, length: int | None = None) -> str:
    if (length or len(text)) > LONGEST_OUTPUT:
        raise NodeFailed(
            f"Output length exceeds {LONGEST_OUTPUT} characters",
            code="output_too_long",
            kind="ValueError",
            retryable=False,
        )
    return text


def _is_tame(tree: nodes.Template) -> bool:
    growing = sum(1 for _ in tree.find_all(OUTSIDE_LOOPS))
    return growing <= MOST_OUTSIDE_LOOPS and _is_plain(tree, loops=0)


def _is_plain(node: nodes.Node, *, loops: int) -> bool:
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive or loops > DEEPEST_LOOPS:
            return False
    if not _may_stand(node, loops):
        return False
    return all(_is_plain(child, loops=loops) for child in node.iter_child_nodes())


def _may_stand(node: nodes.Node, loops: int) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in PLAIN_FILTERS and all(_is_short(arg) for arg in node.args)
    if isinstance(node, nodes.Call):
        return isinstance(node.node, nodes.Getattr) and node.node.attr in PLAIN_METHODS
    if isinstance(node, OUTSIDE_LOOPS):
        return loops == 0
    return isinstance(node, PLAIN_NODES)


def _is_short(argument: nodes.Node) -> bool:
    """An argument of a filter is written out: a joint as long as the list would square its size."""
    return isinstance(argument, nodes.Const)
