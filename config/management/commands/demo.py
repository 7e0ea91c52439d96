"""The main job from end to end, in the terminal, with a report that proves its sums."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from audit.models import Entry
from billing.models import LedgerEntry, UsageRecord, Wallet
from billing.proof import prove_wallet
from bpm.actions import claim_task, decide_task
from bpm.models import HumanTask
from config.demo.endpoint import Endpoint
from config.demo.seed import Demo, seed_demo
from core.errors import DomainError
from core.ids import new_trace_id
from core.templatetags.ui import money
from core.trace import tracing
from orgs.access import can
from orgs.trails import read_trail
from workflows.actions import import_flow, start_run
from workflows.errors import ImportRefused
from workflows.inputs import start_variables
from workflows.models import Event, Run, WorkflowVersion
from workflows.runtime.worker import get_worker, stop_worker

PATIENCE = 120.0
"""Seconds a run may take before the demonstration gives up."""


class Command(BaseCommand):
    help = "Import a flow, run it durably, decide its approvals, and prove the money and the trail."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", help="another flow file in Dify's format")
        parser.add_argument("--inputs", default="", help="JSON, or @FILE")
        parser.add_argument("--query", default="", help="the message, for a chat flow")

    def handle(self, *, file: str | None, inputs: str, query: str, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        try:
            demo = seed_demo()
            version = self._import(demo, file)
            with tracing(new_trace_id()), Endpoint() as endpoint:
                values = _inputs(version, inputs, endpoint.url)
                self._demonstrate(demo, version, values, query, endpoint)
        except DomainError as error:
            raise CommandError(_explain(error)) from None
        finally:
            stop_worker(5)

    def _demonstrate(
        self,
        demo: Demo,
        version: WorkflowVersion,
        values: dict[str, Any],
        query: str,
        endpoint: Endpoint,
    ) -> None:
        self._title("Run")
        before = Wallet.objects.get(organization=demo.organization).balance
        get_worker()
        run = start_run(
            actor=demo.owner,
            workflow_id=version.workflow_id,
            version_id=version.pk,
            inputs=values,
            query=query,
            trigger=Run.Trigger.COMMAND,
        )
        get_worker().ring()
        self.stdout.write(f"run {run.public_id}  trace {run.trace_id}")
        self._follow(demo, run)
        self._report(demo, run, endpoint, before)

    def _import(self, demo: Demo, file: str | None) -> WorkflowVersion:
        self._title("Import")
        if file is None:
            version = demo.workflow.published
            if version is None:
                raise CommandError("The demonstration's workflow is not published any more.")
        else:
            raw = Path(file).read_bytes()
            version = import_flow(actor=demo.owner, raw=raw, filename=Path(file).name)
        summary = version.report["summary"]
        self.stdout.write(
            f"{version.workflow.name} v{version.number}: {summary['nodes']} nodes, "
            f"{summary['edges']} edges, {len(version.report['repairs'])} repairs, "
            f"{len(version.report['warnings'])} warnings, "
            f"{len(version.unbound)} connectors not bound"
        )
        return version

    def _follow(self, demo: Demo, run: Run) -> None:
        """Print events as they become durable; decide what the run asks of people."""
        seen, deadline = 0, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for event in Event.objects.filter(run=run, seq__gt=seen).order_by("seq"):
                seen = event.seq
                self.stdout.write(f"  {event.seq:>3}  {_line(event)}")
            run.refresh_from_db()
            if run.finished and seen == run.seq:
                return
            if run.state == Run.State.WAITING:
                self._decide(demo, run)
            time.sleep(0.05)
        raise CommandError(f"The run is still {run.state} after {PATIENCE:.0f} s.")

    def _decide(self, demo: Demo, run: Run) -> None:
        open_tasks = HumanTask.objects.of(demo.organization.pk).filter(
            process__trace_id=run.trace_id, closed_at=None
        )
        for task in open_tasks:
            decider = demo.approver if can(demo.approver, "task.decide", task) else demo.owner
            claim_task(actor=decider, task_id=task.pk)
            action = task.actions[0]
            decide_task(
                actor=decider,
                task_id=task.pk,
                action_id=action["id"],
                comment="Decided by the demonstration.",
                data={},
            )
            self.stdout.write(
                self.style.WARNING(
                    f"       approval “{task.title}”: Mei Lin says {action['title']}"
                )
            )
            get_worker().ring()

    def _report(self, demo: Demo, run: Run, endpoint: Endpoint, before: int) -> None:
        self._title("Result")
        self.stdout.write(f"state {run.state}")
        self.stdout.write(json.dumps(run.outputs or run.error, indent=2, ensure_ascii=False))
        for form in endpoint.received:
            self.stdout.write(f"the endpoint received {json.dumps(form, ensure_ascii=False)}")
        checks = [*self._money(demo, run, before), *self._trail(demo, run)]
        self._title("Proof")
        for name, good in checks:
            self.stdout.write(f"  {'equal' if good else 'DIFFERS'}  {name}")
        failed = [name for name, good in checks if not good]
        if failed or run.state not in (Run.State.SUCCEEDED, Run.State.PARTIAL):
            raise CommandError(f"run {run.state}; not equal: {', '.join(failed) or 'nothing'}")
        self.stdout.write(self.style.SUCCESS("The run succeeded and all sums are equal."))

    def _money(self, demo: Demo, run: Run, before: int) -> list[tuple[str, bool]]:
        self._title("Tokens and cost")
        calls = list(UsageRecord.objects.filter(run_id=str(run.public_id)).order_by("pk"))
        for call in calls:
            tokens = f"{call.prompt_tokens} + {call.completion_tokens} tokens"
            self.stdout.write(f"  {call.node_id:<12} {call.model}  {tokens}  {money(call.cost)}")
        wallet = Wallet.objects.get(organization=demo.organization)
        proof = prove_wallet(wallet)
        spent = sum(call.cost for call in calls)
        entries = LedgerEntry.objects.filter(wallet=wallet, trace_id=run.trace_id, kind="capture")
        captured = sum(entries.values_list("amount", flat=True))
        self.stdout.write(
            f"  balance {money(before)} → {money(wallet.balance)}, held {money(wallet.held)}"
        )
        return [
            (f"usage {money(spent)} = run {money(run.cost)}", spent == run.cost),
            (f"ledger captures {money(captured)} = usage {money(spent)}", captured == spent),
            ("balance before − cost = balance now", before - spent == wallet.balance),
            ("wallet balance = ledger sum, held = open holds", not proof.differences),
            ("nothing is held any more", wallet.held == 0),
        ]

    def _trail(self, demo: Demo, run: Run) -> list[tuple[str, bool]]:
        self._title(f"Audit trail of trace {run.trace_id}")
        for entry in Entry.objects.of(demo.organization.pk).filter(trace_id=run.trace_id):
            who = entry.actor_kind
            self.stdout.write(f"  {entry.at:%H:%M:%S.%f}  {who:<6}  {entry.action}")
        kinds = {item.kind for item in read_trail(demo.owner, [run.trace_id]).items}
        steps = run.steps.count()
        wanted = {"run", "step", "audit"} | ({"call", "ledger"} if run.cost else set())
        return [
            (f"one trace id finds {', '.join(sorted(kinds))}", wanted <= kinds),
            (f"steps stored {steps} = steps counted {run.step_count}", steps == run.step_count),
            ("event numbers have no gap", _gapless(run)),
        ]

    def _title(self, text: str) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"\n{text}"))


def _gapless(run: Run) -> bool:
    numbers = Event.objects.filter(run=run).order_by("seq").values_list("seq", flat=True)
    return list(numbers) == list(range(1, run.seq + 1))


def _line(event: Event) -> str:
    data = event.data
    facts: list[tuple[str, Callable[[Any], str]]] = [
        ("duration_ms", lambda ms: f"{ms} ms"),
        ("usage", lambda usage: f"{usage.get('total_tokens', 0)} tokens"),
        ("cost", money),
        ("error", str),
    ]
    said = "  ".join(show(data[name]) for name, show in facts if data.get(name))
    return f"{event.kind:<16} {event.node_id:<14} {said}".rstrip()


def _inputs(version: WorkflowVersion, given: str, endpoint: str) -> dict[str, Any]:
    """What the caller gave; else each variable's default, and the endpoint where one is asked."""
    if given:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        try:
            values = json.loads(text)
        except ValueError as error:
            raise CommandError(f"INPUTS is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise CommandError("INPUTS must be a JSON object.")
        return values
    names = {item.get("variable") for item in start_variables(version.definition)}
    return {"endpoint": endpoint} if "endpoint" in names else {}


def _explain(error: DomainError) -> str:
    if isinstance(error, ImportRefused):
        rows = error.detail["report"]["faults"]
        lines = [f"  line {row['line']}, node {row['node_id']}: {row['message']}" for row in rows]
        return "\n".join([f"{error.message} ({error.code})", *lines])
    detail = json.dumps(error.detail, default=str) if error.detail else ""
    return f"{error.message} ({error.code}) {detail}".strip()
