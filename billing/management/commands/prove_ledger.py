"""`manage.py prove_ledger`: print every wallet's sums; exit status 1 when one does not add up."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from billing.proof import Proof, account_totals, prove_all


class Command(BaseCommand):
    help = "Prove every wallet from the ledger, its holds and the usage; exit 1 on a difference."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            _one_view()
            proofs, totals = prove_all(), account_totals()
        for proof in proofs:
            self.stdout.write(line_of(proof))
        sums = "  ".join(f"{account} {total}" for account, total in totals.items())
        self.stdout.write(f"accounts: {sums}  sum {sum(totals.values())}")
        wrong = [proof for proof in proofs if proof.differences]
        self.stdout.write(f"{len(proofs)} wallets, {len(wrong)} with differences")
        if wrong or sum(totals.values()):
            sys.exit(1)


def line_of(proof: Proof) -> str:
    verdict = "proven" if not proof.differences else "; ".join(proof.differences)
    return (
        f"wallet {proof.wallet_id}: balance {proof.balance} ledger {proof.ledger_balance}"
        f"  held {proof.held} open holds {proof.open_holds}"
        f"  captured {proof.captured_holds} entries {proof.captured_entries}"
        f" usage {proof.usage_cost}  {verdict}"
    )


def _one_view() -> None:
    """All sums must see the same moment; SQLite's IMMEDIATE transactions do so anyway."""
    if connection.vendor == "postgresql":
        connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
