"""Headers, parameters and authorization of an HTTP request, in the text form of the format."""

import base64
from typing import Any

from workflows.engine.pool import Pool
from workflows.nodes.base import Config, NodeFailed
from workflows.nodes.fields import Text


class AuthorizationConfig(Config):
    type: Text = "bearer"
    api_key: Text = ""
    header: Text = ""


class Authorization(Config):
    type: Text = "no-auth"
    config: AuthorizationConfig | None = None


def pairs(text: str, pool: Pool) -> list[tuple[str, str]]:
    """`name:value` lines; variables are filled in afterwards, so they cannot add lines."""
    found = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip():
            found.append((_flat(pool.text(name.strip())), _flat(pool.text(value.strip()))))
    return found


def _flat(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").strip()


def authorize(authorization: Authorization, pool: Pool) -> list[tuple[str, str]]:
    """The header that carries the key."""
    config = authorization.config
    if authorization.type != "api-key":
        return []
    if config is None or not config.api_key:
        raise NodeFailed("The request has no API key", code="no_api_key", retryable=False)
    key = _flat(pool.text(config.api_key))
    header = _flat(pool.text(config.header)) or "Authorization"
    forms: dict[str, Any] = {"bearer": f"Bearer {key}", "basic": f"Basic {_basic(key)}"}
    return [(header, forms.get(config.type, key))]


def _basic(key: str) -> str:
    """`user:password` is encoded; anything else is taken to be encoded already (as in Dify)."""
    return base64.b64encode(key.encode()).decode() if ":" in key else key
