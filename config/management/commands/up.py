"""Serve everything with one command: migrate, seed, then web, worker and beat in one process."""

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from config.demo.seed import OWNER, PEOPLE, seed_demo
from core.ids import new_trace_id
from core.trace import tracing
from workflows.actions import start_run
from workflows.models import Run


class Command(BaseCommand):
    help = "Migrate, seed demonstration data and serve web, worker and beat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-demo", action="store_true", help="no demonstration data")

    def handle(self, *, host: str, port: int, no_demo: bool, **options: Any) -> None:
        _require_free(host, port)
        call_command("migrate", verbosity=0)
        call_command("staff_groups", verbosity=0)
        self.stdout.write(f"Loomwork serves at http://{host}:{port}/")
        if not no_demo:
            self._seed()
        self.stdout.write("Ctrl-C ends it.")
        self.stdout.flush()
        os.environ.setdefault("PUBLIC_URL", f"http://{host}:{port}")
        os.environ["EMBEDDED_WORKER"] = "1"
        os.environ.setdefault("LOG_FORMAT", "console")
        serve(host, port)

    def _seed(self) -> None:
        demo = seed_demo()
        if not Run.objects.of(demo.organization.pk).exists():
            for amount in (40, 250):
                mail = "Hello, I was charged twice for order 4711. Please refund me. Regards, Lee"
                with tracing(new_trace_id()):
                    start_run(
                        actor=demo.owner,
                        workflow_id=demo.workflow.pk,
                        inputs={"mail": mail, "amount": amount},
                        trigger=Run.Trigger.COMMAND,
                    )
        self.stdout.write(f"Sign in as {OWNER} with the password {demo.password}")
        names = ", ".join(f"{email} ({role})" for email, _, role in PEOPLE)
        self.stdout.write(f"or, with the same password, as {names}.")


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"Port {port} is not free ({error.strerror}). Try: make run PORT=8010"
            raise CommandError(message) from None


def serve(host: str, port: int) -> None:
    """Become the server: replacing this process leaves nothing between it and Ctrl-C."""
    command = [
        sys.executable, "-m", "uvicorn", "config.asgi:application",
        "--host", host, "--port", str(port), "--no-access-log", "--no-proxy-headers",
        "--log-level", "warning", "--timeout-graceful-shutdown", "5",
    ]  # fmt: skip
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings.SETTINGS_MODULE)
    os.execv(command[0], command)  # nosec B606 # noqa: S606 - our own interpreter, no shell
