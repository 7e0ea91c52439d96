"""Finding circles in a graph that should have none."""

from collections.abc import Iterator, Mapping, Sequence


def circles(following: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """One circle after another, none sharing a node with the next, until the rest has none."""
    rest = {key: [t for t in targets if t in following] for key, targets in following.items()}
    while rest := _core(rest):
        circle = _walk(rest)
        yield circle
        gone = set(circle)
        rest = {
            key: [target for target in targets if target not in gone]
            for key, targets in rest.items()
            if key not in gone
        }


def _core(following: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is left when nodes that lead nowhere are taken away (Kahn's algorithm, backwards)."""
    sources: dict[str, list[str]] = {key: [] for key in following}
    for key, targets in following.items():
        for target in targets:
            sources[target].append(key)
    count = {key: len(targets) for key, targets in following.items()}
    dead = [key for key, number in count.items() if number == 0]
    for key in dead:  # grows while it is walked
        for source in sources[key]:
            count[source] -= 1
            if count[source] == 0:
                dead.append(source)
    gone = set(dead)
    return {
        key: [target for target in targets if target not in gone]
        for key, targets in following.items()
        if key not in gone
    }


def _walk(following: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Every node leads on, so any walk closes a circle."""
    path: dict[str, None] = {}
    node = next(iter(following))
    while node not in path:
        path[node] = None
        node = following[node][0]
    steps = list(path)
    return tuple(steps[steps.index(node) :])
