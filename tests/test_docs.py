"""The documents against the code: codes of errors, names of the environment, make's targets."""

import importlib
import re
from pathlib import Path

import pytest
from django.apps import apps

from core.api import _CODES
from core.errors import DomainError
from workflows.dify.texts import TEXTS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = [config.name for config in apps.get_app_configs() if (ROOT / config.name).is_dir()]


def refusals():
    """Every class of refusal that the product can raise."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "DomainError" in (text := path.read_text()) or "errors import" in text:
                parts = path.relative_to(ROOT).with_suffix("").parts
                if not {"tests", "migrations", "commands"} & set(parts):
                    importlib.import_module(".".join(parts).removesuffix(".__init__"))
    found, stack = set(), [DomainError]
    while stack:
        children = stack.pop().__subclasses__()
        stack += children
        found |= {kind for kind in children if ".tests." not in kind.__module__}
    return found


def test_the_table_of_errors_is_that_of_the_code():
    text = (ROOT / "docs/api.md").read_text()
    table = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE)
    documented = {code: int(status) for code, status in table}
    assert len(table) == len(documented), "a code stands twice"
    assert [code for code, _ in table] == sorted(documented)
    raised = {(kind.code, int(kind.status)) for kind in refusals()}
    assert raised <= set(documented.items())
    protocol = {(code, int(kind.status_code)) for kind, code in _CODES.items()}
    protocol.add(("internal_error", 500))
    assert {code for code, _ in raised | protocol} == set(documented)
    for code, status in protocol:
        assert documented[code] == status or (code, status) in raised


def test_every_finding_of_an_import_is_documented():
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/flows.md").read_text(), re.MULTILINE
    )
    for section, texts in TEXTS.items():
        for code, sentence in texts.items():
            assert (code, sentence) in rows, f"{section}: {code}"


def names_read():
    """What the settings and servers take from the environment."""
    patterns = (
        r"\benv\.\w+\(\s*\"([A-Z0-9_]+)\"",
        r"\b(?:networks|key_of|hosts|scanner)\(\"([A-Z0-9_]+)\"",
        r"\bos\.environ\.get\(\"([A-Z0-9_]+)\"",
    )
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    text = "\n".join(path.read_text() for path in paths if "tests" not in path.parts)
    return {name for pattern in patterns for name in re.findall(pattern, text)}


def test_every_name_of_the_environment_is_documented_and_in_the_example():
    read = names_read()
    assert {"DATABASE_URL", "REDIS_URL", "OUTGOING_ALLOW", "EMBEDDED_WORKER"} <= read
    section = (ROOT / "README.md").read_text().partition("\n## Configuration\n")[2]
    table = section.partition("\n## ")[0]
    rows = re.findall(r"^\| (`[A-Z0-9_`, ]+`) \|", table, re.MULTILINE)
    documented = set(re.findall(r"[A-Z0-9_]+", " ".join(rows)))
    assert documented == read
    example = (ROOT / ".env.example").read_text()
    assert read <= set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_named_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^ {4}|`)make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_named_exists(document):
    text = document.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (document.parent / target).exists(), target
    files = re.findall(r"`([a-z_]+/[\w/.-]+\.(?:py|yml|toml|json))[`:]", text)
    near = [ROOT, ROOT / "llm/gateway"]
    for name in files:
        assert any((place / name).exists() for place in near), name


def test_every_management_command_named_exists():
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    commands |= {"migrate", "collectstatic", "createsuperuser"}
    for document in DOCUMENTS:
        named = re.findall(r"manage\.py ([a-z_]+)", document.read_text())
        assert set(named) <= commands, document.name


@pytest.mark.parametrize("name", ["permissions", "fields"])
def test_the_tables_of_permissions_are_those_of_the_code(name):
    from config.management.commands.permission_tables import PAGES  # noqa: PLC0415 - reads models
    from config.permission_tables import filled  # noqa: PLC0415

    page = (ROOT / "docs" / f"{name}.md").read_text()

    assert filled(page, PAGES[f"{name}.md"]()) == page, "run manage.py permission_tables"
