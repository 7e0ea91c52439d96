"""The text a reader sees while a run goes on."""

import pytest

from workflows.engine.graph import read_graph
from workflows.engine.pool import Pool
from workflows.engine.references import parse_template
from workflows.engine.scheduler import Frontier
from workflows.engine.stream import Stream
from workflows.nodes import SHAPES
from workflows.tests.flows import answer, flow, llm, node, start, template


class Telling:
    """Drives a stream as a run does."""

    def __init__(self, *nodes, edges, compat=True):
        graph = read_graph(flow(*nodes, edges=edges), SHAPES)
        said = {
            key: parse_template(found.data["answer"])
            for key, found in graph.nodes.items()
            if found.kind == "answer"
        }
        self.pieces = []
        self.pool = Pool(compat=compat)
        self.frontier = Frontier(graph)
        self.frontier.begin()
        self.stream = Stream(graph, said, self.pool, lambda _, text: self.pieces.append(text))
        self.stream.begin()

    def settle(self, key, handle="source", **outputs):
        self.pool.put(key, outputs)
        self.stream.settle(key, outputs)
        moves = self.frontier.settle(key, handle)
        self.stream.follow(moves.taken, moves.skip)
        return self

    @property
    def text(self):
        return "".join(self.pieces)


def branch(node_id):
    return node(node_id, "if-else", cases=[{"case_id": "yes", "conditions": []}])


def test_text_flows_before_the_answer_itself_is_reached():
    told = Telling(
        start(), llm("m", "x"), answer("a", "Hi: {{#m.text#}}."), edges=["start -> m", "m -> a"]
    )
    assert told.text == "Hi: "
    told.settle("start")

    told.stream.feed("m", "text", "one ")
    told.stream.feed("m", "text", "two")
    assert told.pieces == ["Hi: ", "one ", "two"]

    told.settle("m", text="one two")
    assert told.text == "Hi: one two."


def test_pieces_come_in_the_order_of_the_template_not_of_arrival():
    told = Telling(
        start(),
        llm("m", "x"),
        llm("n", "x"),
        answer("a", "{{#m.text#}}+{{#n.text#}}"),
        edges=["start -> m", "start -> n", "m -> a", "n -> a"],
    )
    told.settle("start")
    told.stream.feed("n", "text", "N")
    told.settle("n", text="N")
    assert told.text == ""

    told.stream.feed("m", "text", "M")
    assert told.text == "M"
    told.settle("m", text="M")
    assert told.text == "M+N"


def test_an_answer_behind_a_branch_waits_for_the_branch():
    told = Telling(
        start(),
        branch("if"),
        answer("a", "yes"),
        answer("b", "no"),
        edges=["start -> if", "if:yes -> a", "if:false -> b"],
    )
    told.settle("start")
    assert told.text == ""

    told.settle("if", "false")
    assert told.text == "no"


def test_the_variable_of_a_skipped_node_is_passed_over():
    told = Telling(
        start(),
        branch("if"),
        template("t", ""),
        template("u", ""),
        answer("a", "{{#t.o#}}|{{#u.o#}}"),
        edges=["start -> if", "start -> u", "if:yes -> t", "t -> a", "u -> a"],
    )
    told.settle("start").settle("if", "false").settle("u", o="U")

    assert told.text == "|U"


def test_a_variable_that_never_comes_ends_the_text():
    told = Telling(start(), answer("a", "x{{#start.gone#}}y"), edges=["start -> a"])
    told.settle("start").settle("a", answer="xstart.goney")

    assert told.text == "x"


def test_a_retried_node_shows_its_final_text_once():
    told = Telling(
        start(), llm("m", "x"), answer("a", "{{#m.text#}}"), edges=["start -> m", "m -> a"]
    )
    told.settle("start")
    told.stream.feed("m", "text", "Hel")
    told.stream.restart("m")

    told.settle("m", text="Hello")

    assert told.text == "Hello"


@pytest.mark.parametrize(("compat", "text"), [(True, "[M][]"), (False, "[M][M]")])
def test_only_imported_flows_say_a_streamed_text_but_once(compat, text):
    told = Telling(
        start(),
        llm("m", "x"),
        answer("a", "[{{#m.text#}}]"),
        answer("b", "[{{#m.text#}}]"),
        edges=["start -> m", "m -> a", "m -> b"],
        compat=compat,
    )
    told.settle("start")
    told.stream.feed("m", "text", "M")
    told.settle("m", text="M")

    assert told.text == text


def test_two_hundred_stacked_diamonds_are_told_without_listing_their_ways():
    nodes, edges, before = [start()], [], "start"
    for i in range(200):
        nodes += [branch(f"l{i}"), template(f"r{i}", ""), template(f"j{i}", "")]
        edges += [f"{before} -> l{i}", f"{before} -> r{i}", f"l{i}:yes -> j{i}", f"r{i} -> j{i}"]
        before = f"j{i}"
    nodes.append(answer("a", "done"))
    told = Telling(*nodes, edges=[*edges, f"{before} -> a"])

    for key in [found["id"] for found in nodes[:-1]]:
        told.settle(key, "yes")

    assert told.text == "done"
