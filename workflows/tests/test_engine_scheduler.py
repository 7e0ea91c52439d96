"""Which node comes next."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.engine.graph import read_graph
from workflows.engine.scheduler import Frontier, replay
from workflows.nodes import SHAPES
from workflows.tests.flows import end, flow, node, start, template

HANDLES = ("yes", "false")


def branch(node_id):
    return node(node_id, "if-else", cases=[{"case_id": "yes", "conditions": []}])


def graph_of(*nodes, edges):
    return read_graph(flow(*nodes, edges=edges), SHAPES)


def test_a_join_waits_for_all_living_edges_and_no_dead_ones():
    graph = graph_of(
        start(),
        branch("if"),
        template("a", ""),
        template("b", ""),
        template("c", ""),
        end(),
        edges=[
            "start -> if",
            "start -> c",
            "if:yes -> a",
            "if:false -> b",
            "a -> end",
            "b -> end",
            "c -> end",
        ],
    )
    frontier = Frontier(graph)
    frontier.begin()
    assert frontier.settle("start").start == ("if", "c")

    moves = frontier.settle("if", "false")

    assert (moves.start, moves.skip) == (("b",), ("a",))
    assert frontier.settle("c").start == ()
    assert frontier.settle("b").start == ("end",)


def test_skipping_goes_all_the_way_down():
    graph = graph_of(
        start(),
        branch("if"),
        template("a", ""),
        template("b", ""),
        end(),
        edges=["start -> if", "if:yes -> a", "a -> b", "b -> end"],
    )
    frontier = replay(graph, [("start", "source")])

    moves = frontier.settle("if", "false")

    assert moves.skip == ("a", "b", "end")
    assert not frontier.ready


def test_a_branch_that_leads_nowhere_ends_there():
    graph = graph_of(start(), branch("if"), edges=["start -> if"])

    assert not replay(graph, [("start", "source"), ("if", "yes")]).ready


def test_a_node_beside_the_flow_keeps_its_followers_waiting():
    graph = graph_of(start(), template("lost", ""), end(), edges=["start -> end", "lost -> end"])

    assert not replay(graph, [("start", "source")]).ready


def test_plain_nodes_fire_all_their_edges_whatever_they_are_called():
    graph = graph_of(start(), end(), edges=["start:odd -> end"])

    assert list(replay(graph, [("start", "source")]).ready) == ["end"]


@st.composite
def dags(draw):
    size = draw(st.integers(1, 9))
    pairs = draw(
        st.sets(
            st.tuples(st.integers(0, size - 1), st.integers(0, size)).filter(lambda p: p[0] < p[1]),
            max_size=18,
        )
    )
    branches = draw(st.sets(st.integers(1, size)))
    rnd = random.Random(draw(st.integers()))
    nodes = [start()]
    nodes += [
        branch(f"n{i}") if i in branches else template(f"n{i}", "") for i in range(1, size + 1)
    ]
    names = ["start", *(f"n{i}" for i in range(1, size + 1))]
    edges = [f"{names[a]}:{rnd.choice(HANDLES)} -> {names[b]}" for a, b in sorted(pairs)]
    return graph_of(*nodes, edges=edges), rnd


def play(graph, rnd, frontier, settled):
    """Settle ready nodes in any order; returns what was settled and what was skipped."""
    skipped = set()
    while frontier.ready:
        key = rnd.choice(list(frontier.ready))
        handle = rnd.choice(HANDLES)
        skipped.update(frontier.settle(key, handle).skip)
        settled.append((key, handle))
    return settled, skipped


@settings(max_examples=150, deadline=None)
@given(dags())
def test_every_run_ends_and_no_node_runs_twice_or_is_also_skipped(dag):
    graph, rnd = dag
    frontier = Frontier(graph)
    frontier.begin()

    settled, skipped = play(graph, rnd, frontier, [])

    ran = [key for key, _ in settled]
    assert len(ran) == len(set(ran))
    assert not skipped & set(ran)
    for key in ran[1:]:
        sources = [k for k, edges in graph.out.items() if any(e.target == key for e in edges)]
        assert all(source in ran or source in skipped for source in sources)


@settings(max_examples=100, deadline=None)
@given(dags(), st.integers(0, 20))
def test_a_frontier_rebuilt_from_any_prefix_leads_to_the_same_end(dag, cut):
    graph, rnd = dag
    frontier = Frontier(graph)
    frontier.begin()
    settled, _ = play(graph, rnd, frontier, [])
    prefix = settled[: min(cut, len(settled))]
    handles = dict(settled)

    again = replay(graph, prefix)
    done = [key for key, _ in prefix]
    while again.ready:
        key = next(iter(again.ready))
        again.settle(key, handles[key])
        done.append(key)

    assert set(done) == set(handles)
