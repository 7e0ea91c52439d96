"""Reading what an organization can call: models, their deployments and prices, the wallet."""

from uuid import UUID

from yarl import URL

from billing.models import Wallet
from billing.prices import prices_of
from core.http import OutgoingRefused, check_url
from llm.gateway.shapes import Catalog, Deployment, ModelEntry
from llm.models import Model, Provider
from llm.offline import ensure_offline_model

_wallets: dict[UUID, UUID] = {}
"""Organization -> wallet, which never changes; who is in here has its offline model too."""


def read_catalog(organization_id: UUID) -> Catalog:
    """Two queries; runs in a thread, at most once a second per organization."""
    if organization_id not in _wallets:
        ensure_offline_model(organization_id)
        _wallets[organization_id] = Wallet.objects.for_organization(organization_id).pk
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
    return Catalog(_wallets[organization_id], entries)


def _address(provider: Provider) -> URL | None:
    """Judged as text here, once; the client judges every address it connects to."""
    if provider.kind == Provider.Kind.OFFLINE:
        return None
    try:
        return check_url(f"{provider.base_url.rstrip('/')}/chat/completions")
    except OutgoingRefused:
        return None


def _deployment(row: Model) -> Deployment:
    provider = row.provider
    return Deployment(
        provider_id=provider.pk,
        provider_name=provider.name,
        kind=provider.kind,
        url=_address(provider),
        api_key=provider.api_key.reveal() if provider.api_key else "",
        upstream_name=row.called_upstream,
        limit_parameter=provider.limit_parameter,
    )
