"""Layered drawing of a graph, left to right, after Sugiyama, Tagawa and Toda (1981).

Nodes get the layer of their longest path from a source; an edge over several layers passes through
one point in each (a bend; beyond MOST_BENDS of them such edges run straight across); sweeps of
barycentres order the layers so that few edges cross; then every node moves as close to its
neighbours as its layer has room. Edges that close a circle are drawn backwards. Same input, same
drawing.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

NODE_WIDTH, NODE_HEIGHT = 208, 64
BEND_HEIGHT = 12
GAP_X, GAP_Y = 56, 28
MARGIN = 24
SWEEPS = 6
MOST_BENDS = 5000
LABEL_RISE = 6


class Point(NamedTuple):
    x: float
    y: float


class Size(NamedTuple):
    width: float
    height: float


USUAL = Size(NODE_WIDTH, NODE_HEIGHT)
ORIGIN = Point(0, 0)


@dataclass(frozen=True, slots=True)
class Path:
    """An edge as the `d` of an SVG path, moved by `shift`; its label stands near the source."""

    d: str
    source: str
    target: str
    label: str
    label_x: float
    label_y: float
    shift: Point = ORIGIN


@dataclass(frozen=True, slots=True)
class Layout:
    """`positions` are the top left corners of boxes of NODE_WIDTH by NODE_HEIGHT, or of `sizes`."""

    positions: dict[str, Point]
    paths: list[Path]
    width: float
    height: float
    sizes: dict[str, Size] = field(default_factory=dict)


class Link(NamedTuple):
    source: str
    target: str
    label: str


@dataclass(slots=True)
class _Drawing:
    """Layers of keys; a key is a node's id or, for a bend, the pair (edge number, layer)."""

    layers: list[list[Any]]
    chains: list[list[Any]]
    sizes: Mapping[str, Size]
    before: dict[Any, list[Any]] = field(default_factory=lambda: defaultdict(list))
    after: dict[Any, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def size(self, key: Any) -> Size:
        return self.sizes.get(key, USUAL) if isinstance(key, str) else Size(0, BEND_HEIGHT)


def lay_out(
    nodes: Iterable[Mapping[str, Any]],
    edges: Iterable[Mapping[str, Any]],
    sizes: Mapping[str, Size] | None = None,
) -> Layout:
    """Place nodes (`{"id"}`) and route edges (`{"source", "target", "label"?}`).

    Edges with an end that is not among the nodes are left out. `sizes`: of nodes that are not of
    the usual size.
    """
    ids = list(dict.fromkeys(str(node["id"]) for node in nodes))
    links = _links(set(ids), edges)
    layer = _layers(ids, links)
    drawing = _draw(ids, links, layer, sizes or {})
    _order(drawing)
    heights = _heights(drawing)
    return _measure(ids, links, drawing, heights)


def _links(known: set[str], edges: Iterable[Mapping[str, Any]]) -> list[Link]:
    links = (
        Link(str(edge["source"]), str(edge["target"]), str(edge.get("label") or ""))
        for edge in edges
    )
    return [link for link in links if link.source in known and link.target in known]


def _layers(ids: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """Longest path from a source; where a circle blocks the way, its first node goes ahead."""
    following: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(ids, 0)
    for link in links:
        if link.source != link.target:
            following[link.source].append(link.target)
            waiting[link.target] += 1
    layer = dict.fromkeys(ids, 0)
    ready = deque(key for key in ids if not waiting[key])
    done: set[str] = set()
    blocked = iter(ids)
    while len(done) < len(ids):
        if not ready:
            ready.append(next(key for key in blocked if key not in done))
        key = ready.popleft()
        done.add(key)
        for target in following[key]:
            if target in done:
                continue
            layer[target] = max(layer[target], layer[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return layer


def _draw(
    ids: Sequence[str],
    links: Sequence[Link],
    layer: Mapping[str, int],
    sizes: Mapping[str, Size],
) -> _Drawing:
    layers: list[list[Any]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for key in ids:
        layers[layer[key]].append(key)
    drawing = _Drawing(layers, [], sizes)
    spans = (layer[link.target] - layer[link.source] - 1 for link in links)
    bent = sum(span for span in spans if span > 0) <= MOST_BENDS
    for number, link in enumerate(links):
        first, last = layer[link.source], layer[link.target]
        bends = [(number, at) for at in range(first + 1, last)] if bent else []
        for bend in bends:
            layers[bend[1]].append(bend)
        chain: list[Any] = [link.source, *bends, link.target]
        drawing.chains.append(chain)
        if first + len(bends) + 1 == last:
            for one, other in pairwise(chain):
                drawing.after[one].append(other)
                drawing.before[other].append(one)
    return drawing


def _order(drawing: _Drawing) -> None:
    """Sort each layer by where its neighbours stand: forwards, backwards, keeping the best."""
    best, fewest = [list(keys) for keys in drawing.layers], _crossings(drawing)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        forwards = sweep % 2 == 0
        layers = drawing.layers if forwards else drawing.layers[::-1]
        _sweep(layers, drawing.before if forwards else drawing.after)
        crossings = _crossings(drawing)
        if crossings < fewest:
            best, fewest = [list(keys) for keys in drawing.layers], crossings
    drawing.layers = best


def _sweep(layers: Sequence[list[Any]], neighbours: Mapping[Any, list[Any]]) -> None:
    place: dict[Any, float] = {}
    for keys in layers:
        weight = {}
        for at, key in enumerate(keys):
            near = neighbours.get(key)
            weight[key] = sum(place[other] for other in near) / len(near) if near else at
        keys.sort(key=weight.__getitem__)
        place = {key: at for at, key in enumerate(keys)}


def _crossings(drawing: _Drawing) -> int:
    """How many pairs of edge pieces cross, counted layer by layer as inversions."""
    total = 0
    for keys, following in pairwise(drawing.layers):
        place = {key: at for at, key in enumerate(following)}
        ends: list[int] = []
        for key in keys:
            ends.extend(sorted(place[other] for other in drawing.after.get(key, ())))
        total += _inversions(ends, len(following))
    return total


def _inversions(ends: Sequence[int], size: int) -> int:
    """Pairs out of order, with a Fenwick tree: n log n, where the naive count is quadratic."""
    tree = [0] * (size + 1)
    found = 0
    for seen, end in enumerate(ends):
        at, smaller = end + 1, 0
        while at:
            smaller += tree[at]
            at &= at - 1
        found += seen - smaller
        at = end + 1
        while at <= size:
            tree[at] += 1
            at += at & -at
    return found


def _heights(drawing: _Drawing) -> dict[Any, float]:
    """The middle of every node and bend, from top to bottom of its layer."""
    middle: dict[Any, float] = {}
    for keys in drawing.layers:
        _place(drawing, keys, drawing.before, middle)
    for keys in drawing.layers[-2::-1]:
        _place(drawing, keys, drawing.after, middle)
    for keys in drawing.layers[1:]:
        _place(drawing, keys, drawing.before, middle)
    return middle


def _place(
    drawing: _Drawing,
    keys: Sequence[Any],
    neighbours: Mapping[Any, list[Any]],
    middle: dict[Any, float],
) -> None:
    """Put a layer as near to its neighbours as its order and its gaps allow.

    Keys that would push each other away form a block; a block stands at the mean of its wishes
    (pool adjacent violators), which is the least squares solution.
    """
    blocks: list[tuple[float, int, list[Any]]] = []
    offset: dict[Any, float] = {}
    edge = 0.0
    for key in keys:
        tall = drawing.size(key).height
        offset[key] = edge + tall / 2
        edge += tall + GAP_Y
        blocks.append((_wish(key, neighbours, middle, offset[key]) - offset[key], 1, [key]))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            shift, count, members = blocks.pop()
            other, number, others = blocks.pop()
            mean = (other * number + shift * count) / (number + count)
            blocks.append((mean, number + count, others + members))
    for shift, _, members in blocks:
        for key in members:
            middle[key] = offset[key] + shift


def _wish(
    key: Any, neighbours: Mapping[Any, list[Any]], middle: Mapping[Any, float], otherwise: float
) -> float:
    near = neighbours.get(key)
    if near:
        return sum(middle[other] for other in near) / len(near)
    return middle.get(key, otherwise)


def _measure(
    ids: Sequence[str], links: Sequence[Link], drawing: _Drawing, middle: Mapping[Any, float]
) -> Layout:
    if not ids:
        return Layout({}, [], 0, 0)
    tall = {key: drawing.size(key).height for key in middle}
    top = min(middle[key] - tall[key] / 2 for key in middle) - MARGIN
    bottom = max(middle[key] + tall[key] / 2 for key in middle) + MARGIN
    spot: dict[Any, Point] = {}
    right: dict[Any, float] = {}
    edge: float = MARGIN
    for keys in drawing.layers:
        broad = max(NODE_WIDTH, *(drawing.size(key).width for key in keys))
        spot |= {key: Point(edge, round(middle[key] - top, 1)) for key in keys}
        right |= dict.fromkeys(keys, edge + broad)
        edge += broad + GAP_X
    positions = {key: Point(spot[key].x, round(spot[key].y - tall[key] / 2, 1)) for key in ids}
    paths = [
        _path(link, chain, spot, right, spot[link.source].x + drawing.size(link.source).width)
        for link, chain in zip(links, drawing.chains, strict=True)
    ]
    own = {key: drawing.sizes[key] for key in ids if key in drawing.sizes}
    return Layout(positions, paths, edge - GAP_X + MARGIN, round(bottom - top, 1), own)


def _path(
    link: Link,
    chain: Sequence[Any],
    spot: Mapping[Any, Point],
    right: Mapping[Any, float],
    out: float,
) -> Path:
    """Out at the right side of the source, straight past each layer, in at the target's left."""
    start = Point(out, spot[link.source].y)
    pieces = [f"M{start.x:g} {start.y:g}"]
    here = start
    if out < right[link.source]:  # past what is broader in its layer
        here = Point(right[link.source], start.y)
        pieces.append(f"L{here.x:g} {here.y:g}")
    for bend in chain[1:-1]:
        pieces.append(_curve(here, spot[bend]))
        here = Point(right[bend], spot[bend].y)
        pieces.append(f"L{here.x:g} {here.y:g}")
    pieces.append(_curve(here, spot[link.target]))
    following = spot[chain[1]]
    return Path(
        " ".join(pieces),
        link.source,
        link.target,
        link.label,
        round((right[link.source] + following.x) / 2, 1),
        round((start.y + following.y) / 2 - LABEL_RISE, 1),
    )


def _curve(start: Point, end: Point) -> str:
    bow = max(abs(end.x - start.x) / 2, GAP_X / 2)
    return f"C{start.x + bow:g} {start.y:g} {end.x - bow:g} {end.y:g} {end.x:g} {end.y:g}"
