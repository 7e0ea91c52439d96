"""References to variables inside texts: `{{#node.variable#}}`.

The pattern is Dify's, with its limits: no spaces, hyphens or indexes; what does not match is plain
text. Selectors (lists of names) have no such limits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

PATTERN = re.compile(r"\{\{#([a-zA-Z0-9_]{1,50}(?:\.[a-zA-Z_][a-zA-Z0-9_]{0,29}){1,10})#\}\}")
SCOPES = frozenset({"sys", "env", "conversation", "rag"})


class Ref(NamedTuple):
    """A selector: the node (or scope), the variable, and further keys into it."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.path)


Segment = str | Ref
Template = tuple[Segment, ...]


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Template:
    """Split a text into literal parts and references, in order."""
    if "{{#" not in text:
        return (text,) if text else ()
    parts = PATTERN.split(text)
    return tuple(
        Ref(tuple(part.split("."))) if index % 2 else part
        for index, part in enumerate(parts)
        if part
    )


def references_in(text: str) -> list[Ref]:
    return [part for part in parse_template(text) if isinstance(part, Ref)]


def reads_of(data: Any, known: Iterable[str]) -> Iterator[Ref]:
    """Every reference inside a node's data: in texts, as `…selector`, in `variables` of lists.

    Elsewhere a list is taken for a selector when it begins with one of the `known` names.
    """
    names = frozenset(known)
    stack: list[tuple[Any, bool]] = [(data, False)]
    while stack:
        value, expected = stack.pop()
        if isinstance(value, str):
            yield from references_in(value)
        elif isinstance(value, Mapping):
            stack.extend((item, _holds_selectors(key)) for key, item in value.items())
        elif isinstance(value, list):
            if len(value) > 1 and all(isinstance(item, str) for item in value):
                if expected or value[0] in names:
                    yield Ref(tuple(value))
            else:
                stack.extend((item, expected) for item in value)


def _holds_selectors(key: object) -> bool:
    return key == "variables" or str(key).endswith("selector")
