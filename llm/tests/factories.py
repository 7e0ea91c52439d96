"""Rows for llm tests: an organization with money, a provider at a local address, a priced model."""

import factory
from factory.django import DjangoModelFactory

from billing.tests.factories import PriceFactory, WalletFactory
from llm.models import Model, Provider
from orgs.tests.factories import OrganizationFactory


class ProviderFactory(DjangoModelFactory):
    class Meta:
        model = Provider

    organization = factory.SubFactory(OrganizationFactory)
    name = "Local"
    base_url = "http://127.0.0.1:9/v1"
    api_key = "sk-upstream-1234567890"


class ModelFactory(DjangoModelFactory):
    class Meta:
        model = Model

    organization = factory.SelfAttribute("provider.organization")
    provider = factory.SubFactory(ProviderFactory)
    name = "gpt-test"
    upstream_name = "upstream-test"
    max_output_tokens = 100


def model_at(url, balance=1_000_000_000, organization=None, **fields):
    """A model at a server's root `url`; a wallet; a price of 1_000 nanos a token in, 2_000 out."""
    organization = organization or OrganizationFactory()
    provider = ProviderFactory(organization=organization, base_url=f"{url}/v1")
    model = ModelFactory(provider=provider, **fields)
    PriceFactory(organization=organization, model=model.name)
    WalletFactory(organization=organization, balance=balance)
    return model
