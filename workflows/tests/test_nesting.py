"""Containers and what they hold, drawn as boxes in boxes."""

from workflows.layout import NODE_HEIGHT, NODE_WIDTH, USUAL, lay_out
from workflows.nesting import lay_out_nested

NODES = [
    {"id": "start"},
    {"id": "each"},
    {"id": "begin", "parent": "each"},
    {"id": "deep", "parent": "each"},
    {"id": "inner", "parent": "deep"},
    {"id": "end"},
]
EDGES = [
    {"source": "start", "target": "each"},
    {"source": "begin", "target": "deep"},
    {"source": "each", "target": "end"},
]


def box(layout, key):
    at, size = layout.positions[key], layout.sizes.get(key, USUAL)
    return at.x, at.y, at.x + size.width, at.y + size.height


def holds(outer, inner):
    return (
        outer[0] < inner[0] and outer[1] < inner[1] and inner[2] < outer[2] and inner[3] < outer[3]
    )


def test_children_stand_inside_of_their_container():
    layout = lay_out_nested(NODES, EDGES)

    assert set(layout.positions) == {node["id"] for node in NODES}
    assert set(layout.sizes) == {"each", "deep"}
    each, deep = box(layout, "each"), box(layout, "deep")
    assert holds(each, box(layout, "begin"))
    assert holds(each, deep)
    assert holds(deep, box(layout, "inner"))
    for outside in ("start", "end"):
        assert not holds(each, box(layout, outside))
    assert each[2] < layout.width
    assert each[3] < layout.height


def test_an_edge_inside_moves_with_its_container():
    layout = lay_out_nested(NODES, EDGES)

    (path,) = [path for path in layout.paths if path.source == "begin"]
    x, y = (float(number) for number in path.d[1:].split("C")[0].split())
    at = layout.positions["begin"]
    assert (x + path.shift.x, y + path.shift.y) == (at.x + NODE_WIDTH, at.y + NODE_HEIGHT / 2)


def test_what_follows_a_container_stands_behind_it():
    layout = lay_out_nested(NODES, EDGES)

    assert layout.positions["end"].x > box(layout, "each")[2]


def test_a_flat_graph_is_drawn_as_ever():
    nodes, edges = [{"id": "a"}, {"id": "b"}], [{"source": "a", "target": "b"}]

    assert lay_out_nested(nodes, edges) == lay_out(nodes, edges)


def test_a_node_whose_container_is_not_there_or_is_itself_stands_outside():
    nodes = [{"id": "a", "parent": "gone"}, {"id": "b", "parent": "c"}, {"id": "c", "parent": "b"}]

    layout = lay_out_nested(nodes, [])

    assert set(layout.positions) == {"a", "b", "c"}
    assert layout.sizes == {}
