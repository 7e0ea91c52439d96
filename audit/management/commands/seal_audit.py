"""`manage.py seal_audit`: seal now what beat would seal, or accept entries it leaves out."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from audit.sealing import seal_all, seal_next


class Command(BaseCommand):
    help = "Seal every unsealed audit entry; --accept takes in entries whose time looks wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=UUID, help="needed for --accept")
        parser.add_argument(
            "--accept", type=int, nargs="+", default=[], metavar="ENTRY",
            help="numbers of entries to seal although they look put in later (a wrong clock)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        sealed = 0
        if options["accept"] and options["organization"]:
            while seal := seal_next(options["organization"], accept=options["accept"]):
                sealed += seal.count
        else:
            sealed = seal_all(everything=True, seconds=3600)
        self.stdout.write(f"{sealed} entries sealed")
