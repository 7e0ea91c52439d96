"""Trying a provider's connection with the official SDK: does its key open the list of models?"""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx2
import openai

from audit.actions import record
from core.errors import NotFound
from core.http import OutgoingError, check_url, send
from llm.errors import ProviderCheckFailed
from llm.models import Model, Provider
from orgs.access import Actor, require

SECONDS = 10.0
SHOWN = 200


def check_provider(*, actor: Actor, provider_id: UUID) -> list[str]:
    """The names of the provider's models. Raises ProviderCheckFailed, or OutgoingRefused."""
    require(actor, "model.manage")
    provider: Provider | None = (
        Provider.objects.of(actor.organization_id).filter(pk=provider_id).first()
    )
    if provider is None:
        raise NotFound("There is no such provider.")
    if provider.kind == Provider.Kind.OFFLINE:
        return list(Model.objects.filter(provider=provider).values_list("name", flat=True))
    names = asyncio.run(_list_models(provider.base_url, provider.api_key.reveal()))
    record(
        "llm.provider.checked",
        actor=actor,
        target_type="provider",
        target_id=provider.pk,
        summary=provider.name,
        data={"models": len(names)},
    )
    return names


class VettedTransport(httpx2.AsyncBaseTransport):
    """The SDK's requests, sent by the client that refuses addresses which are not public."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            answer = await send(
                request.method,
                str(request.url),
                headers=dict(request.headers),
                data=await request.aread(),
                timeout=SECONDS,
                max_redirects=0,
            )
        except OutgoingError as error:
            raise httpx2.ConnectError(error.message, request=request) from error
        framing = {"content-encoding", "content-length", "transfer-encoding"}  # decoded already
        headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in framing]
        return httpx2.Response(answer.status, headers=headers, content=answer.body)


async def _list_models(base_url: str, api_key: str) -> list[str]:
    """The SDK speaks the protocol; every byte still goes through our vetted client."""
    check_url(base_url)
    client = openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key or "none",
        max_retries=0,
        timeout=SECONDS,
        http_client=openai.DefaultAsyncHttpxClient(transport=VettedTransport()),
    )
    try:
        async with client:
            page = await client.models.list()
    except openai.APIStatusError as error:
        raise ProviderCheckFailed(
            "The provider refused the key or the address.", reason=f"HTTP {error.status_code}"
        ) from error
    except openai.APIError as error:
        reason = str(error.__cause__ or error)[:300]
        raise ProviderCheckFailed("The provider could not be reached.", reason=reason) from error
    return [model.id for model in page.data[:SHOWN]]
