"""`/v1`, which Django never sees: asked over ASGI, by keys, for what the catalogue holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils.timezone import now

from llm.gateway.app import application
from llm.gateway.runtime import close_gateway
from orgs.actions import revoke_key
from orgs.models import ApiKey, Role
from orgs.permissions import KEY_SCOPES
from tests.matrix.callers import INVENTED, key_of, sign_in
from tests.matrix.elsewhere import GATEWAY
from tests.matrix.walking import Findings, Worlds

UNAUTHORIZED, REFUSED, HIDDEN = 401, 403, 404


def credentials(worlds: Worlds) -> Iterator[tuple[str, str, int]]:
    """(who, what stands in Authorization, what a call of our own model gets)."""
    ours = worlds.ours
    yield "anonymous", "", UNAUTHORIZED
    yield "invented key", f"Bearer {INVENTED}", UNAUTHORIZED
    yield "key in the wrong scheme", f"Basic {ours.rows.token}", UNAUTHORIZED
    yield "expired key", _bearer(ours, expires_at=now() - timedelta(minutes=1)), UNAUTHORIZED
    revoked = key_of(ours)
    key = ApiKey.objects.get(prefix=revoked.split("_")[1])
    revoke_key(actor=ours.owner, key_id=key.pk)
    yield "revoked key", f"Bearer {revoked}", UNAUTHORIZED
    token = sign_in(ours.people[Role.OWNER])["access_token"]
    yield "access token of a person", f"Bearer {token}", UNAUTHORIZED
    rest = [scope for scope in KEY_SCOPES if scope != "model.call"]
    yield "key without the scope", f"Bearer {key_of(ours, *rest)}", REFUSED
    yield "key elsewhere", f"Bearer {worlds.theirs.rows.token}", HIDDEN
    yield "key with the scope", f"Bearer {key_of(ours, 'model.call')}", 200


def _bearer(world: Any, **changes: Any) -> str:
    return f"Bearer {key_of(world, **changes)}"


def walk(worlds: Worlds, findings: Findings) -> None:
    """The rows must be committed: the gateway reads over connections of its own."""
    asyncio.run(_walk(list(credentials(worlds)), worlds, findings))


async def _walk(callers: list[tuple[str, str, int]], worlds: Worlds, findings: Findings) -> None:
    model = f"{worlds.ours.mark}-model"
    try:
        for who, authorization, found in callers:
            for name in GATEWAY:
                status, text = await ask(name.replace("<name>", model), authorization, model)
                findings.pairs += 1
                where = f"{who} at {name}"
                if status not in expected(name, found):
                    findings.note(where, f"{status}, not {sorted(expected(name, found))}")
                foreign = worlds.ours if who == "key elsewhere" else worlds.theirs
                if foreign.mark in text.replace(model, ""):
                    findings.note(where, f"shows the mark of {foreign.mark}")
    finally:
        await close_gateway()


def expected(name: str, found: int) -> set[int]:
    """A list is never refused to another organization: it is theirs. A call needs a wallet."""
    if name == "GET /v1/models" and found == HIDDEN:
        return {200}
    if name.startswith("POST") and found == 200:
        return {200, 502, 503}  # the worlds' provider does not answer
    return {found}


async def ask(name: str, authorization: str, model: str) -> tuple[int, str]:
    """(status, headers and body) of one exchange, without a server between."""
    method, path = name.split(" ")
    words = [{"role": "user", "content": "hello"}]
    body = json.dumps({"model": model, "messages": words}).encode() if method == "POST" else b""
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if authorization:
        raw.append((b"authorization", authorization.encode()))
    scope = {
        "type": "http", "method": method, "path": path, "headers": raw, "query_string": b"",
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    told: list[dict[str, Any]] = []
    asked = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked.is_set():
            await asyncio.sleep(3600)
        asked.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        told.append(dict(message))

    await application(scope, receive, send)
    head = next(part for part in told if part["type"] == "http.response.start")
    text = b"".join(part.get("body", b"") for part in told).decode(errors="replace")
    return head["status"], f"{head['headers']} {text}"
