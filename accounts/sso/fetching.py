"""allauth speaks through `requests`; this stands in its place and goes through our own client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from core.errors import DomainError
from core.http import Response, send

TIMEOUT = 10.0
LARGEST = 512 * 1024


def fetch(method: str, url: str, **options: Any) -> Response:
    """One call, whole, without redirects. Raises OAuth2Error whatever goes wrong on the way."""
    call = send(method, url, timeout=TIMEOUT, max_bytes=LARGEST, max_redirects=0, **options)
    try:
        return asyncio.run(call)
    except DomainError as error:
        raise OAuth2Error(f"{error.code}: {error.message}") from error


def fetch_json(url: str, **options: Any) -> dict[str, Any]:
    answer = fetch("GET", url, **options)
    if answer.status != HTTPStatus.OK:
        raise OAuth2Error(f"{url} answered {answer.status}.")
    return read_object(answer.text)


def read_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OAuth2Error("The answer is not JSON.") from error
    if not isinstance(found, dict):
        raise OAuth2Error("The answer is not a JSON object.")
    return found


class Answer:
    """As much of `requests.Response` as allauth's OAuth2 client reads."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.headers = {"content-type": response.headers.get("Content-Type", "")}
        self.text = response.text
        self.content = b"(not kept)"  # allauth puts it into messages, and it may hold tokens

    def json(self) -> dict[str, Any]:
        return read_object(self.text)

    def raise_for_status(self) -> None:
        if self.status_code >= HTTPStatus.BAD_REQUEST:
            raise OAuth2Error(f"The provider answered {self.status_code}.")


class GuardedSession:
    """As much of `requests.Session` as allauth uses."""

    def __enter__(self) -> GuardedSession:
        return self

    def __exit__(self, *failure: object) -> None:
        return None

    def get(self, url: str, **options: Any) -> Answer:
        return self.request("GET", url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> Answer:
        sent = {"Accept": "application/json", **(headers or {})}
        if auth is not None:
            sent["Authorization"] = _basic(auth.username, auth.password)
        return Answer(fetch(method, url, params=params, data=data, headers=sent))


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, 2.3.1: each part form-encoded first, so that an id may hold a colon."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
