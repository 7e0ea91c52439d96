"""How soon an idle engine starts, how soon a browser sees, how much a process holds at once.

Import it once the settings are chosen.
"""

import asyncio
import ipaddress
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp
from django.conf import settings

from bench.engine.machine import free_port, peak_memory_mb
from bench.engine.ours import Ours
from bench.engine.servers import end, wait_for
from billing.actions import top_up_wallet
from llm.actions import create_model, create_provider
from orgs.actions import create_key
from workflows.models import Step

THINKING = 2.0
"""Seconds a simulated model call takes."""


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]


def starts(ours: Ours, count: int) -> list[float]:
    """Milliseconds from before `start_run` until the first effect ran, one run at a time."""
    found = []
    for _ in range(count):
        time.sleep(random.uniform(0.02, 0.12))
        asked = time.time()
        run = ours.start_one("short")
        until = time.monotonic() + 30
        while (step := Step.objects.filter(run=run, node_id="s1").first()) is None:
            if time.monotonic() > until:
                raise SystemExit("a run was not started within 30 s")
            time.sleep(0.02)
        found.append((step.started_at.timestamp() - asked) * 1000)
    return found


@contextmanager
def _process(*arguments: str, probe: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *arguments], start_new_session=True)
    try:
        wait_for(lambda: urllib.request.urlopen(probe, timeout=2).close(), arguments[0])
        yield
    finally:
        end(process)


def live(ours: Ours, runs: int) -> list[float]:
    """Milliseconds from an event's own time until a browser's stream brought it.

    One watcher a run, through uvicorn as `compose.yaml` starts it; all runs go at once.
    """
    token = create_key(actor=ours.actor, name="bench", scopes=["run.view"])[1]
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    serving = ("config.stream", "--port", str(port))
    os.environ["API_RATE"] = "100000"
    with _process(*serving, probe=f"{address}/healthz"):
        started = [ours.start_one("slow").public_id for _ in range(runs)]
        return asyncio.run(_watch_all(address, token, started))


async def _watch_all(address: str, token: str, runs: list[UUID]) -> list[float]:
    async with aiohttp.ClientSession(headers={"X-Api-Key": token}) as session:
        streams = [f"{address}/api/v1/runs/{run}/stream/" for run in runs]
        found = await asyncio.gather(*(_watch(session, stream) for stream in streams))
    return [each for delays in found for each in delays]


async def _watch(session: aiohttp.ClientSession, stream: str) -> list[float]:
    delays, connected = [], time.time()
    async with session.get(stream) as answer:
        if answer.status != 200:
            raise SystemExit(f"the stream was refused: {answer.status} {await answer.text()}")
        async for line in answer.content:
            if line.startswith(b"data: ") and b'"seq"' in line:
                at = datetime.fromisoformat(json.loads(line[6:])["at"]).timestamp()
                if at > connected:  # what was there before is no matter of being live
                    delays.append((time.time() - at) * 1000)
    return delays


def model_calls(ours: Ours, runs: int, slots: int) -> dict[str, Any]:
    """`runs` runs that each wait for a model: calls under way at once, memory, seconds."""
    settings.OUTGOING_ALLOW = [ipaddress.ip_network("127.0.0.1/32")]
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with _process("bench.engine.model", str(port), str(THINKING), probe=f"{address}/most"):
        top_up_wallet(actor=ours.actor, amount=10**15, ref="bench")
        provider = create_provider(actor=ours.actor, name="bench", base_url=f"{address}/v1")
        create_model(
            actor=ours.actor, name="bench", provider_id=provider.pk,
            input_price=150_000_000, output_price=600_000_000,
        )  # fmt: skip
        ours.start_worker(OUTGOING_ALLOW="127.0.0.1/32", ENGINE_SLOTS=str(slots))
        try:
            began = time.perf_counter()
            ours.go("W4", runs)
            seconds = time.perf_counter() - began
            memory = peak_memory_mb(ours.worker_pid)
        finally:
            ours.stop_worker()
        with urllib.request.urlopen(f"{address}/most", timeout=5) as answer:
            most = json.load(answer)["most"]
    return {"in_flight": most, "rss_mb": round(memory) if memory else None, "seconds": seconds}
