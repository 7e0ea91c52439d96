"""Rendering Jinja templates that strangers wrote.

A tame template (names, filters of a short list, ifs, at most two loops inside each other, nothing
that grows twice over) costs no more than its data times what it does with them, which is counted
before and while it is rendered here, in Jinja's sandbox. Any other can be made to eat all memory
with one expression, which no thread could be stopped from: it goes to the confined process that
runs code, with its limits of memory and time, and so does a tame one with too much to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import DomainError
from workflows.nodes.base import NodeContext, NodeFailed

LONGEST_OUTPUT = 400_000
LONGEST_TEMPLATE = 20_000
MOST_WORK = 20_000_000
"""Characters that a template may look at, all in all, before it is sent away: some 50 ms."""
ROUND = 100
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
JOINING = (nodes.Add, nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict)
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
GROWING_FILTERS = frozenset({"e", "escape", "join", "list", "string", "tojson"})
"""One makes a text some times longer; one upon the other, any number of times."""
LARGEST_ARGUMENT = 100
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
        program = _program(template) if len(template) <= LONGEST_TEMPLATE else None
        if program is not None:
            return _render_here(program, variables)
    except _TooMuch:
        pass  # the confined process has the time
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


class _TooMuch(Exception):
    """The template does more than may be done here."""


class _Rounds:
    """What is left to be done; each round of a loop takes its share."""

    def __init__(self, left: int, share: int) -> None:
        self.left = left
        self.share = share


def _counted(items: Iterable[Any], rounds: _Rounds) -> Iterator[Any]:
    for item in items:
        rounds.left -= rounds.share
        if rounds.left < 0:
            raise _TooMuch
        yield item


ENVIRONMENT = _Environment()
ENVIRONMENT.filters["counted"] = _counted


@dataclass(frozen=True, slots=True)
class _Program:
    """A compiled template. `names` counts its reads, `repeated` those made anew each round."""

    template: Template
    length: int
    names: int
    repeated: int


@lru_cache(maxsize=512)
def _program(template: str) -> _Program | None:
    """The compiled template, or None when it must not run in this process."""
    tree = ENVIRONMENT.parse(template)
    if not _is_tame(tree):
        return None
    names = sum(1 for _ in tree.find_all(nodes.Name))
    return _Program(ENVIRONMENT.from_string(template), len(template), names, _repeated(tree, None))


def _render_here(program: _Program, variables: Mapping[str, Any]) -> str:
    """Raises _TooMuch."""
    size = _size(variables)
    left = MOST_WORK - size * program.names
    if left < 0:
        raise _TooMuch
    rounds = _Rounds(left, ROUND + program.length + size * program.repeated)
    parts: list[str] = []
    length = 0
    for part in program.template.generate(**{**variables, ROUNDS: rounds}):
        length += len(part)
        if length > LONGEST_OUTPUT:
            break
        parts.append(part)
    return _within("".join(parts), length)


def _size(variables: Mapping[str, Any]) -> int:
    """Characters of all texts, and a few for anything else."""
    size, stack = 0, list(variables.values())
    while stack and size <= MOST_WORK:
        value = stack.pop()
        size += len(value) if isinstance(value, str) else 4
        if isinstance(value, Mapping):
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
    return size


def _repeated(node: nodes.Node, own: frozenset[str] | None) -> int:
    """Reads inside of loops of what is not the innermost loop's own item.

    Over all rounds a loop's items are together no more than the data; anything else is read whole
    in every round. `own` is None outside of loops.
    """
    if isinstance(node, nodes.Name):
        return int(own is not None and node.name not in own)
    if not isinstance(node, nodes.For):
        return sum(_repeated(child, own) for child in node.iter_child_nodes())
    targets = [node.target, *node.target.find_all(nodes.Name)]
    items = frozenset({"loop", *(each.name for each in targets if isinstance(each, nodes.Name))})
    inside = [*node.body, *node.else_, *([node.test] if node.test else ())]
    return _repeated(node.iter, own) + sum(_repeated(child, items) for child in inside)


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


def _is_plain(node: nodes.Node, *, loops: int, grown: bool = False, kept: bool = False) -> bool:
    """`grown`: what this makes will be grown. `kept`: it will have a name, to be used again."""
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive or loops > DEEPEST_LOOPS:
            return False
    grows = _is_growing_filter(node)
    if not _may_stand(node, loops) or (grows and (grown or kept)) or (kept and _joins(node)):
        return False
    grown, kept = grown or grows, kept or isinstance(node, nodes.Assign)
    return all(
        _is_plain(child, loops=loops, grown=grown, kept=kept) for child in node.iter_child_nodes()
    )


def _joins(node: nodes.Node) -> bool:
    """Put together again and again under new names, two become millions."""
    return isinstance(node, JOINING) and len(list(node.find_all(nodes.Name))) > 1


def _is_growing_filter(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Filter) and node.name in GROWING_FILTERS


def _may_stand(node: nodes.Node, loops: int) -> bool:
    if isinstance(node, nodes.Filter):
        given = [*node.args, *(keyword.value for keyword in node.kwargs)]
        if node.dyn_args or node.dyn_kwargs or node.name not in PLAIN_FILTERS:
            return False
        return all(_is_short(each) for each in given)
    if isinstance(node, nodes.Call):
        called = node.node
        if not isinstance(called, nodes.Getattr) or called.attr not in PLAIN_METHODS:
            return False
        return called.attr == "get" or all(_is_short(each) for each in node.args)
    if isinstance(node, OUTSIDE_LOOPS):
        return loops == 0
    return isinstance(node, PLAIN_NODES)


def _is_short(argument: nodes.Node) -> bool:
    """An argument is written out, and small: a joint, a width, a number of digits."""
    if not isinstance(argument, nodes.Const):
        return False
    value = argument.value
    if isinstance(value, str):
        return len(value) <= LARGEST_ARGUMENT
    return value is None or abs(value) <= LARGEST_ARGUMENT
