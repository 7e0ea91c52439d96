"""Step 1: whose key is this? Read at most once a second per key; revocation works within one."""

from http import HTTPStatus

from core.errors import DomainError
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Caller
from orgs.keys import KeyInfo, verify_key


class KeyRefused(DomainError):
    """No key, or none that is known: both are told the same."""

    code = "invalid_api_key"
    status = HTTPStatus.UNAUTHORIZED


async def authenticate(authorization: str) -> Caller:
    """The caller behind an `Authorization` header. Raises KeyRefused."""
    scheme, _, token = authorization.partition(" ")
    info: KeyInfo | None = None
    if scheme.lower() == "bearer" and token:
        info = await get_runtime().keys.get(token.strip())
    if info is None:
        raise KeyRefused("Incorrect API key provided.")
    return Caller(info.organization_id, api_key_id=info.key_id, scopes=info.scopes)


def read_key(token: str) -> KeyInfo | None:
    return verify_key(token)
