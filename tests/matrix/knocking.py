"""To knock at a door and see all that happens: the answer, the statements; nothing stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from tests.doors import Door
from tests.worlds import World

_WRITE = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
_MULTIPART = frozenset({"POST", "PUT", "PATCH"})


@dataclass
class Statements:
    """What was sent to the database; an `execute_wrapper`."""

    sql: list[str] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.sql.append(sql)
        return execute(sql, params, many, context)

    @property
    def written(self) -> set[str]:
        """The tables that were written to, whether or not it was taken back."""
        return {found[1] for sql in self.sql if (found := _WRITE.match(sql))}


@contextmanager
def undone() -> Iterator[Statements]:
    """Whatever happens inside has not happened afterwards, in the cache neither."""
    cache.clear()
    statements = Statements()
    with transaction.atomic():
        with connection.execute_wrapper(statements):
            yield statements
        transaction.set_rollback(True)


def ask(
    client: Client,
    name: str,
    door: Door,
    address: World,
    *,
    body: World | None = None,
    pk: str | None = None,
    given: dict[str, Any] | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Ask at a door about `address`'s row, sending a body made from `body`'s rows.

    `pk` names another row instead, `given` another body; `query` is added to the address.
    """
    method, path = name.split(" ")
    sent = door.body(body or address) if given is None else given
    url = place(path, address, door.target, pk)
    if method in {"DELETE", "GET", "HEAD", "OPTIONS"}:
        query = (sent if method in {"DELETE", "GET"} else {}) | (query or {})
        sent = {}
    if query:
        url = f"{url}?{urlencode(query)}"
    content = _content(path, sent) if method in _MULTIPART else (b"", "")
    with same_cookies(client):
        return client.generic(method, url, content[0], content_type=content[1], headers=headers)


@contextmanager
def same_cookies(client: Client) -> Iterator[None]:
    """Whoever knocks at the sign-out is still who they were afterwards."""
    jar = deepcopy(client.cookies)
    try:
        yield
    finally:
        client.cookies = jar


def place(path: str, world: World, target: str, pk: str | None = None) -> str:
    """The address of the world's row; a name in it that no target fills stands for itself."""
    url = path.replace("<trace_id>", pk or world.trace_id).replace("<kind>", "schedule")
    url = url.replace("<pk>", pk or id_of(world, target))
    return re.sub(r"<(\w+)>", lambda found: pk or id_of(world, target) or found[1], url)


def id_of(world: World, target: str) -> str:
    row = getattr(world.rows, target, None)
    if isinstance(row, str):
        return row
    return str(getattr(row, "public_id", None) or getattr(row, "pk", ""))


def _content(path: str, given: dict[str, Any]) -> tuple[bytes, str]:
    if path.startswith(("/api/", "/hooks/")) and not any(
        _is_file(value) for value in given.values()
    ):
        return json.dumps(given).encode(), "application/json"
    plain = {key: value for key, value in given.items() if not isinstance(value, dict)}
    return encode_multipart(BOUNDARY, plain), MULTIPART_CONTENT


def _is_file(value: Any) -> bool:
    return isinstance(value, SimpleUploadedFile)


def text_of(response: Any) -> str:
    """The whole answer, headers too: a redirect or a file name can betray as well."""
    streamed = response.streaming and not getattr(response, "is_async", False)
    content = (
        b"".join(response.streaming_content) if streamed else getattr(response, "content", b"")
    )
    cookies = response.cookies.output() if response.cookies else ""
    return f"{dict(response.headers)} {cookies} {content.decode(errors='replace')}"


_CHANGING = re.compile(
    r"\"trace_id\": ?\"\w*\"|'(?:X-Request-ID|traceparent|Content-Length|Date|Expires|ETag|"
    r"Last-Modified|Server-Timing|(?:X-)?RateLimit[\w-]*)': '[^']*'|nonce[=-]\W*[\w+/=-]+|"
    r"csrf\w*\W+(?:value=|=)?\W*\w{32,64}|"
    r"X-CSRFToken\W+\w+|expires=[^;]+GMT|page:[\w-]{36}|\d+\W(?:seconds?|minutes?) ago",
    re.IGNORECASE,
)


def settled(response: Any) -> str:
    """An answer without what differs from call to call: trace id, CSRF token, clock, rates."""
    text = text_of(response).replace(response.headers.get("X-Request-ID", "-"), "")
    return _CHANGING.sub("", text)


def shape(sql: list[str]) -> list[str]:
    """The statements with what they name left out: their number and form tell of a look-up."""
    plain = [re.sub(r"'[^']*'|%s|\$\d+|\b\d+\b", "?", text) for text in sql]
    return [re.sub(r"s\d+_x\d+|\"s\w+_x\d+\"", "savepoint", text) for text in plain]


def signed_in(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def with_token(token: str, **more: Any) -> Client:
    return Client(
        raise_request_exception=False, headers={"Authorization": f"Bearer {token}"}, **more
    )


def is_api(name: str) -> bool:
    return " /api/" in name
