"""`flow validate|import|run|test FILE`: flows on the command line, with the engine of the server.

A value that begins with @ names a file that holds it.
"""

import asyncio
import json
import logging
from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from core.errors import DomainError
from workflows.dify import Report, load_flow
from workflows.flowtests import (
    INVALID,
    FlowResult,
    Note,
    read_file,
    refused,
    run_case,
    run_flow,
    unrunnable_kinds,
)
from workflows.localservices import SandboxServices
from workflows.mocks import Mocks


def given_text(value: str) -> str:
    """The value itself, or the text of the file that it names."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise ArgumentTypeError(f"{value[1:]} cannot be read: {error.strerror}") from error


def given_object(value: str) -> dict[str, Any]:
    try:
        loaded = json.loads(given_text(value))
    except ValueError as error:
        raise ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise ArgumentTypeError("not a JSON object")
    return loaded


class Command(BaseCommand):
    help = "Check, import, run and test workflows exported from Dify."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        for name, about in (
            ("validate", "Report every fault, warning and repair of a file."),
            ("import", "Store a file as a new workflow."),
            ("run", "Run a file to its end, in this process."),
            ("test", "Run test cases and compare."),
        ):
            part = parts.add_parser(name, help=about)
            part.add_argument("file", type=Path, metavar="FILE")
            getattr(self, f"_add_{name}")(part)

    def _add_validate(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json")

    def _add_import(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--name", default="")

    def _add_run(self, parser: CommandParser) -> None:
        parser.add_argument("--inputs", type=given_object, default={}, metavar="JSON")
        parser.add_argument("--query", type=given_text, default="", metavar="TEXT")
        parser.add_argument("--mocks", type=given_object, default=None, metavar="JSON")
        parser.add_argument(
            "--org", default="", metavar="SLUG", help="whose models to use, without mocks"
        )
        parser.add_argument("--json", action="store_true", dest="as_json")

    def _add_test(self, parser: CommandParser) -> None:
        parser.add_argument("--cases", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, part: str, **options: Any) -> None:
        # What a node does wrong is in the result; the log would only repeat it on the terminal.
        logging.getLogger("workflows").setLevel(logging.CRITICAL)
        if not options["file"].exists():
            raise CommandError(f"{options['file']} does not exist.")
        getattr(self, f"_{part}")(**options)

    # -- validate

    def _validate(self, *, file: Path, as_json: bool, **_: Any) -> None:
        report = load_flow(file.read_bytes()).report
        if as_json:
            self._print_json(report)
        else:
            self._print_report(report)
        if not report["ok"]:
            raise SystemExit(1)

    def _print_report(self, report: Report) -> None:
        for title, findings in (("error", report["faults"]), ("warning", report["warnings"])):
            for finding in findings:
                place = f"line {finding['line']}" + (
                    f", node {finding['node_id']}" if finding["node_id"] else ""
                )
                self.stdout.write(f"{title} ({place}): {finding['message']} [{finding['code']}]")
        for repair in report["repairs"]:
            place = f"line {repair['line']}"
            self.stdout.write(f"repair ({place}): {repair['message']} [{repair['code']}]")
        for tool in report["unbound"]:
            self.stdout.write(f"unbound: {tool['title']} ({tool['provider']}/{tool['tool']})")
        summary = report["summary"]
        self.stdout.write(
            f"{summary['nodes']} nodes, {summary['edges']} edges, {len(report['faults'])} errors,"
            f" {len(report['warnings'])} warnings, {len(report['repairs'])} repairs"
        )

    # -- import

    def _import(self, *, file: Path, org: str, name: str, **_: Any) -> None:
        # The models behind it are loaded by this part alone.
        import_file = import_string("workflows.flowimport.import_file")
        try:
            version = import_file(file, slug=org, name=name)
        except DomainError as error:
            if report := error.detail.get("report"):
                self._print_report(report)
            raise CommandError(f"{error.message} [{error.code}]") from error
        self._print_report(version.report)
        self.stdout.write(f"stored: workflow {version.workflow_id}, version {version.pk}")

    # -- run

    def _run(self, *, file: Path, as_json: bool, **options: Any) -> None:
        result = self._result(file, note=None if as_json else self._tell, **options)
        if as_json:
            self._print_json(result.as_json())
        else:
            self._print_result(result)
        if not result.good:
            raise SystemExit(1)

    def _result(
        self, file: Path, *, mocks: dict[str, Any] | None, org: str, note: Note | None, **given: Any
    ) -> FlowResult:
        imported = read_file(file)
        if imported.definition is None:
            return refused(imported)
        if kinds := unrunnable_kinds(imported.definition):
            return FlowResult(INVALID, None, None, f"These kinds do not run yet: {kinds}")
        running: dict[str, Any] = {"query": given["query"], "inputs": given["inputs"], "note": note}
        if mocks is not None:
            running |= {"services": SandboxServices(), "mocks": Mocks.parse(mocks)}
        else:
            running |= real_services(org)
        return asyncio.run(_run_and_close(imported.definition, running))

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "delta":
            self.stdout.write(str(data["text"]), ending="")
        elif kind.startswith("node."):
            more = data.get("error") or data.get("handle") or ""
            self.stderr.write(f"{kind:<16} {data['node_id']} {more}")

    def _print_result(self, result: FlowResult) -> None:
        self.stdout.write("")
        self.stdout.write(f"status: {result.status}")
        if result.error:
            self.stdout.write(f"error: {result.error}")
        if result.outputs is not None:
            self.stdout.write("outputs:")
            self._print_json(result.outputs)

    # -- test

    def _test(self, *, file: Path, cases: Path, **_: Any) -> None:
        chosen = list(_cases(file, cases))
        if not chosen:
            raise CommandError(f"{cases} holds no case for {file}.")
        failed = asyncio.run(self._run_cases(chosen))
        self.stdout.write(f"{len(chosen) - failed} passed, {failed} failed")
        if failed:
            raise SystemExit(1)

    async def _run_cases(self, cases: list[tuple[dict[str, Any], Path]]) -> int:
        services, failed = SandboxServices(), 0
        for case, path in cases:
            found = await run_case(case, path, services)
            failed += bool(found)
            verdict = f"FAIL {case['id']}: {'; '.join(found)}" if found else f"PASS {case['id']}"
            self.stdout.write(verdict)
        return failed

    def _print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _cases(file: Path, cases: Path) -> list[tuple[dict[str, Any], Path]]:
    """The cases of a file (or of all files in a directory) with the flow each runs."""
    try:
        loaded = json.loads(cases.read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{cases} holds no cases: {error}") from error
    if file.is_dir():
        return [(case, _inside(file, case["fixture"])) for case in loaded]
    return [(case, file) for case in loaded if Path(case["fixture"]).name == file.name]


def _inside(directory: Path, fixture: str) -> Path:
    """Where the directory holds a flow: at its path, or flat by its name."""
    path = directory / fixture
    return path if path.exists() else directory / path.name


async def _run_and_close(definition: dict[str, Any], running: dict[str, Any]) -> FlowResult:
    try:
        return await run_flow(definition, **running)
    finally:
        if close := getattr(running["services"], "close", None):
            await close()


def real_services(slug: str) -> dict[str, Any]:
    """Services and whose they are; the gateway behind them is loaded only here, it takes long."""
    offered = import_string("workflows.tryservices.OfflineServices")
    if not slug:
        return {"services": offered()}
    organization = import_string("workflows.tryservices.organization_id")(slug)
    if organization is None:
        raise CommandError(f"There is no organization {slug}.")
    services = import_string("workflows.tryservices.OrganizationServices")()
    return {"services": services, "organization": organization}
