"""Step 1: whose key is this, and may it be used from there?

A key is read at most every `KEY_FRESH_SECONDS` per process, so revoking it works within a second.
"""

from http import HTTPStatus

from django.utils.timezone import now

from core.addresses import Address
from core.errors import DomainError
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Caller
from orgs.keys import KeyInfo, admit, verify_key


class KeyRefused(DomainError):
    """No key, or none that is known: both are told the same."""

    code = "invalid_api_key"
    status = HTTPStatus.UNAUTHORIZED


async def authenticate(authorization: str, address: Address | None) -> Caller:
    """The caller behind an `Authorization` header. Raises KeyRefused, KeyAddressRefused."""
    scheme, _, token = authorization.partition(" ")
    info: KeyInfo | None = None
    if scheme.lower() == "bearer" and token:
        info = await get_runtime().keys.get(token.strip())
    if info is None or info.expired(now()):
        raise KeyRefused("Incorrect API key provided.")
    admit(info, address)
    return Caller(info.organization_id, api_key_id=info.key_id, scopes=info.scopes)


def read_key(token: str) -> KeyInfo | None:
    return verify_key(token)
