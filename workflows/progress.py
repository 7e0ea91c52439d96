"""How far a run is, as its page shows it: its nodes, the rounds of its containers, its kin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, QuerySet

from orgs.access import Actor
from workflows.models import Event, Run, RunWait, Step
from workflows.models.values import row_value

ROUNDS = 200
"""Of a node, that its panel offers to choose from; any other is named by its number."""
KIN = 20
"""Runs that a run started, as its page lists them."""
WORST = ("failed", "exception", "cancelled", "succeeded", "skipped")
ACTIVE = frozenset({"running", "waiting"})


def states_of(run: Run, events: Iterable[Event]) -> dict[str, str]:
    """By node: what it came to, over all rounds the worst; then what the latest events say."""
    found = _settled(run)
    for event in events:
        state = _state_after(event)
        worse = event.data.get("iteration") and found.get(event.node_id) in WORST[:2]
        if event.node_id and (state in ACTIVE or not worse):
            found[event.node_id] = state
    waits = RunWait.objects.filter(run=run).values_list("node_id", flat=True)
    found |= dict.fromkeys(waits, "waiting")
    for node in run.version.definition.get("nodes", []):
        if node.get("parent") and node["id"] in found:
            found.setdefault(str(node["parent"]), "running")
    if run.finished:
        found = {key: "cancelled" if state in ACTIVE else state for key, state in found.items()}
    return found


def _settled(run: Run) -> dict[str, str]:
    counted = run.steps.order_by().values("node_id", "status").annotate(n=Count("pk"))
    found: dict[str, str] = {}
    for row in sorted(counted, key=lambda row: WORST.index(row["status"])):
        found.setdefault(row["node_id"], row["status"])
    return found


def _state_after(event: Event) -> str:
    kind = event.kind.removeprefix("node.")
    if kind == "failed" and event.data.get("handled"):
        return "exception"
    return {"started": "running", "retried": "running", "skipping": "waiting"}.get(kind, kind)


def rounds_of(run: Run) -> dict[str, str]:
    """By container: how many rounds have begun, and of how many where that is known."""
    nodes = run.version.definition.get("nodes", [])
    starts = {
        str(node["id"]): str(node["parent"])
        for node in nodes
        if node["type"] in {"iteration-start", "loop-start"} and node.get("parent")
    }
    if not starts:
        return {}
    begun = run.steps.filter(node_id__in=starts).order_by().values("node_id")
    counted = {starts[row["node_id"]]: row["n"] for row in begun.annotate(n=Count("pk"))}
    by_id = {str(node["id"]): node for node in nodes}
    return {
        key: _out_of(run, by_id[key], counted.get(key, 0))
        for key in starts.values()
        if key in by_id
    }


def _out_of(run: Run, node: Mapping[str, Any], begun: int) -> str:
    total = None if node.get("parent") else _planned(run, node)
    return f"{begun} / {total}" if total and total >= begun else str(begun or "")


def _planned(run: Run, node: Mapping[str, Any]) -> int | None:
    """Rounds that an iteration will have; of a loop nobody knows before its end."""
    selector = list(node.get("data", {}).get("iterator_selector") or ())
    if len(selector) < 2:
        return None
    kinds = {each["id"]: each["type"] for each in run.version.definition.get("nodes", [])}
    if kinds.get(selector[0]) == "start":
        value: Any = row_value(run, "inputs")
    else:
        step = run.steps.filter(node_id=selector[0], iteration="").first()
        value = row_value(step, "outputs") if step else None
    for name in selector[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list) else None


def round_of(run: Run, node_id: str, wanted: str | None) -> dict[str, Any]:
    """One round of a node inside a container: the one wanted, else the one that deserves a look."""
    steps = run.steps.filter(node_id=node_id)
    waits = RunWait.objects.filter(run=run, node_id=node_id).exclude(iteration="")
    rounds = list(waits.values_list("iteration", flat=True)[:ROUNDS])
    known = [{"path": path, "state": "waiting"} for path in rounds]
    rows = steps.order_by("pk").values_list("iteration", "status")[: ROUNDS + 1]
    known += [{"path": path, "state": status} for path, status in rows if path not in rounds]
    chosen = wanted if wanted is not None else _telling(steps, rounds)
    return {
        "round": chosen,
        "rounds": sorted(known[:ROUNDS], key=lambda each: _order(each["path"])),
        "more_rounds": len(known) > ROUNDS,
    }


def _telling(steps: QuerySet[Step], waiting: list[str]) -> str:
    """The latest that failed, else one that waits, else the latest."""
    bad = steps.filter(status="failed").order_by("-pk").values_list("iteration", flat=True).first()
    if bad is not None:
        return str(bad)
    if waiting:
        return waiting[0]
    return str(steps.order_by("-pk").values_list("iteration", flat=True).first() or "")


def _order(path: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in path.split(".")]


def kin_of(actor: Actor, run: Run) -> dict[str, Any]:
    """What started it, what it is a rerun of, what it started; as far as the actor sees them."""
    visible = Run.objects.visible_to(actor).select_related("workflow")
    visible = visible.defer("inputs", "outputs", "system")
    wanted = [pk for pk in (run.parent_id, run.source_id) if pk]
    found = {each.pk: each for each in visible.filter(pk__in=wanted)} if wanted else {}
    children = list(visible.filter(parent=run).order_by("pk")[: KIN + 1])
    return {
        "parent": found.get(run.parent_id),
        "source": found.get(run.source_id),
        "children": children[:KIN],
        "more_children": len(children) > KIN,
    }


def children_at(actor: Actor, run: Run, node_id: str, path: str) -> list[Run]:
    """The runs that one node, in one round, started."""
    rows = Run.objects.visible_to(actor).filter(parent=run, parent_node=node_id)
    rows = rows.filter(parent_iteration=path).select_related("workflow")
    return list(rows.defer("inputs", "outputs", "system").order_by("pk")[:KIN])
