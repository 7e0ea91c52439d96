"""Rows for billing tests. A wallet starts with a top-up of 1_000_000 nanos, so its sums prove."""

import factory
from django.utils.timezone import now
from factory.django import DjangoModelFactory

from billing.ledger import HoldRequest
from billing.models import LedgerEntry, Price, Wallet
from orgs.tests.factories import OrganizationFactory


class WalletFactory(DjangoModelFactory):
    class Meta:
        model = Wallet
        skip_postgeneration_save = True

    organization = factory.SubFactory(OrganizationFactory)
    balance = 1_000_000

    @factory.post_generation
    def funded(self, create, extracted, **kwargs):
        LedgerEntry.objects.create(
            organization_id=self.organization_id,
            wallet=self,
            kind="topup",
            debit="funding",
            credit="wallet",
            amount=self.balance,
            balance_after=self.balance,
        )


class PriceFactory(DjangoModelFactory):
    class Meta:
        model = Price

    model = "gpt-test"
    valid_from = factory.LazyFunction(now)
    input = 1_000_000_000
    cached_input = 500_000_000
    output = 2_000_000_000


def hold_request(wallet, ref="call-1", amount=100, **fields):
    fields = {"request_hash": "same", "model": "gpt-test", "trace_id": "0" * 32, **fields}
    return HoldRequest(wallet_id=wallet.pk, billing_ref=ref, amount=amount, **fields)
