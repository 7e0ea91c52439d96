"""Small flows in Dify's format, written for the tests of the import."""

from itertools import pairwise
from textwrap import dedent, indent

import yaml

SUPPORT = dedent("""\
    app:
      name: Support mail
      mode: workflow
      icon: "✉"
      description: Answers mails.
    kind: app
    version: 0.6.0
    workflow:
      environment_variables:
      - {name: LIMIT, value_type: number, value: 100}
      graph:
        nodes:
        - id: begin
          type: custom
          position: {x: 0, y: 0}
          data:
            type: start
            title: Mail
            variables:
            - {variable: mail, label: Mail, type: paragraph, required: true}
        - id: draft
          type: custom
          position: {x: 300, y: 0}
          data:
            type: llm
            title: Draft
            model: {provider: openai, name: gpt-4o-mini, mode: chat, completion_params: {}}
            prompt_template:
            - {role: user, text: "Limit {{#env.LIMIT#}}: {{#begin.mail#}}"}
            context: {enabled: false, variable_selector: []}
        - id: done
          type: custom
          position: {x: 600, y: 0}
          data:
            type: end
            title: Answer
            outputs:
            - variable: answer
              value_selector: [draft, text]
        edges:
        - {id: e1, source: begin, target: draft, sourceHandle: source}
        - {id: e2, source: draft, target: done, sourceHandle: source}
    """)


def line_of(text, part):
    """The number of the one line that holds `part`."""
    (number,) = [at for at, line in enumerate(text.splitlines(), 1) if part in line]
    return number


def node(node_id, kind, **data):
    return {"id": node_id, "type": "custom", "data": {"type": kind, "title": node_id} | data}


def edge(source, target, handle="source"):
    return {"source": source, "target": target, "sourceHandle": handle}


def start(*names):
    variables = [{"variable": name, "label": name, "type": "text-input"} for name in names]
    return node("start", "start", variables=variables)


def end(**outputs):
    return node(
        "end",
        "end",
        outputs=[{"variable": k, "value_selector": v.split(".")} for k, v in outputs.items()],
    )


def answer(text):
    return node("answer", "answer", answer=text)


def flow(*nodes, edges=(), mode="workflow", **workflow):
    """A file with these nodes in one row, or with `edges` between them."""
    ids = [item["id"] for item in nodes]
    links = list(edges) or [edge(a, b) for a, b in pairwise(ids)]
    document = {
        "app": {"name": "Sample", "mode": mode},
        "kind": "app",
        "version": "0.6.0",
        "workflow": {"graph": {"nodes": list(nodes), "edges": links}} | workflow,
    }
    # No aliases: the dumper would write them for lists that stand twice.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    return yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False).encode()


def within_graph(text):
    """A file whose graph is this YAML."""
    head = "app: {name: Sample, mode: workflow}\nkind: app\nversion: 0.6.0\nworkflow:\n  graph:\n"
    return (head + indent(dedent(text), "    ")).encode()


def codes(found):
    return [finding["code"] for finding in found]
