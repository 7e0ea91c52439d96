"""Drawing graphs in layers."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.layout import NODE_HEIGHT, NODE_WIDTH, Layout, lay_out


def drawn(*pairs, extra=()):
    ids = dict.fromkeys([key for pair in pairs for key in pair[:2]] + list(extra))
    edges = [{"source": p[0], "target": p[1], "label": (*p, "")[2]} for p in pairs]
    return lay_out([{"id": key} for key in ids], edges)


def numbers(path):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.d)]


def overlaps(layout):
    spots = sorted(layout.positions.values())
    return [
        (one, other)
        for one in spots
        for other in spots
        if one < other and one.x == other.x and abs(one.y - other.y) < NODE_HEIGHT
    ]


def test_nothing_is_drawn_of_nothing():
    assert lay_out([], []) == Layout({}, [], 0, 0)


def test_a_chain_is_a_straight_line():
    layout = drawn("ab", "bc", "cd")

    assert len({spot.y for spot in layout.positions.values()}) == 1
    columns = [layout.positions[key].x for key in "abcd"]
    assert columns == sorted(set(columns))
    for path in layout.paths:
        assert len(set(numbers(path)[1::2])) == 1


def test_an_edge_leaves_at_the_right_and_enters_at_the_left():
    layout = drawn(("a", "b", "yes"))

    (path,) = layout.paths
    a, b = layout.positions["a"], layout.positions["b"]
    found = numbers(path)
    assert found[:2] == [a.x + NODE_WIDTH, a.y + NODE_HEIGHT / 2]
    assert found[-2:] == [b.x, b.y + NODE_HEIGHT / 2]
    assert (path.source, path.target, path.label) == ("a", "b", "yes")
    assert a.x + NODE_WIDTH < path.label_x < b.x


def test_a_node_stands_behind_everything_that_leads_to_it():
    layout = drawn("ab", "bc", "ac", "cd", "ad")

    columns = [layout.positions[key].x for key in "abcd"]
    assert columns == sorted(set(columns))


def test_a_long_edge_passes_beside_the_nodes_in_between():
    layout = drawn("ab", "bc", "ac")

    long = next(path for path in layout.paths if (path.source, path.target) == ("a", "c"))
    points = list(zip(numbers(long)[::2], numbers(long)[1::2], strict=True))
    b = layout.positions["b"]
    beside = [y for x, y in points if b.x <= x <= b.x + NODE_WIDTH]
    assert beside
    assert all(not b.y < y < b.y + NODE_HEIGHT for y in beside)


def test_branches_are_ordered_so_that_nothing_crosses():
    layout = drawn("sa", "sb", "sc", "cz", "by", "ax", "xe", "ye", "ze")

    above = {key: layout.positions[key].y for key in "abcxyz"}
    assert sorted("abc", key=above.get) == [
        {"x": "a", "y": "b", "z": "c"}[key] for key in sorted("xyz", key=above.get)
    ]


def test_a_join_stands_in_the_middle_of_what_it_joins():
    layout = drawn("sa", "sb", "ae", "be")

    middle = (layout.positions["a"].y + layout.positions["b"].y) / 2
    assert abs(layout.positions["e"].y - middle) < 1
    assert abs(layout.positions["s"].y - middle) < 1


def test_circles_and_lost_nodes_are_drawn_too():
    layout = drawn("ab", "ba", "cc", extra=["lost"])

    assert set(layout.positions) == {"a", "b", "c", "lost"}
    assert len(layout.paths) == 3
    assert not overlaps(layout)


def test_edges_to_nowhere_are_left_out():
    layout = lay_out([{"id": "a"}], [{"source": "a", "target": "ghost"}])

    assert layout.paths == []


def test_a_graph_with_endless_long_edges_is_still_drawn():
    size = 220
    pairs = [(str(a), str(b)) for a in range(size) for b in range(a + 1, size)]

    layout = drawn(*pairs)

    assert len(layout.paths) == len(pairs)
    assert len({spot.x for spot in layout.positions.values()}) == size


graphs = st.integers(1, 14).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30).map(
        lambda pairs: (n, pairs)
    )
)


@settings(max_examples=200, deadline=None)
@given(graphs)
def test_any_graph_fits_its_frame_without_nodes_that_overlap(graph):
    size, pairs = graph
    nodes = [{"id": str(key)} for key in range(size)]
    edges = [{"source": str(a), "target": str(b)} for a, b in pairs]

    layout = lay_out(nodes, edges)

    assert not overlaps(layout)
    for spot in layout.positions.values():
        assert 0 <= spot.x <= layout.width - NODE_WIDTH
        assert 0 <= spot.y <= layout.height - NODE_HEIGHT
    assert layout == lay_out(nodes, edges)


def test_the_order_of_the_edges_does_not_break_the_drawing():
    pairs = ["sa", "sb", "ac", "bc", "cd", "sd", "ae", "ed"]
    for seed in range(5):
        random.Random(seed).shuffle(pairs)
        assert not overlaps(drawn(*pairs))
