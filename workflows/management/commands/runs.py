"""`runs list|show|pause|…`: runs and commands to them on the command line, as the platform."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.timezone import now

from core.errors import DomainError
from orgs.access import Actor, system_actor
from orgs.models import Organization
from workflows.actions import (
    cancel_run,
    pause_run,
    rerun_run,
    reset_run,
    resume_run,
    retry_run,
    signal_run,
    skip_node,
    start_run,
    terminate_run,
)
from workflows.control_matrix import offered, standing
from workflows.models import Run, Workflow
from workflows.variables import query_variables

SHOWN = 50
ACTS: dict[str, tuple[Callable[..., Run], tuple[str, ...]]] = {
    "pause": (pause_run, ()),
    "resume": (resume_run, ()),
    "cancel": (cancel_run, ("reason",)),
    "terminate": (terminate_run, ("reason",)),
    "retry": (retry_run, ()),
    "rerun": (rerun_run, ("node_id", "inputs", "outputs")),
    "skip": (skip_node, ("node_id", "outputs", "handle")),
    "signal": (signal_run, ("name", "data", "delivery_id")),
    "reset": (reset_run, ("to",)),
}
"""What carries a command out, and what it is told beside the run."""


def given_object(value: str) -> dict[str, Any]:
    try:
        loaded = json.loads(value)
    except ValueError as error:
        raise ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise ArgumentTypeError("not a JSON object")
    return loaded


class Command(BaseCommand):
    help = "List and show runs, and command them."

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        listing = parts.add_parser("list", help="The newest runs of an organization.")
        listing.add_argument("--org", required=True, metavar="SLUG")
        listing.add_argument("--state", choices=Run.State.values, default="")
        listing.add_argument("--json", action="store_true", dest="as_json")
        start = parts.add_parser("start", help="Start a run of a workflow.")
        start.add_argument("workflow", type=UUID, metavar="WORKFLOW")
        start.add_argument("--inputs", type=given_object, default=None, metavar="JSON")
        start.add_argument("--query", default="", metavar="TEXT")
        start.add_argument("--key", default="", metavar="KEY", help="starts it once")
        start.add_argument("--delay", type=float, default=0, metavar="SECONDS")
        start.add_argument("--priority", type=int, default=None)
        start.add_argument("--json", action="store_true", dest="as_json")
        for name in ("show", "variables", *ACTS):
            part = parts.add_parser(name)
            part.add_argument("run", type=UUID, metavar="RUN")
            part.add_argument("--json", action="store_true", dest="as_json")
            if add := getattr(self, f"_add_{name}", None):
                add(part)

    def _add_cancel(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", metavar="TEXT")

    _add_terminate = _add_cancel

    def _add_rerun(self, parser: CommandParser) -> None:
        parser.add_argument("--node", dest="node_id", default="", metavar="NODE")
        parser.add_argument("--inputs", type=given_object, default=None, metavar="JSON")
        parser.add_argument("--outputs", type=given_object, default=None, metavar="JSON")

    def _add_skip(self, parser: CommandParser) -> None:
        parser.add_argument("node_id", metavar="NODE")
        parser.add_argument("--outputs", type=given_object, default=None, metavar="JSON")
        parser.add_argument("--handle", default="source", metavar="HANDLE")

    def _add_signal(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--data", type=given_object, default=None, metavar="JSON")
        parser.add_argument("--delivery-id", default="", metavar="ID")

    def _add_reset(self, parser: CommandParser) -> None:
        parser.add_argument("to", type=int, metavar="EVENT")

    def handle(self, *args: Any, part: str, as_json: bool, **options: Any) -> None:
        if part == "list":
            self._list(options["org"], options["state"], as_json=as_json)
            return
        if part == "start":
            self._start(options, as_json=as_json)
            return
        run = Run.objects.filter(public_id=options["run"]).first()
        if run is None:
            raise CommandError("There is no such run. [not_found]")
        actor = system_actor(run.organization_id)
        try:
            self._one(part, actor, run, options, as_json=as_json)
        except DomainError as error:
            raise CommandError(f"{error.message} [{error.code}]") from error

    def _start(self, options: dict[str, Any], *, as_json: bool) -> None:
        workflow = Workflow.objects.filter(pk=options["workflow"]).first()
        if workflow is None:
            raise CommandError("There is no such workflow. [not_found]")
        delay = timedelta(seconds=options["delay"])
        try:
            run = start_run(
                actor=system_actor(workflow.organization_id),
                workflow_id=workflow.pk,
                inputs=options["inputs"] or {},
                query=options["query"],
                trigger=Run.Trigger.COMMAND,
                idempotency_key=options["key"] or None,
                not_before=now() + delay if delay else None,
                priority=options["priority"],
            )
        except DomainError as error:
            raise CommandError(f"{error.message} [{error.code}]") from error
        self._print(run, as_json=as_json)

    def _one(
        self, part: str, actor: Actor, run: Run, options: dict[str, Any], *, as_json: bool
    ) -> None:
        if part == "variables":
            self._print_json(query_variables(actor=actor, run_id=run.public_id))
            return
        if part in ACTS:
            act, names = ACTS[part]
            given = {name: options[name] for name in names}
            run = act(actor=actor, run_id=run.public_id, **given)
        self._print(run, as_json=as_json)

    def _list(self, slug: str, state: str, *, as_json: bool) -> None:
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug}.")
        rows = Run.objects.of(organization.pk).order_by("-pk").select_related("workflow")
        rows = rows.filter(state=state) if state else rows
        rows = rows.defer("inputs", "outputs", "system")[:SHOWN]
        if as_json:
            self._print_json([_short(run) for run in rows])
            return
        for run in rows:
            created = run.created_at.isoformat(timespec="seconds")
            self.stdout.write(f"{run}  {standing(run):<18} {created}  {run.workflow.name}")

    def _print(self, run: Run, *, as_json: bool) -> None:
        found = _short(run) | {
            "inputs": run.inputs,
            "outputs": run.outputs,
            "takes": [str(each) for each in offered(run)],
        }
        if as_json:
            self._print_json(found)
            return
        for name, value in found.items():
            self.stdout.write(f"{name}: {_line(value)}")

    def _print_json(self, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=2, cls=DjangoJSONEncoder)
        self.stdout.write(text)


def _short(run: Run) -> dict[str, Any]:
    return {
        "id": str(run),
        "workflow": str(run.workflow_id),
        "state": str(run.state),
        "stands": standing(run),
        "steps": run.step_count,
        "error": run.error,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
    }


def _line(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
    return "" if value is None else str(value)
