"""`manage.py verify_audit`: prove the audit trail; exit status 1 when something was altered."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from audit.proof import Proof, keep_result, organizations, prove

Heads = dict[UUID, dict[int, str]]


class Command(BaseCommand):
    help = "Recompute every chain of the audit trail; exit 1 when a row was changed, lost or added."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=UUID, help="only this one")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--heads", type=Path, help="lines of an earlier --json to compare with")

    def handle(self, *args: Any, **options: Any) -> None:
        heads = read_heads(options["heads"]) if options["heads"] else {}
        wanted = [options["organization"]] if options["organization"] else _all(heads)
        broken = 0
        for organization_id in wanted:
            proof = prove(organization_id, heads.get(organization_id))
            keep_result(proof)
            broken += bool(proof.problems)
            self._tell(proof, as_json=options["json"])
        if not options["json"]:
            self.stdout.write(f"{len(wanted)} chains, {broken} with problems")
        if broken:
            sys.exit(1)

    def _tell(self, proof: Proof, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(proof.as_json()))
            return
        verdict = "proven" if not proof.problems else f"{len(proof.problems)} problems"
        self.stdout.write(
            f"{proof.organization_id}: {proof.seals} seals ({proof.pruned} pruned),"
            f" {proof.entries} entries, head {proof.digest[:16]}…  {verdict}"
        )
        for problem in proof.problems:
            self.stdout.write(f"  {problem.kind}: {problem.text}")


def _all(heads: Heads) -> list[UUID]:
    return sorted({*organizations(), *heads})


def read_heads(path: Path) -> Heads:
    """Digests by organization and number, from lines of `--json` or of the log ("Sealed")."""
    heads: Heads = {}
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
            organization = UUID(row.get("organization_id") or row["organization"])
            number = int(row["seals"] if "seals" in row else row["number"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"Not a line of verify_audit --json: {line[:80]}") from error
        if number:
            heads.setdefault(organization, {})[number] = str(row["digest"])
    return heads
