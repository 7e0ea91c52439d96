"""What stands around the graph: kind, version, app and its mode, environment, features."""

import re
from typing import Any

from workflows.dify.flow import Flow, as_list, as_mapping, as_text, type_name
from workflows.dify.kinds import CURRENT_VERSION, GRAPH_MODES, LATER_MODES
from workflows.dify.report import Place
from workflows.dify.tree import line_of, plain

VERSION = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:[-+.\w]{0,40})")
OLDEST = "0.1.0"


def read_envelope(flow: Flow, tree: Any) -> dict[str, Any] | None:
    """Fill the flow's head; return the graph, or None when there is none to look at."""
    if not isinstance(tree, dict):
        flow.notes.fault("not_a_mapping", Place(line=1), found=type_name(tree))
        return None
    if "workflow" not in tree and "app" not in tree and isinstance(tree.get("nodes"), list):
        return _bare_graph(flow, tree)
    _read_version(flow, tree)
    _read_kind(flow, tree)
    _read_app(flow, tree)
    return _read_workflow(flow, tree)


def _bare_graph(flow: Flow, tree: dict[str, Any]) -> dict[str, Any]:
    kinds = [as_mapping(as_mapping(node).get("data")).get("type") for node in tree["nodes"]]
    flow.mode = "advanced-chat" if "answer" in kinds else "workflow"
    flow.version = OLDEST
    flow.notes.repair("bare_graph", Place(line=1), before="graph", after=f"app ({flow.mode})")
    return tree


def _read_version(flow: Flow, tree: dict[str, Any]) -> None:
    value, at = tree.get("version"), Place(line=line_of(tree, "version"), path="version")
    known = ".".join(map(str, CURRENT_VERSION))
    flow.version = OLDEST
    if value is None or value == "":
        flow.notes.warn("version_missing", Place(line=1, path="version"))
    elif not isinstance(value, str):
        flow.notes.fault("version_not_text", at, value=value)
    elif not (match := VERSION.fullmatch(value)):
        flow.notes.fault("version_malformed", at, value=value)
    else:
        flow.version = value
        number = tuple(int(part or 0) for part in match.groups())
        if number > CURRENT_VERSION:
            flow.notes.warn("version_newer", at, version=value, known=known)
        elif number[0] < CURRENT_VERSION[0]:
            flow.notes.warn("version_older", at, version=value, known=known)


def _read_kind(flow: Flow, tree: dict[str, Any]) -> None:
    kind, at = tree.get("kind"), Place(line=line_of(tree, "kind"), path="kind")
    if kind is None:
        flow.notes.warn("kind_missing", Place(line=1, path="kind"))
    elif kind != "app":
        flow.notes.fault("kind_not_app", at, kind=kind)


def _read_app(flow: Flow, tree: dict[str, Any]) -> None:
    app = as_mapping(tree.get("app"))
    at = Place(line=line_of(tree, "app"), path="app")
    flow.name = flow.name or as_text(app.get("name")).strip()
    flow.description = as_text(app.get("description"))
    flow.icon = as_text(app.get("icon"))
    mode = app.get("mode")
    if mode is None:
        flow.notes.fault("mode_missing", at)
        return
    at = Place(line=line_of(app, "mode"), path="app.mode")
    flow.mode = mode if isinstance(mode, str) else ""
    if flow.mode in LATER_MODES:
        flow.notes.fault("mode_not_supported", at, mode=mode)
    elif flow.mode not in GRAPH_MODES:
        flow.notes.fault("mode_unknown", at, mode=mode)


def _read_workflow(flow: Flow, tree: dict[str, Any]) -> dict[str, Any] | None:
    workflow = as_mapping(tree.get("workflow"))
    graph = workflow.get("graph")
    if not isinstance(graph, dict):
        # Apps of the other modes have no graph; that they are not supported is said already.
        if flow.mode in GRAPH_MODES or not flow.mode:
            at = Place(line=line_of(tree, "workflow"), path="workflow.graph")
            flow.notes.fault("workflow_missing", at)
        return None
    flow.features = plain(as_mapping(workflow.get("features")))
    flow.environment = _variables(flow, workflow, "environment_variables")
    flow.conversation = _variables(flow, workflow, "conversation_variables")
    return graph


def _variables(flow: Flow, workflow: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """Declared variables as `{"name", "value_type", "value"}`, each name once."""
    found: dict[str, dict[str, Any]] = {}
    items = as_list(workflow.get(field))
    for index, item in enumerate(items):
        at = Place(line=line_of(items, index), path=f"workflow.{field}[{index}]")
        name = as_text(as_mapping(item).get("name"))
        if not name:
            flow.notes.fault("missing_field", at, field="name")
        elif name in found:
            flow.notes.fault("duplicate_name", at, name=name)
        else:
            kind = as_text(item.get("value_type")) or "string"
            found[name] = {"name": name, "value_type": kind, "value": plain(item.get("value"))}
    return list(found.values())
