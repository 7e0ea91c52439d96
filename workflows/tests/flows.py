"""Small flows for tests: written in a line, run in memory."""

import asyncio
import itertools

from workflows.engine.graph import read_graph
from workflows.engine.pool import Pool
from workflows.flowtests import MemoryJournal
from workflows.mocks import SYSTEM
from workflows.nodes import KINDS, SHAPES
from workflows.nodes.base import NodeContext
from workflows.nodes.services import NodeHttpResponse, NodeModelAnswer
from workflows.runner import RunTask, advance


def node(node_id, kind, **data):
    return {"id": node_id, "type": kind, "title": node_id, "data": data}


def edge(text):
    """`a -> b`, or `a:handle -> b`."""
    source, target = (part.strip() for part in text.split("->"))
    source, _, handle = source.partition(":")
    return {
        "id": text,
        "source": source,
        "target": target,
        "sourceHandle": handle or "source",
    }


def flow(*nodes, edges=(), mode="workflow", compat=True, environment=(), conversation=()):
    return {
        "mode": mode,
        "compat": compat,
        "nodes": list(nodes),
        "edges": [edge(text) for text in edges],
        "environment": list(environment),
        "conversation": list(conversation),
        "features": {},
    }


def chain(*nodes, **rest):
    names = [found["id"] for found in nodes]
    edges = [f"{a} -> {b}" for a, b in itertools.pairwise(names)]
    return flow(*nodes, edges=edges, **rest)


def start(*names):
    rows = [{"variable": name, "type": "paragraph", "required": False} for name in names]
    return node("start", "start", variables=rows)


def end(node_id="end", **outputs):
    rows = [{"variable": name, "value_selector": path.split(".")} for name, path in outputs.items()]
    return node(node_id, "end", outputs=rows)


def template(node_id, text, **variables):
    rows = [
        {"variable": name, "value_selector": path.split(".")} for name, path in variables.items()
    ]
    return node(node_id, "template-transform", template=text, variables=rows)


def llm(node_id, text, **data):
    model = {"provider": "p", "name": "m", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": text}]
    return node(node_id, "llm", model=model, prompt_template=prompt, **data)


def answer(node_id, text):
    return node(node_id, "answer", answer=text)


class World:
    """Services that remember what was asked of them. `texts` and `fail` are by node."""

    def __init__(self, texts=None, fail=None, gate=None):
        self.texts = texts or {}
        self.fail = fail or {}
        self.gate = gate
        self.calls = []
        self.opened = []
        self.closed = []
        self.children = []
        self.turns = []
        self.response = NodeHttpResponse(200, {"Content-Type": "text/plain"}, b"ok")

    async def complete_model(self, call):
        self.calls.append(call)
        if self.gate:
            await self.gate(call)
        if errors := self.fail.get(call.node_id):
            raise errors.pop(0)
        text = self.texts.get(call.node_id, f"text of {call.node_id}")
        for piece in text.split(" "):
            call.on_delta(piece if text.startswith(piece) else f" {piece}")
        return NodeModelAnswer(text, usage={"total_tokens": 3}, cost=7)

    async def send_http(self, request):
        self.calls.append(request)
        if errors := self.fail.get(request.node_id):
            raise errors.pop(0)
        return self.response

    async def run_code(self, language, code, variables, timeout, heard=None):
        self.calls.append((language, code, variables))
        return self.texts.get(code, {})

    async def open_human_task(self, request):
        self.opened.append(request)
        return request.key

    async def close_human_task(self, key):
        self.closed.append(key)
        return True

    async def start_child(self, request):
        self.children.append(request)
        return f"child-{len(self.children)}"

    async def admit(self, run, kind, connector):
        return self.turns.pop(0) if self.turns else 0


def task(definition, *, query="", history=(), **rest):
    given = {"inputs": {}, **rest}
    return RunTask(
        run_id="r1",
        organization_id="o1",
        trace_id="t" * 32,
        definition=definition,
        system={**SYSTEM, "query": query, "history": list(history)},
        **given,
    )


async def run(definition, services=None, journal=None, query="", mocks=None, **rest):
    """Advance from the beginning; returns the state, the journal and the last change."""
    journal = journal or MemoryJournal()
    options = {key: rest.pop(key) for key in ("control", "limits", "outside") if key in rest}
    given = task(definition, query=query, **rest)
    async with asyncio.timeout(20):  # a run that hangs is a failure, not a wait
        state = await advance(given, journal, services or World(), mocks=mocks, **options)
    return state, journal, journal.changes[-1] if journal.changes else None


def context(found, values=None, services=None, **system):
    """What a node is given when it is run by itself, with variables by node."""
    graph = read_graph(flow(found), SHAPES)
    pool = Pool()
    pool.put("sys", {**SYSTEM, **system})
    for scope, variables in (values or {}).items():
        pool.put(scope, variables)
    pieces = []
    made = NodeContext(
        run=task(flow(found), history=system.get("history", ())),
        node=graph.nodes[found["id"]],
        pool=pool,
        services=services or World(),
        stream=lambda name, piece: pieces.append(piece),
    )
    return made, pieces


async def run_node(found, values=None, services=None, **system):
    """Run one node alone; returns its outcome."""
    made, _ = context(found, values, services, **system)
    kind = KINDS[found["type"]]
    return await kind.run(made, kind.config.model_validate(found["data"]))


TWO_MODELS = chain(
    start(),
    template("t", "T"),
    llm("m", "ask {{#t.output#}}"),
    llm("n", "then {{#m.text#}}"),
    end(o="n.text"),
)


def branch(node_id, path="start.x", value="yes"):
    condition = {
        "variable_selector": path.split("."),
        "comparison_operator": "is",
        "value": value,
    }
    return node(node_id, "if-else", cases=[{"case_id": "yes", "conditions": [condition]}])


def kinds(change):
    return [event.kind for event in change.events]


def settled(journal):
    return [step.node_id for step in journal.steps]
