"""Finding circles in a graph that should have none."""

from collections.abc import Iterable, Mapping, Sequence

Following = Mapping[str, Sequence[str]]


def circles(ids: Iterable[str], following: Following) -> list[list[str]]:
    """Every group of nodes that can reach each other: Tarjan's components, in linear time.

    R. Tarjan, Depth-first search and linear graph algorithms, 1972; without recursion, so that a
    chain of any length is walked.
    """
    search = _Components(following)
    for key in ids:
        if key not in search.index:
            search.visit(key)
    return [
        group for group in search.found if len(group) > 1 or group[0] in following.get(group[0], ())
    ]


class _Components:
    def __init__(self, following: Following) -> None:
        self.following = following
        self.index: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.open: list[str] = []
        self.is_open: set[str] = set()
        self.found: list[list[str]] = []

    def enter(self, key: str) -> None:
        self.index[key] = self.low[key] = len(self.index)
        self.open.append(key)
        self.is_open.add(key)

    def visit(self, root: str) -> None:
        self.enter(root)
        path = [(root, iter(self.following.get(root, ())))]
        while path:
            key, targets = path[-1]
            for target in targets:
                if target not in self.index:
                    self.enter(target)
                    path.append((target, iter(self.following.get(target, ()))))
                    break
                if target in self.is_open:
                    self.low[key] = min(self.low[key], self.index[target])
            else:
                path.pop()
                if path:
                    self.low[path[-1][0]] = min(self.low[path[-1][0]], self.low[key])
                if self.low[key] == self.index[key]:
                    self.close(key)

    def close(self, key: str) -> None:
        group: list[str] = []
        while not group or group[-1] != key:
            group.append(self.open.pop())
        self.is_open.difference_update(group)
        self.found.append(group[::-1])
