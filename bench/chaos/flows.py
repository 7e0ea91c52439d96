"""The graphs of the chaos runs, each with a model of what must come of it.

The model knows nothing of the engine: it says from graph and inputs alone how a run ends, with
which outputs, by which steps, and which effects the receiver has seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from workflows.tests.flows import end, flow, node, start, template

Place = tuple[str, str]
Inputs = dict[str, Any]
ROUNDS = 3
ITEMS = ["a", "b", "c", "d"]
RETRY = {"max_retries": 40, "initial_seconds": 0.1, "factor": 2, "max_seconds": 3, "jitter": 0.2}


@dataclass(frozen=True)
class Expected:
    """`effects` are names without the run's id; `steps` are (node, iteration)."""

    state: str
    steps: frozenset[Place]
    effects: frozenset[str]
    outputs: dict[str, Any] | None = None
    code: str = ""


@dataclass(frozen=True)
class Graph:
    """`signals`: names that somebody sends to each of its runs."""

    definition: Callable[[str], dict[str, Any]]
    expected: Callable[[Inputs], Expected]
    inputs: Callable[[Random], Inputs]
    signals: tuple[str, ...] = field(default=())


def call(url: str, key: str, part: str = "", retry: Any = RETRY, **asked: Any) -> dict[str, Any]:
    """A side effect with a name of its own: `<run>/<part>`."""
    query = "".join(f"&{name}={value}" for name, value in asked.items())
    return node(
        key,
        "http-request",
        method="post",
        url=f"{url}/do?what={{{{#sys.workflow_run_id#}}}}/{part or key}{query}",
        body={"type": "raw-text", "data": [{"type": "text", "value": part or key}]},
        retry_config={"retry_enabled": True, "max_retries": 3, "retry_interval": 100},
        loomwork={"retry": retry},
    )


def inside(container: str, *nodes: dict[str, Any]) -> list[dict[str, Any]]:
    return [found | {"parent": container} for found in nodes]


def steps(names: str, rounds: int = 0, inner: str = "") -> frozenset[Place]:
    own = {(name, "") for name in names.split()}
    return frozenset(own | {(name, str(n)) for n in range(rounds) for name in inner.split()})


def did(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


def _plain(*parts: dict[str, Any], edges: str) -> dict[str, Any]:
    return flow(*parts, edges=[row.strip() for row in edges.split(",")], compat=False)


def nothing(_: Random) -> Inputs:
    return {}


# -- branches at the same time

BRANCHES = ("c0", "c1", "c2", "c3")


def parallel(url: str) -> dict[str, Any]:
    calls = [call(url, key, delay=0.1 + 0.2 * n) for n, key in enumerate(BRANCHES)]
    names = {key: f"{key}.body" for key in BRANCHES}
    text = "|".join(f"{{{{ {key} }}}}" for key in BRANCHES)
    edges = ", ".join(f"start -> {key}, {key} -> join" for key in BRANCHES)
    parts = (start(), *calls, template("join", text, **names), end(all="join.output"))
    return _plain(*parts, edges=f"{edges}, join -> end")


def parallel_ends(_: Inputs) -> Expected:
    text = "|".join(f"did {key}" for key in BRANCHES)
    done = steps("start join end c0 c1 c2 c3")
    return Expected("succeeded", done, did(BRANCHES), {"all": text})


# -- rounds

ADD = {"variable_selector": ["lp", "n"], "operation": "+=", "input_type": "constant", "value": 2}


def loop_parts(url: str, rounds: int) -> list[dict[str, Any]]:
    first = {"label": "n", "var_type": "number", "value_type": "constant", "value": "1"}
    lp = node("lp", "loop", loop_count=rounds, loop_variables=[first], start_node_id="lp_start")
    pay = call(url, "pay", "pay-{{#lp.n#}}", delay=0.3)
    within = (node("lp_start", "loop-start"), pay, node("add", "assigner", items=[ADD]))
    return [lp, *inside("lp", *within)]


def looped(rounds: int) -> frozenset[str]:
    return did(f"pay-{1 + 2 * n}" for n in range(rounds))


def loop(url: str) -> dict[str, Any]:
    parts = (start(), *loop_parts(url, ROUNDS), end(n="lp.n", rounds="lp.loop_round"))
    return _plain(*parts, edges="start -> lp, lp_start -> pay, pay -> add, lp -> end")


def loop_ends(_: Inputs) -> Expected:
    done = steps("start lp end", ROUNDS, "lp_start pay add")
    outputs = {"n": 1 + 2 * ROUNDS, "rounds": ROUNDS}
    return Expected("succeeded", done, looped(ROUNDS), outputs)


def iteration(url: str, **data: Any) -> dict[str, Any]:
    each = node(
        "it", "iteration", iterator_selector=["env", "xs"], output_selector=["use", "body"],
        start_node_id="it_start", is_parallel=True, parallel_nums=2, **data,
    )  # fmt: skip
    retry = {"max_retries": 0} if data else RETRY
    use = call(url, "use", "use-{{#it.item#}}", retry, delay=0.3, refuse="-c" if data else "-")
    within = inside("it", node("it_start", "iteration-start"), use)
    made = _plain(
        start(), each, *within, end(all="it.output"),
        edges="start -> it, it_start -> use, it -> end",
    )  # fmt: skip
    return made | {"environment": [{"name": "xs", "value": ITEMS}]}


def iteration_ends(_: Inputs) -> Expected:
    done = steps("start it end", len(ITEMS), "it_start use")
    names = [f"use-{item}" for item in ITEMS]
    return Expected("succeeded", done, did(names), {"all": [f"did {name}" for name in names]})


def faulty(url: str) -> dict[str, Any]:
    return iteration(url, error_handle_mode="continue-on-error")


def faulty_ends(_: Inputs) -> Expected:
    done = steps("start it end", len(ITEMS), "it_start use")
    results = ["did use-a", "did use-b", None, "did use-d"]
    names = did(f"use-{item}" for item in ITEMS if item != "c")
    return Expected("partial-succeeded", done, names, {"all": results})


# -- waits


def timer(url: str) -> dict[str, Any]:
    until = [{"type": "time", "seconds": "{{#start.seconds#}}"}]
    parts = (start("seconds"), node("w", "wait", until=until), call(url, "late"))
    edges = "start -> w, w -> late, late -> end"
    return _plain(*parts, end(did="late.body", out="w.timed_out"), edges=edges)


def timer_inputs(rng: Random) -> Inputs:
    return {"seconds": str(rng.choice([0.5, 2.5, 3, 4]))}


def timer_ends(_: Inputs) -> Expected:
    outputs = {"did": "did late", "out": False}
    return Expected("succeeded", steps("start w late end"), did(["late"]), outputs)


def signals(url: str) -> dict[str, Any]:
    until = [{"type": "signal", "name": "paid"}, {"type": "signal", "name": "sent"}]
    until.append({"type": "time", "seconds": 1})
    wait = node("w", "wait", mode="all", until=until)
    ship = call(url, "ship", "ship-{{#w.signals.paid.n#}}", delay=0.1)
    parts = (start(), wait, ship, end(did="ship.body", got="w.signals"))
    return _plain(*parts, edges="start -> w, w -> ship, ship -> end")


def signals_end(_: Inputs) -> Expected:
    outputs = {"did": "did ship-7", "got": {"paid": {"n": 7}, "sent": {"n": 7}}}
    return Expected("succeeded", steps("start w ship end"), did(["ship-7"]), outputs)


# -- people


def ask(key: str = "ask") -> dict[str, Any]:
    actions = [{"id": "approve", "title": "Yes"}, {"id": "reject", "title": "No"}]
    fields = [{"type": "paragraph", "output_variable_name": "note"}]
    text = "{{#start.decision#}}"
    return node(key, "human-input", form_content=text, user_actions=actions, inputs=fields)


def decisions(rng: Random) -> Inputs:
    return {"decision": rng.choice(["approve", "reject"])}


def approval(url: str) -> dict[str, Any]:
    parts = (start("decision"), ask(), call(url, "beside", delay=0.6), call(url, "order"))
    ends = (end("yes", note="ask.note", did="order.body"), end("no", by="ask.__action_id"))
    edges = "start -> ask, start -> beside, ask:approve -> order, order -> yes, ask:reject -> no"
    return _plain(*parts, *ends, edges=edges)


def approval_ends(inputs: Inputs) -> Expected:
    if inputs["decision"] == "approve":
        outputs = {"note": "approve it", "did": "did order"}
        done = steps("start ask beside order yes")
        return Expected("succeeded", done, did(["beside", "order"]), outputs)
    done = steps("start ask beside no")
    return Expected("succeeded", done, did(["beside"]), {"by": "reject"})


# -- failures


def flaky(url: str) -> dict[str, Any]:
    parts = (start(), call(url, "hard", fail=2, lose=1, delay=0.1), call(url, "next", lose=1))
    return _plain(*parts, end(o="next.body"), edges="start -> hard, hard -> next, next -> end")


def flaky_ends(_: Inputs) -> Expected:
    done = steps("start hard next end")
    return Expected("succeeded", done, did(["hard", "next"]), {"o": "did next"})


def refused(url: str) -> dict[str, Any]:
    retry = {"max_retries": 1, "initial_seconds": 0.2}
    parts = (start(), call(url, "good"), call(url, "bad", "bad", retry, refuse="bad"))
    return _plain(*parts, end(o="bad.body"), edges="start -> good, good -> bad, bad -> end")


def refused_ends(_: Inputs) -> Expected:
    return Expected("failed", steps("start good bad"), did(["good"]), None, "http_status")


def handled(url: str) -> dict[str, Any]:
    bad = call(url, "bad", "bad", {"max_retries": 0}, refuse="bad")
    bad["data"]["error_strategy"] = "fail-branch"
    parts = (start(), bad, call(url, "undo", lose=1), end("well", o="bad.body"))
    edges = "start -> bad, bad -> well, bad:fail-branch -> undo, undo -> ill"
    return _plain(*parts, end("ill", o="undo.body"), edges=edges)


def handled_ends(_: Inputs) -> Expected:
    done = steps("start bad undo ill")
    return Expected("partial-succeeded", done, did(["undo"]), {"o": "did undo"})


# -- all of it in one


def mixed(url: str) -> dict[str, Any]:
    until = [{"type": "time", "seconds": 2.5}]
    parts = [start("decision"), *loop_parts(url, 2), node("w", "wait", until=until)]
    parts += [call(url, "late", fail=1, delay=0.2), ask(), call(url, "last", lose=1)]
    edges = (
        "start -> lp, lp_start -> pay, pay -> add, start -> w, w -> late, start -> ask, "
        "lp -> last, late -> last, ask:approve -> last, ask:reject -> last, last -> end"
    )
    return _plain(*parts, end(n="lp.n", by="ask.__action_id", did="last.body"), edges=edges)


def mixed_ends(inputs: Inputs) -> Expected:
    outputs = {"n": 5, "by": inputs["decision"], "did": "did last"}
    done = steps("start lp w late ask last end", 2, "lp_start pay add")
    return Expected("succeeded", done, looped(2) | {"late", "last"}, outputs)


# -- other workflows

CHILD = "<the child>"
"""Stands for the id of the child's workflow."""


def child_of(url: str) -> dict[str, Any]:
    """What the graph below calls: an effect in the name of its parent, and a wait."""
    until = [{"type": "time", "seconds": "{{#start.seconds#}}"}]
    pay = call(url, "pay", "pay", lose=1)
    pay["data"]["url"] = pay["data"]["url"].replace("sys.workflow_run_id", "start.whose")
    pay["data"]["url"] = pay["data"]["url"].replace("/pay", "/{{#start.part#}}")
    parts = (start("whose", "part", "seconds"), node("w", "wait", until=until), pay)
    return _plain(*parts, end(did="pay.body"), edges="start -> w, w -> pay, pay -> end")


def children(url: str) -> dict[str, Any]:
    """Two awaited children at once, each of which rests."""
    given = {"whose": "{{#sys.workflow_run_id#}}", "seconds": "2.2"}
    calls = [
        node(name, "sub-workflow", workflow=CHILD, inputs=given | {"part": f"of-{name}"})
        for name in ("one", "two")
    ]
    parts = (start(), *calls, call(url, "after"), end(a="one.did", b="two.did", c="after.body"))
    edges = "start -> one, start -> two, one -> after, two -> after, after -> end"
    return _plain(*parts, edges=edges)


def children_end(_: Inputs) -> Expected:
    outputs = {"a": "did of-one", "b": "did of-two", "c": "did after"}
    done = steps("start one two after end")
    return Expected("succeeded", done, did(["of-one", "of-two", "after"]), outputs)


CHILD_STEPS = steps("start w pay end")
GRAPHS: dict[str, Graph] = {
    "parallel": Graph(parallel, parallel_ends, nothing),
    "loop": Graph(loop, loop_ends, nothing),
    "iteration": Graph(iteration, iteration_ends, nothing),
    "faulty": Graph(faulty, faulty_ends, nothing),
    "timer": Graph(timer, timer_ends, timer_inputs),
    "signals": Graph(signals, signals_end, nothing, signals=("paid", "sent")),
    "approval": Graph(approval, approval_ends, decisions),
    "flaky": Graph(flaky, flaky_ends, nothing),
    "refused": Graph(refused, refused_ends, nothing),
    "handled": Graph(handled, handled_ends, nothing),
    "children": Graph(children, children_end, nothing),
    "mixed": Graph(mixed, mixed_ends, decisions),
}
