"""YAML read event by event into plain values that remember their lines.

What `yaml.safe_load` accepts but a stranger's file must not have is refused here: aliases and
anchors (a few bytes that unfold to gigabytes), tags, keys that stand twice (the last would win
silently), keys that are no text, and any amount of depth, values or digits. Reading goes on after
such a fault, so that one report names them all; it ends only where nothing sensible can follow.
"""

import math
import re
from typing import Any

import yaml

from workflows.dify.report import MOST_LISTED, Notes, Place

DEEPEST = 50
MOST_VALUES = 200_000
LONGEST_NUMBER = 40
# The first character of the next line that is neither blank, nor a comment, nor a document's end.
CONTENT = re.compile(r"^[ \t]*(?!#|\.\.\.[ \t\r]*$)(\S)", re.MULTILINE)
TRUE_WORDS = frozenset({"yes", "true", "on"})
# The C parser is ten times faster; a wheel without it still reads, slowly.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
_numbers = yaml.constructor.SafeConstructor()


class Mapping(dict[str, Any]):
    """A mapping with the line of each key; `line` and `last` bound the whole."""

    __slots__ = ("last", "line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = self.last = line
        self.lines: dict[str, int] = {}


class Sequence(list[Any]):
    """A list with the line of each item."""

    __slots__ = ("last", "line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = self.last = line
        self.lines: list[int] = []


class Unreadable(Exception):
    """Reading ended early; the reason is noted."""


def line_of(container: object, key: str | int) -> int:
    """The line of an entry; of its container where the entry was added by a repair."""
    if isinstance(container, Mapping):
        return container.lines.get(str(key), container.line)
    if isinstance(container, Sequence):
        known = isinstance(key, int) and key < len(container.lines)
        return container.lines[int(key)] if known else container.line
    return 0


def plain(value: Any) -> Any:
    """The same value in dicts and lists of Python's own. At most DEEPEST calls deep."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def read_tree(text: str, notes: Notes) -> Any:
    """The document's value; None when it cannot be read, with the reason noted."""
    if (first := CONTENT.search(text)) and first.group() == "%":
        # Before the parser sees them: it compares each with every earlier one.
        notes.fault("directive_refused", Place(line=_line_at(text, first.start())))
        return None
    loader = _Loader(text)
    try:
        return _Builder(notes).read(loader, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "unreadable"
        notes.fault("not_yaml", Place(line=mark.line + 1 if mark else 0), problem=problem)
    except yaml.reader.ReaderError as error:
        at = Place(line=_line_at(text, int(error.position)))
        notes.fault("bad_character", at, character=f"U+{_code(error):04X}")
    except Unreadable:
        pass
    finally:
        loader.dispose()
    return None


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _content_after(text: str, position: int) -> int | None:
    """Where a second document begins. The parser is not asked: it would read its directives."""
    newline = text.find("\n", position)
    rest = text[position : newline if newline >= 0 else None].strip()
    if rest and not rest.startswith(("#", "...")):
        return position
    more = CONTENT.search(text, newline) if newline >= 0 else None
    return more.start(1) if more else None


def _code(error: yaml.reader.ReaderError) -> int:
    character: Any = error.character
    return character if isinstance(character, int) else ord(character)


class _Builder:
    """Puts one document together; `stack` holds the open containers and their pending keys."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.root: Any = None
        self.container: Mapping | Sequence | None = None
        self.key: str | None = None
        self.key_line = 0
        self.stack: list[tuple[Mapping | Sequence | None, str | None]] = []
        self.values = 0
        self.steps = {
            yaml.ScalarEvent: self.scalar,
            yaml.MappingStartEvent: self.start_mapping,
            yaml.SequenceStartEvent: self.start_sequence,
            yaml.MappingEndEvent: self.end,
            yaml.SequenceEndEvent: self.end,
            yaml.AliasEvent: self.alias,
        }

    def read(self, loader: Any, text: str) -> Any:
        next_event, steps = loader.get_event, self.steps
        while (event := next_event()).__class__ is not yaml.DocumentEndEvent:
            if event.__class__ is yaml.StreamEndEvent:
                return None
            if step := steps.get(event.__class__):
                step(event)
        end: Any = event.end_mark
        if (more := _content_after(text, end.index)) is not None:
            self.notes.fault("several_documents", Place(line=_line_at(text, more)))
        return self.root

    def scalar(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.tag is not None or event.anchor is not None:
            self.refuse_extras(event, line)
        value: Any = event.value
        if event.implicit[0]:
            value = self.resolve(value, line)
        elif "\x00" in value:
            self.fault("bad_character", line, character="U+0000")
        self.add(value, line, event.value)

    def add(self, value: Any, line: int, source: str) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            self.fault("too_many_values", line, limit=MOST_VALUES)
            raise Unreadable
        container = self.container
        if container.__class__ is Mapping:
            if self.key is None:
                self.take_key(container, value, line, source)
                return
            container[self.key] = value
            container.lines[self.key] = self.key_line
            self.key = None
        elif container.__class__ is Sequence:
            container.append(value)
            container.lines.append(line)
        else:
            self.root = value

    def take_key(self, container: Mapping, value: Any, line: int, source: str) -> None:
        if not isinstance(value, str):
            self.fault("key_not_text", line, key=source or "null")
            value = source
        if value in container:
            self.fault("duplicate_key", line, key=value)
        self.key, self.key_line = value, line

    def start_mapping(self, event: Any) -> None:
        self.open(event, Mapping(event.start_mark.line + 1))

    def start_sequence(self, event: Any) -> None:
        self.open(event, Sequence(event.start_mark.line + 1))

    def open(self, event: Any, container: Mapping | Sequence) -> None:
        if event.tag is not None or event.anchor is not None:
            self.refuse_extras(event, container.line)
        outer, pending = self.container, None
        if isinstance(outer, Mapping) and self.key is None:
            self.fault("key_not_text", container.line, key="[…] / {…}")
            pending, self.key_line = "…", container.line
        else:
            self.add(container, container.line, "")
        self.stack.append((outer, pending))
        if len(self.stack) > DEEPEST:
            self.fault("too_deep", container.line, limit=DEEPEST)
            raise Unreadable
        self.container, self.key = container, None

    def end(self, event: Any) -> None:
        if self.container is not None:
            self.container.last = max(self.container.line, event.start_mark.line)
        self.container, self.key = self.stack.pop()

    def alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self.fault("alias_refused", line, name=event.anchor)
        self.add(None, line, f"*{event.anchor}")

    def refuse_extras(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.fault("anchor_refused", line, name=event.anchor)
        if event.tag is not None:
            self.fault("tag_refused", line, tag=event.tag)

    def resolve(self, value: str, line: int) -> Any:
        """The value of a plain scalar, by the rules of YAML 1.1; dates stay text."""
        if not value:
            return None
        for tag, pattern in _RESOLVERS.get(value[0], ()):
            if pattern.match(value):
                return self.construct(tag.rpartition(":")[2], value, line)
        return value

    def construct(self, kind: str, value: str, line: int) -> Any:
        if kind == "null":
            return None
        if kind == "bool":
            return value.lower() in TRUE_WORDS
        if kind not in {"int", "float"}:
            return value
        if len(value) <= LONGEST_NUMBER:
            node = yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", value)
            number = _construct_number(kind, node)
            if number is not None:
                return number
        self.fault("number_refused", line, value=value)
        return 0

    def fault(self, code: str, line: int, **params: object) -> None:
        self.notes.fault(code, Place(line=line, path=self.path()), **params)
        if len(self.notes.faults) > MOST_LISTED:
            raise Unreadable  # nobody reads on, and each fault costs

    def path(self) -> str:
        """Where reading stands, as `workflow.graph.nodes[2].data`."""
        parts: list[str] = []
        for container in [*(outer for outer, _ in self.stack[1:]), self.container]:
            if isinstance(container, Sequence):
                # An open container already stands in the one around it.
                at = len(container) - (container is not self.container)
                parts.append(f"[{at}]")
            elif isinstance(container, Mapping):
                parts.append(
                    f".{self.key or ''}" if container is self.container else _last(container)
                )
        return "".join(parts).strip(".")


def _last(container: Mapping) -> str:
    return f".{next(reversed(container), '')}"


def _construct_number(kind: str, node: yaml.ScalarNode) -> int | float | None:
    """None for what JSON cannot hold: infinities, not-a-number, malformed sexagesimals."""
    try:
        number = getattr(_numbers, f"construct_yaml_{kind}")(node)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
