"""Reading what an organization can call: models, their deployments and prices, the wallet."""

from uuid import UUID

from billing.models import Wallet
from billing.prices import prices_of
from llm.gateway.shapes import Catalog, Deployment, ModelEntry
from llm.models import Model
from llm.offline import ensure_offline_model


def read_catalog(organization_id: UUID) -> Catalog:
    """Four queries; runs in a thread, at most once a second per organization."""
    ensure_offline_model(organization_id)
    rows = list(Model.objects.callable_by(organization_id).select_related("provider"))
    prices = prices_of(organization_id, models=[row.name for row in rows])
    entries = {
        row.name: ModelEntry(
            id=row.pk,
            name=row.name,
            created=int(row.created_at.timestamp()),
            context_window=row.context_window,
            max_output_tokens=row.max_output_tokens,
            deployment=_deployment(row),
            price=prices.get(row.name),
        )
        for row in rows
    }
    return Catalog(Wallet.objects.for_organization(organization_id).pk, entries)


def _deployment(row: Model) -> Deployment:
    provider = row.provider
    return Deployment(
        provider_id=provider.pk,
        provider_name=provider.name,
        kind=provider.kind,
        base_url=provider.base_url.rstrip("/"),
        api_key=provider.api_key.reveal() if provider.api_key else "",
        upstream_name=row.called_upstream,
        limit_parameter=provider.limit_parameter,
    )
