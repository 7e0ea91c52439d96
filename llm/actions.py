"""Every write of llm: providers and models. One transaction and one audit entry each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from audit.actions import record
from billing.actions import set_price
from core.errors import InvalidInput, NotFound
from core.http import check_url
from llm.errors import NameTaken, ProviderInUse
from llm.models import Model, Provider
from orgs.access import Actor, require

PROVIDER_FIELDS = frozenset({"name", "base_url", "api_key", "limit_parameter", "enabled"})
MODEL_FIELDS = frozenset(
    {"name", "upstream_name", "context_window", "max_output_tokens", "enabled"}
)


@transaction.atomic
def create_provider(
    *,
    actor: Actor,
    name: str,
    base_url: str,
    api_key: str = "",
    limit_parameter: str = Provider.LimitParameter.MAX_TOKENS,
    enabled: bool = True,
) -> Provider:
    """An OpenAI-compatible provider. The address must be one this installation may call."""
    require(actor, "model.manage")
    provider = Provider(
        organization_id=actor.organization_id,
        name=_named(name),
        base_url=_address(base_url),
        api_key=api_key,
        limit_parameter=limit_parameter,
        enabled=enabled,
    )
    _save(provider)
    _note("llm.provider.created", actor, provider, fields=sorted(PROVIDER_FIELDS))
    return provider


@transaction.atomic
def update_provider(*, actor: Actor, provider_id: UUID, **changes: Any) -> Provider:
    """Change some fields; an empty `api_key` keeps the stored one, which is never given out."""
    require(actor, "model.manage")
    provider = _provider_of(actor, provider_id)
    _check_fields(changes, PROVIDER_FIELDS)
    if not changes.get("api_key"):
        changes.pop("api_key", None)
    if "name" in changes:
        changes["name"] = _named(changes["name"])
    if "base_url" in changes and provider.kind != Provider.Kind.OFFLINE:
        changes["base_url"] = _address(changes["base_url"])
    before = _replace(provider, changes)
    _save(provider)
    _note("llm.provider.updated", actor, provider, before, changes, fields=sorted(changes))
    return provider


@transaction.atomic
def delete_provider(*, actor: Actor, provider_id: UUID) -> None:
    """Refused while models use it, and for the built-in one, which can be disabled instead."""
    require(actor, "model.manage")
    provider = _provider_of(actor, provider_id)
    if provider.kind == Provider.Kind.OFFLINE:
        raise ProviderInUse("The built-in provider cannot be deleted; disable it instead.")
    if count := provider.models.count():
        raise ProviderInUse("Models still use this provider.", models=count)
    _note("llm.provider.deleted", actor, provider)
    provider.delete()


@transaction.atomic
def create_model(
    *,
    actor: Actor,
    name: str,
    provider_id: UUID,
    input_price: int,
    output_price: int,
    cached_input_price: int | None = None,
    per_call: int = 0,
    **fields: Any,
) -> Model:
    """A model under `name`, with its price: what cannot be paid for cannot be called.

    Prices in nanos per 1,000,000 tokens. `fields`: upstream_name, context_window,
    max_output_tokens, enabled.
    """
    require(actor, "model.manage")
    provider = _provider_of(actor, provider_id)
    _check_fields(fields, MODEL_FIELDS)
    model = Model(
        organization_id=actor.organization_id, provider=provider, name=_named(name), **fields
    )
    _save(model)
    _note("llm.model.created", actor, model, provider=provider.name)
    set_price(
        actor=actor,
        model=model.name,
        input_price=input_price,
        output_price=output_price,
        cached_input_price=cached_input_price,
        per_call=per_call,
    )
    return model


@transaction.atomic
def update_model(
    *, actor: Actor, model_id: UUID, provider_id: UUID | None = None, **changes: Any
) -> Model:
    require(actor, "model.manage")
    model = _model_of(actor, model_id)
    _check_fields(changes, MODEL_FIELDS)
    if provider_id is not None:
        model.provider = _provider_of(actor, provider_id)
    if "name" in changes:
        changes["name"] = _named(changes["name"])
    before = _replace(model, changes)
    _save(model)
    _note("llm.model.updated", actor, model, before, changes, fields=sorted(changes))
    return model


@transaction.atomic
def delete_model(*, actor: Actor, model_id: UUID) -> None:
    """Usage and ledger keep the name; workflows that call it fail with model_not_found."""
    require(actor, "model.manage")
    model = _model_of(actor, model_id)
    _note("llm.model.deleted", actor, model)
    model.delete()


def _provider_of(actor: Actor, provider_id: UUID) -> Provider:
    provider = Provider.objects.of(actor.organization_id).filter(pk=provider_id).first()
    if provider is None:
        raise NotFound("There is no such provider.")
    found: Provider = provider
    return found


def _model_of(actor: Actor, model_id: UUID) -> Model:
    model = Model.objects.of(actor.organization_id).filter(pk=model_id).first()
    if model is None:
        raise NotFound("There is no such model.")
    found: Model = model
    return found


def _named(name: str) -> str:
    name = name.strip()
    if not name:
        raise InvalidInput("A name is needed.", field="name")
    return name


def _address(url: str) -> str:
    """The base URL without its last slash, if it may be called. Raises OutgoingRefused."""
    check_url(url.strip())
    return url.strip().rstrip("/")


def _check_fields(fields: dict[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(set(fields) - known):
        raise InvalidInput("These fields cannot be set.", fields=unknown)
    for field in ("context_window", "max_output_tokens"):
        if field in fields and not 1 <= fields[field] <= 100_000_000:
            raise InvalidInput("This number must be above zero.", field=field)


def _save(row: Provider | Model) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise NameTaken("This name is taken.", name=row.name) from None


def _replace(row: Provider | Model, changes: dict[str, Any]) -> dict[str, Any]:
    """Set the fields; returns what they were. The trail masks the secret among them."""
    before = {field: getattr(row, field) for field in changes}
    for field, value in changes.items():
        setattr(row, field, value)
    return before


def _note(
    action: str,
    actor: Actor,
    row: Provider | Model,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **data: Any,
) -> None:
    record(
        action,
        actor=actor,
        target_type=type(row).__name__.lower(),
        target_id=row.pk,
        summary=row.name,
        data=data,
        before=before,
        after=after,
    )
