"""Generate requests for each operation, send them to the real application, judge the answers."""

from __future__ import annotations

import itertools
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from django.test.client import MULTIPART_CONTENT, encode_multipart
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.place import Place, door_of, undone

CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
QUIET = settings(
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@dataclass
class Report:
    operations: int = 0
    cases: int = 0
    server_errors: int = 0
    findings: dict[tuple[str, str], str] = field(default_factory=dict)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    @property
    def never_well(self) -> list[str]:
        """Operations that never did what they are for: of those the run proves little."""
        return [name for name, seen in self.statuses.items() if not any(s < 300 for s in seen)]

    def line(self) -> str:
        return json.dumps(
            {
                "operations": self.operations,
                "cases": self.cases,
                "server_errors": self.server_errors,
                "breaches": len(self.findings),
            }
        )


class Fuzzer:
    def __init__(self, place: Place, application: Any, examples: int) -> None:
        self.place, self.application, self.examples = place, application, examples
        self.report = Report()

    def run(self, only: str = "") -> Report:
        document = SchemaGenerator().get_schema(request=None, public=True)
        plain = json.loads(json.dumps(document, default=str))
        schema = schemathesis.openapi.from_dict(plain, config=SchemathesisConfig())
        for found in schema.get_all_operations():
            operation = found.ok()
            if only in operation.label:
                self.report.operations += 1
                self.hit(operation)
        return self.report

    def hit(self, operation: Any) -> None:
        """At least `examples` requests: one by hand, the edges of the schema, then at random."""
        before = self.report.cases
        self.by_hand(operation)
        for case in self.edges(operation):
            self.send(case)
        for mode, share in ((GenerationMode.POSITIVE, 0.6), (GenerationMode.NEGATIVE, 1.0)):
            left = self.examples - (self.report.cases - before)
            if left > 0:
                self.at_random(operation, mode, max(1, int(left * share)))
        # Where nothing can be wrong (or too little varies) the rest is what can be generated.
        rounds = itertools.count()
        while (left := self.examples - (self.report.cases - before)) > 0 and next(rounds) < 5:
            self.at_random(operation, GenerationMode.POSITIVE, left)

    def by_hand(self, operation: Any) -> None:
        """The request that the table of doors holds to do what the operation is for."""
        door = door_of(operation.method, operation.path)
        if door is None:
            return
        given = door.body(self.place.world)
        case = operation.Case(method=operation.method)
        case.path_parameters = {
            parameter.name: self.place.row_id(operation.method, operation.path) or "x"
            for parameter in operation.path_parameters
        }
        extra: dict[str, Any] = {}
        if operation.method.upper() in {"DELETE", "GET"}:
            named = {parameter.name for parameter in operation.query}
            case.query = {name: value for name, value in given.items() if name in named}
        elif given and any(hasattr(value, "read") for value in given.values()):
            extra["data"] = encode_multipart("BoUnDaRyStRiNg", given)
            extra["headers"] = {"Content-Type": MULTIPART_CONTENT}
        elif given:
            extra["json"] = given
        self.send(case, settled=True, **extra)

    def edges(self, operation: Any) -> Iterator[Any]:
        cases = operation.schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=operation.schema.config.generation_for(operation=operation),
        )
        own = (case for case in cases if case.method.upper() == operation.method.upper())
        return itertools.islice(own, self.examples // 2)

    def at_random(self, operation: Any, mode: Any, examples: int) -> None:
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            run = hypothesis.given(case=strategy)(self._take)
            hypothesis.seed(examples)(settings(QUIET, max_examples=examples)(run))()
        except (hypothesis.errors.Unsatisfiable, hypothesis.errors.FailedHealthCheck):
            return  # this operation has no such request

    def _take(self, case: Any) -> None:
        self.send(case)

    def send(self, case: Any, *, settled: bool = False, **extra: Any) -> None:
        if not settled:
            self.place.settle(case)
        name = case.operation.label
        self.report.cases += 1
        headers = self.place.headers | extra.pop("headers", {})
        try:
            with undone():
                response = case.call(
                    app=self.application, headers=headers, cookies=self.place.cookies, **extra
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.report.server_errors += 1
            text = repr(case)[:1000] + "\n" + "".join(traceback.format_exception(error))[-2500:]
            self.note(name, f"{type(error).__name__}: {error}"[:200], text)
            return
        self.report.statuses.setdefault(name, Counter())[response.status_code] += 1
        # That somebody else's server broke is an answer like others, where it is documented.
        documented = str(response.status_code) in case.operation.definition.raw["responses"]
        self.report.server_errors += response.status_code >= 500 and not documented
        checks = CHECKS[documented:]
        try:
            case.validate_response(response, checks=checks, headers=headers)
        except (FailureGroup, Failure) as error:
            for failure in getattr(error, "exceptions", [error]):
                self.note(name, _title(failure), self._told(case, response, failure))

    def note(self, name: str, title: str, text: str) -> None:
        self.report.findings.setdefault((name, title), text)

    @staticmethod
    def _told(case: Any, response: Any, failure: Any) -> str:
        return (
            f"{failure}\n  {case.method} {response.request.url}\n"
            f"  headers {dict(case.headers or {})}\n  body {str(case.body)[:600]}\n"
            f"  -> {response.status_code} {response.content[:600]!r}"
        )


def _title(failure: Any) -> str:
    return f"{failure.title}: {str(failure.message)[:80]}"
