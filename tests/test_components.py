"""The list of components (`make sbom`): every pin, in its version, with its licence."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = re.findall(
    r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE
)
UNSAID = {"protobuf", "python-crontab", "uritemplate"}
"""Their metadata name it in words that are no identifier, see docs/operations.md."""


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_pinned_component_is_listed_with_version_and_licence(tmp_path):
    script = Path(sys.executable).parent / "cyclonedx-py"
    target = tmp_path / "sbom.json"
    command = [script, "environment", "--output-reproducible", "--output-file", target]
    subprocess.run([*command, sys.executable], check=True, capture_output=True)

    listed = json.loads(target.read_text())
    components = {plain(each["name"]): each for each in listed["components"]}

    assert listed["bomFormat"] == "CycloneDX"
    assert len(PINS) > 80
    for name, version in PINS:
        found = components[plain(name)]
        assert found["version"] == version
        assert found["purl"].startswith("pkg:pypi/")
        assert found.get("licenses") or plain(name) in UNSAID, name


def test_the_list_is_made_of_what_is_pinned_alone():
    rule = (ROOT / "Makefile").read_text().partition("\nsbom:")[2].partition("\n\n")[0]
    assert "data/sbom/bin/python -r requirements.txt" in rule
    assert "data/sbom.json data/sbom/bin/python" in rule


def test_a_component_nobody_could_ask_about_fails_the_audit_and_check_does_without_it():
    text = (ROOT / "Makefile").read_text()
    assert "--strict" in text.partition("\naudit:")[2].partition("\n\n")[0]
    for target in ("check", "check-types", "check-rest", "security"):
        rule = text.partition(f"\n{target}:")[2].partition("\n\n")[0]
        assert "pip-audit" not in rule, target
        assert not re.search(r"--no-print-directory .*\baudit$", rule, re.MULTILINE), target
