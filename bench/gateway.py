"""Requests per second of /v1 with durable money, beside a relay that does nothing.

Every request of `gateway` is authenticated, held for and captured in PostgreSQL before its answer
(or its last piece) leaves; `bare` is the same server and client without any of it. One process
each; the provider answers from memory. At the end the ledger is proven: as many calls paid as
answered, to the nano.

    make bench-gateway           or  .venv/bin/python -m bench.gateway --seconds 5
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import uvloop

from bench.database import throwaway
from bench.gateway_servers import USAGE

WALLETS = 20
LOADS = (("plain", 1), ("plain", 32), ("plain", 128), ("stream", 32))
Row = dict[str, Any]


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    transport: asyncio.Transport

    def __init__(self, request: bytes, until: float, waits: list[float]) -> None:
        self.request, self.until, self.waits = request, until, waits
        self.gone = asyncio.get_running_loop().create_future()
        self.seen, self.asked = b"", 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.seen, self.asked = b"", time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, gap, body = self.seen.partition(b"\r\n\r\n")
        if not gap:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if (len(body) < int(length)) if length else not body.endswith(b"0\r\n\r\n"):
            return
        if not head.startswith(b"HTTP/1.1 200") or (b"stream" in head and b"[DONE]" not in body):
            self.gone.set_exception(RuntimeError(self.seen[:500].decode()))
            self.transport.close()
            return
        now = time.perf_counter()
        self.waits.append(now - self.asked)
        if now < self.until:
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


async def load(port: int, kind: str, connections: int, tokens: list[str], seconds: float) -> Row:
    body = {"model": "bench", "messages": [{"role": "user", "content": "Say something."}]}
    body |= {"max_tokens": 64, "stream": kind == "stream"}
    data = json.dumps(body, separators=(",", ":")).encode()
    waits: list[float] = []
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    callers = []
    for number in range(connections):
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"
            "content-type: application/json\r\n"
            f"authorization: Bearer {tokens[number % len(tokens)]}\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        request, until = head.encode() + data, started + seconds
        made = lambda r=request, u=until: Caller(r, u, waits)  # noqa: E731
        callers.append((await loop.create_connection(made, "127.0.0.1", port))[1])
    await asyncio.gather(*(caller.gone for caller in callers))
    wall = time.perf_counter() - started
    waits.sort()
    return {
        "rps": len(waits) / wall,
        "calls": len(waits),
        "p50": waits[len(waits) // 2] * 1000,
        "p95": waits[int(len(waits) * 0.95)] * 1000,
    }


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kind, *rest = arguments
    command = [sys.executable, "-m", "bench.gateway_servers", kind, str(port), *rest]
    process = subprocess.Popen(command)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def make_callers(provider_port: int) -> list[str]:
    """Organizations with money, a model at the provider, and a key each."""
    from accounts.models import User  # noqa: PLC0415
    from billing.actions import top_up_wallet  # noqa: PLC0415
    from llm.actions import create_model, create_provider  # noqa: PLC0415
    from orgs.access import system_actor  # noqa: PLC0415
    from orgs.actions import create_key, found_organization  # noqa: PLC0415

    user = User.objects.create_user(email="bench@example.com", password=None)
    tokens = []
    for number in range(WALLETS):
        actor = system_actor(found_organization(user_id=user.pk, name=f"bench {number}").pk)
        top_up_wallet(actor=actor, amount=10**15, ref="bench")
        base_url = f"http://127.0.0.1:{provider_port}/v1"
        provider = create_provider(actor=actor, name="bench", base_url=base_url)
        create_model(
            actor=actor, name="bench", provider_id=provider.pk,
            input_price=150_000_000, output_price=600_000_000,
        )  # fmt: skip
        tokens.append(create_key(actor=actor, name="bench", scopes=["model.call"])[1])
    return tokens


def commit_ms(rounds: int = 60) -> float:
    """What one durable commit of one row takes on this disk now: a call needs two in a row."""
    from django.db import connection  # noqa: PLC0415

    waits = []
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_commit (n int)")
        for number in range(rounds):
            started = time.perf_counter()
            cursor.execute("INSERT INTO bench_commit VALUES (%s)", [number])
            waits.append((time.perf_counter() - started) * 1000)
            time.sleep(0.004)
        cursor.execute("DROP TABLE bench_commit")
    return round(statistics.median(waits), 2)


def prove(calls: int) -> int:
    """The sum of all captures in nanos, after checking it against the answers received."""
    from billing.models import Hold, UsageRecord  # noqa: PLC0415
    from billing.proof import prove_all  # noqa: PLC0415

    proofs = prove_all()
    cost = USAGE["prompt_tokens"] * 150 + USAGE["completion_tokens"] * 600
    paid = sum(proof.captured_entries for proof in proofs)
    assert not any(proof.differences for proof in proofs)
    assert not Hold.objects.filter(state="open").exists()
    assert UsageRecord.objects.count() == calls, (UsageRecord.objects.count(), calls)
    assert paid == calls * cost, (paid, calls * cost)
    return paid


def measure(seconds: float, rounds: int) -> tuple[list[Row], int, int]:
    os.environ["OUTGOING_ALLOW"] = "127.0.0.1/32"
    rows: list[Row] = []
    with serving("provider") as provider, serving("bare", str(provider)) as bare:
        from django.conf import settings  # noqa: PLC0415

        settings.OUTGOING_ALLOW = _loopback()
        tokens = make_callers(provider)
        with serving("gateway") as gateway:
            paid_calls = 0
            ways = (("bare", bare), ("gateway", gateway))
            for way, port in ways:
                warm = uvloop.run(load(port, "plain", 16, tokens, 0.5))
                paid_calls += warm["calls"] if way == "gateway" else 0
            for _ in range(rounds):
                for kind, connections in LOADS:
                    for way, port in ways:
                        row = uvloop.run(load(port, kind, connections, tokens, seconds))
                        rows.append({"way": way, "kind": kind, "connections": connections, **row})
                        paid_calls += row["calls"] if way == "gateway" else 0
        return rows, paid_calls, prove(paid_calls)


def _loopback() -> list[Any]:
    import ipaddress  # noqa: PLC0415

    return [ipaddress.ip_network("127.0.0.1/32")]


def medians(rows: list[Row]) -> Iterator[Row]:
    for kind, connections in LOADS:
        pair = {}
        for way in ("bare", "gateway"):
            key = {"way": way, "kind": kind, "connections": connections}
            same = [row for row in rows if key.items() <= row.items()]
            figures = {n: statistics.median(r[n] for r in same) for n in ("rps", "p50", "p95")}
            pair[way] = {**key, **{name: round(value, 1) for name, value in figures.items()}}
        pair["gateway"]["of_bare"] = round(pair["gateway"]["rps"] / pair["bare"]["rps"], 2)
        yield from pair.values()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with throwaway(f"loom_bench_gateway_{os.getpid()}") as server:
        rows, calls, paid = measure(given.seconds, given.rounds)
        server["commit_ms"] = str(commit_ms())
    table = list(medians(rows))
    head = ("way", "kind", "connections", "rps", "p50", "p95", "of_bare")
    print("".join(f"{name:>12}" for name in head))
    for row in table:
        print("".join(f"{row.get(name, ''):>12}" for name in head))
    print(f"{calls} calls paid, {paid} nanos captured: every wallet proven")
    print(f"one durable commit took {server['commit_ms']} ms")
    summary = {
        "bench": "gateway",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "postgresql": server,
        "wallets": WALLETS,
        "calls": calls,
        "captured_nanos": paid,
        "rows": table,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
