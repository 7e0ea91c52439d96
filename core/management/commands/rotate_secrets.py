"""Re-encrypt every stored secret with the first key of SECRET_KEYS."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser

from core.secrets import other_rotations, rotate, secret_fields


class Command(BaseCommand):
    """Run after a new key was put first; afterwards the old one can be removed. Repeatable."""

    help = "Re-encrypt every stored secret with the first key of SECRET_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="rows read at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        for model in apps.get_models():
            for field in secret_fields(model):
                self._count(str(field), rotate(field, options["batch"]))
        for name, renew in other_rotations().items():
            self._count(name, renew())

    def _count(self, name: str, batches: Iterable[tuple[int, int]]) -> None:
        seen = written = 0
        for read, changed in batches:
            seen += read
            written += changed
        self.stdout.write(f"{name}: {seen} read, {written} re-encrypted")
