"""docs/security.md against the code: no requirement is missing, no evidence is invented."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/security.md").read_text()
IDS = (ROOT / "tests/asvs_ids.txt").read_text().split()
STATES = {"met", "partly", "open", "not applicable"}
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.splitlines()
    if re.match(r"\| V\d+\.\d+\.\d+ \|", line)
]
RISKS = re.findall(r"^\| (API\d+) [^|]+ \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
FILE = re.compile(
    r"(?:[\w.-]+/)*(?:[\w.-]+\.(?:py|md|txt|yaml|js|html)|Dockerfile|Caddyfile|Makefile)"
)
SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|DEBUG|LOGGING")


def named(evidence):
    """What stands in backticks: tests, files and settings; prose may quote anything else."""
    return re.findall(r"`([^`]+)`", evidence)


@cache
def functions_of(path):
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@cache
def settings_defined():
    """Names assigned at any depth of the settings, and those of the environment they read."""
    found = set()
    for path in (ROOT / "config/settings").glob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
        found |= set(re.findall(r"\b(?:env\.\w+|networks)\(\s*\"([A-Z0-9_]+)\"", text))
    return found


def kind_of(name):
    if "::" in name:
        return "test"
    if FILE.fullmatch(name):
        return "file"
    return "setting" if SETTING.fullmatch(name) else None


def holds(name):
    kind = kind_of(name)
    if kind == "test":
        path, _, function = name.partition("::")
        return (
            (ROOT / path).is_file()
            and function.startswith("test_")
            and function in functions_of(path)
        )
    if kind == "file":
        return (ROOT / name).is_file()
    return name in settings_defined()


def test_every_requirement_stands_there_once():
    assert [row[0] for row in ROWS] == IDS
    assert len(set(IDS)) == len(IDS) == 253


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_state_has_what_it_asks_for(row):
    assert len(row) == 4, "a row has four cells"
    _, about, state, evidence = row
    assert about
    assert state in STATES
    references = [name for name in named(evidence) if kind_of(name)]
    prose = re.sub(r"`[^`]+`", "", evidence).strip(" ,;")
    if state == "met":
        assert references, "what is met has evidence"
    else:
        assert len(prose) > 5, "what is not met says why"
    if state == "partly":
        assert references, "what is partly met says by what"


@pytest.mark.parametrize("name", sorted(set(named(PAGE)), key=str))
def test_everything_named_is_there(name):
    if kind_of(name) is not None:
        assert holds(name), name
    assert "test_" not in name or kind_of(name), "a test is named by its path"


def test_every_risk_of_the_top_ten_has_evidence():
    assert [risk for risk, _ in RISKS] == [f"API{number}" for number in range(1, 11)]
    for risk, evidence in RISKS:
        assert any(kind_of(name) == "test" for name in named(evidence)), risk


def test_the_counts_are_those_of_the_rows():
    counts = Counter(row[2] for row in ROWS)
    stated = dict(re.findall(r"^\| ([a-z ]+) \| (\d+) \|$", PAGE, re.MULTILINE))
    assert stated.pop("all") == str(len(ROWS))
    assert {state: int(number) for state, number in stated.items()} == dict(counts)


def test_invented_evidence_does_not_hold():
    assert not holds("tests/test_security_docs.py::test_nobody_wrote_this")
    assert not holds("tests/test_security_docs.py::named")
    assert not holds("no/such/test_file.py::test_it")
    assert not holds("docs/no_such_page.md")
    assert not holds("NO_SUCH_SETTING")
