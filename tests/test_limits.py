"""docs/limits.md against the code: every value is the real one, no limit of use is left out."""

import ast
import dataclasses
import importlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent
ROWS = [
    (row[1], int(row[2]), row[3])
    for row in re.finditer(
        r"^\| ([^|]+) \| (\d+) \| `([\w.]+)` \|$",
        (ROOT / "docs/limits.md").read_text(),
        re.MULTILINE,
    )
]
ROOMS = ("accounts", "audit", "orgs", "billing", "bpm", "files", "llm", "workflows")
LIMIT = re.compile(
    r"(MAX|MOST|LARGEST|LONGEST|DEEPEST|AT_ONCE)(_\w+)?|\w+_(LIMIT|MOST|MAX)|\w+_PER_\w+"
)
INNER = {
    # What the product keeps for itself; nobody uses more or less of it.
    "accounts.sso.fetching.LARGEST": "bytes of a provider's document",
    "accounts.views.EVENTS_PER_PAGE": "a page",
    "accounts.breaches.LONGEST_LINE": "characters of a line in the list of leaked passwords",
    "bpm.forms.MAX_DIGITS": "what a number is written with",
    "bpm.inbox.MOST": "tasks a page lists",
    "files.scanner.LONGEST_ANSWER": "bytes of a scanner's verdict",
    "llm.gateway.relay.MAX_DRAINS": "streams read on at once",
    "llm.gateway.sse.MAX_EVENT": "bytes of a provider's event",
    "llm.gateway.upstream.MAX_ERROR": "bytes of a provider's refusal",
    "orgs.uses.MOST": "keys whose use is remembered before it is written",
    "workflows.dify.kinds.LONGEST_ID": "characters of a node's id",
    "workflows.dify.report.LONGEST_SHOWN": "characters of what is at fault",
    "workflows.dify.report.MOST_NAMED": "places one fault names",
    "workflows.dify.source.LARGEST": "the same as that of the action",
    "workflows.dify.tree.LONGEST_NUMBER": "what a number is written with",
    "workflows.nodes.base.LONGEST_LINE": "the same as that of the log",
    "workflows.nodes.http_request.LONGEST": "seconds of each phase, by name",
    "workflows.triggers.deliveries.LONGEST_ID": "characters of a delivery's id that tell it apart",
    "workflows.triggers.schedules.AT_ONCE": "schedules that one tick looks at",
    "workflows.history.compare.LONGEST_SHOWN": "characters of a value that differs",
    "workflows.history.sums.MOST_CODES": "codes of errors that one sum names",
    "workflows.history.timeline.MOST_BARS": "bars of a picture's lane",
    "workflows.layout.MOST_BENDS": "bends of a picture",
    "workflows.runtime.due.AT_ONCE": "runs that one sweep moves; the next goes on",
    "workflows.runtime.family.AT_ONCE": "waits that one look reads",
    "workflows.runtime.store.claiming.MOST_PASSES": "statements of one claim; the next goes on",
    "workflows.runtime.worker.MAX_CRASHES": "crashes before a run is given up",
}
OF_CODE = ("workflows.sandbox.", "workflows.nodes.code", "workflows.nodes.jinja")
"""Stand in docs/flows.md."""


def value_of(where):
    if "." not in where:
        return getattr(settings, where)
    module, _, name = where.rpartition(".")
    if module.rpartition(".")[2] == "Limits":
        shapes = importlib.import_module(module.rpartition(".")[0])
        return next(each.default for each in dataclasses.fields(shapes.Limits) if each.name == name)
    return getattr(importlib.import_module(module), name)


def counted(value, about):
    """A span of time in what the row counts in."""
    if isinstance(value, timedelta):
        return value / (timedelta(days=1) if about.startswith("days") else timedelta(hours=1))
    return value


def constants():
    """Module-level numbers and spans whose name says that they are a limit."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if {"tests", "migrations"} & set(parts):
                continue
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    if LIMIT.fullmatch(name):
                        found.add(".".join((*parts, name)))
    return found


@pytest.mark.parametrize(("about", "most", "where"), ROWS, ids=[row[2] for row in ROWS])
def test_what_is_written_is_what_holds(about, most, where):
    assert counted(value_of(where), about) == most


def test_no_limit_is_left_out():
    written = {where for _, _, where in ROWS}
    known = {name for name in constants() if not name.startswith(OF_CODE)}

    assert known - written - set(INNER) == set()
    assert set(INNER) <= known, "what is gone needs no exception"


def test_a_row_stands_once():
    assert len({where for _, _, where in ROWS}) == len(ROWS) > 30
