"""The variables a run can see: system, environment, conversation and the outputs of its nodes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflows.engine.references import parse_template
from workflows.engine.values import MISSING, markdown_of, member_of, text_of


class Pool:
    """Outputs by node. A child sees its parent's variables and keeps its own writes to itself."""

    __slots__ = ("compat", "parent", "scopes")

    def __init__(self, *, compat: bool = True, parent: "Pool | None" = None) -> None:
        self.compat = compat
        self.parent = parent
        self.scopes: dict[str, Mapping[str, Any]] = {}

    def put(self, scope: str, values: Mapping[str, Any]) -> None:
        """Make the outputs of a node (or a scope such as `sys`) visible; nothing is copied."""
        self.scopes[scope] = values

    def assign(self, scope: str, name: str, value: Any) -> None:
        """Change one variable where it lives: everybody who sees it sees the new value.

        Raises KeyError when there is no such scope.
        """
        pool: Pool | None = self
        while pool is not None:
            if (values := pool.scopes.get(scope)) is not None:
                pool.scopes[scope] = {**values, name: value}
                return
            pool = pool.parent
        raise KeyError(scope)

    def get(self, path: Sequence[str]) -> Any:
        """The value a selector leads to, or MISSING."""
        scope = self._scope(path[0]) if path else None
        if scope is None or len(path) < 2:
            return MISSING
        value: Any = scope.get(path[1], MISSING)
        for name in path[2:]:
            value = member_of(value, name)
        return value

    def value(self, path: Sequence[str] | None) -> Any:
        """As `get`, with None for what is missing."""
        found = self.get(path) if path else None
        return None if found is MISSING else found

    def text(self, template: str) -> str:
        """The template with plain texts of its references; the bare selector where one is void."""
        return self._fill(template, text_of)

    def markdown(self, template: str) -> str:
        """The template as an answer shows it."""
        return self._fill(template, markdown_of)

    def _fill(self, template: str, form: Callable[..., str]) -> str:
        parts = parse_template(template)
        if len(parts) == 1 and isinstance(parts[0], str):
            return parts[0]
        return "".join(
            part if isinstance(part, str) else self._shown(part.path, form) for part in parts
        )

    def _shown(self, path: tuple[str, ...], form: Callable[..., str]) -> str:
        value = self.get(path)
        return ".".join(path) if value is MISSING else form(value, compat=self.compat)

    def _scope(self, name: str) -> Mapping[str, Any] | None:
        pool: Pool | None = self
        while pool is not None:
            if (scope := pool.scopes.get(name)) is not None:
                return scope
            pool = pool.parent
        return None
