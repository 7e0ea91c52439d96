"""The other side of every side effect: an honest server that honours `Idempotency-Key`.

`/do?what=NAME` is one effect. With the same key it is done once, however often it is asked for:
who comes again gets the first answer. `delay` seconds of work, `fail` times 503 before it works,
`lose` times the effect happens and the answer is lost on its way, `refuse=X` is 422 for every name
that ends in X.
"""

import asyncio
from collections import Counter, defaultdict

from aiohttp import web


class Receiver:
    """Counts effects by key and by name; `repeated` are deliveries of what was done already."""

    def __init__(self) -> None:
        self.deliveries: Counter[str] = Counter()
        self.effects: dict[str, str] = {}
        """Key -> name of the effect."""
        self.done: Counter[str] = Counter()
        """How often each name happened; more than once is what must never be."""
        self.repeated = 0
        self.without_key: list[str] = []
        self.changed: list[str] = []
        """Keys under which something else was asked than the first time."""
        self._asked: dict[str, tuple[str, bytes]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        key, asked = request.headers.get("Idempotency-Key", ""), request.query
        name = asked["what"]
        if not key:
            self.without_key.append(name)
        self.deliveries[key] += 1
        before = self._asked.setdefault(key, (request.path_qs, await request.read()))
        if before != (request.path_qs, await request.read()):
            self.changed.append(key)
        refused = asked.get("refuse")
        if refused and name.endswith(refused):
            return web.Response(status=422, text="refused")
        async with self._locks[key]:
            return await self._do(request, key, name)

    async def _do(self, request: web.Request, key: str, name: str) -> web.StreamResponse:
        asked, times = request.query, self.deliveries[key]
        fail, lose = int(asked.get("fail", 0)), int(asked.get("lose", 0))
        if key in self.effects:
            self.repeated += 1
        else:
            await asyncio.sleep(float(asked.get("delay", 0)))
            if times <= fail:
                return web.Response(status=503, text="busy")
            self.effects[key] = name
            self.done[name] += 1
        if times <= fail + lose and request.transport is not None:
            request.transport.abort()
        return web.Response(text=f"did {name.partition('/')[2]}")

    @property
    def doubled(self) -> list[str]:
        return sorted(name for name, times in self.done.items() if times > 1)
