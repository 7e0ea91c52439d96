"""The registry against the source: whatever is recorded is registered, and the other way round."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

from audit import events
from audit.errors import UnknownEvent
from audit.events import CATEGORIES, all_events, event_of, register

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [config.name for config in apps.get_app_configs() if (ROOT / config.name).is_dir()]


def trees():
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.parts) and path.name != "events.py":
                yield path, ast.parse(path.read_text())


def name_of(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def first_of(call):
    named = [word.value for word in call.keywords if word.arg == "action"]
    return (call.args + named or [None])[0]


def literals(node):
    """What an argument can be: a literal, a choice of two, an f-string with `x` in its gaps."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return ["".join(p.value if isinstance(p, ast.Constant) else "x" for p in node.values)]
    return []


DOORS = {
    "record": "audit.actions",
    "note": "orgs.actions.rows",
    "note_member": "orgs.actions.members",
    "note_invitation": "orgs.actions.retracting",
    "note_sign_on": "orgs.actions.sso_people",
    "note_command": "workflows.actions.commanding",
}
"""Functions that take the name of an event from other modules, and where each lives."""


def recorded():
    """(place, name) of every event that code records, by a door or a function that passes on."""
    for path, tree in trees():
        if known := doors_in(path, tree):
            place, passing = path.relative_to(ROOT), {*known, *passing_on(tree, known)}
            for call in calls_in(tree):
                if name_of(call) in passing:
                    yield from ((place, name) for name in literals(first_of(call)))


def doors_in(path, tree):
    """The doors that a module imports, or is."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = ((node.module, alias.name) for node in imports for alias in node.names)
    found = {name for module, name in named if DOORS.get(name) == module}
    return found | ({"record"} if "audit.actions" in path.read_text() else set())


def calls_in(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def passing_on(tree, known):
    """Functions that hand a parameter of theirs to a door; any other name must be readable."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name != "record":
            given = {arg.arg for arg in (*function.args.posonlyargs, *function.args.args)}
            for call in calls_in(function):
                if name_of(call) in known:
                    first = first_of(call)
                    if isinstance(first, ast.Name) and first.id in given:
                        yield function.name
                    elif not isinstance(first, ast.Subscript):  # a table's are refused at run time
                        assert literals(first), f"line {call.lineno} hides the name of its event"


FOUND = sorted(set(recorded()), key=str)


def test_the_walk_finds_the_rooms():
    rooms = {place.parts[0] for place, _ in FOUND}
    assert {"audit", "orgs", "billing", "bpm", "files", "llm", "workflows"} <= rooms


def test_no_module_opens_a_door_of_its_own():
    """A public function that passes names on would hide them from this walk."""
    opened = {
        (name, ".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path, tree in trees()
        for name in passing_on(tree, doors_in(path, tree))
        if not name.startswith("_")
    }
    assert opened == set(DOORS.items()) - {("record", "audit.actions")}


@pytest.mark.parametrize(("place", "name"), FOUND, ids=str)
def test_every_recorded_event_is_registered(place, name):
    event_of(name)


def test_every_registered_event_is_recorded_somewhere():
    names = {name for _, name in FOUND}
    families = {event_of(name).name for name in names if "x" in name.split(".")}
    source = "\n".join(
        path.read_text()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "tests" not in path.parts and path.name != "events.py"
    )
    silent = [
        event.name
        for event in all_events()
        if event.category != "trial"
        and f'"{event.name}"' not in source
        and event.name not in families
        and "*" not in event.name
    ]
    assert silent == []


def test_every_event_has_a_label_and_a_known_category():
    for event in all_events():
        if event.category != "trial":
            assert event.category in CATEGORIES, event.name
        assert str(event.label)
        assert len(event.name) <= 80


@pytest.mark.parametrize("name", ["one", "Orgs.member", "orgs..member", "orgs.", "orgs.mem ber"])
def test_a_name_is_dotted_and_lower_case(name):
    with pytest.raises(UnknownEvent):
        register(name, "x")

    assert name not in events._events
