"""Celery's own chains and chords, results in PostgreSQL, two processes of a prefork pool.

The environment says where its database and broker are. W2 is a tenth: 20 runs of 10 steps.
"""

import os
import subprocess
import sys
from pathlib import Path

from celery import Celery, chain, chord
from talk import OUTPUT, serve

DATABASE = os.environ["PEER_DATABASE"].replace("postgres://", "db+postgresql+psycopg://")
app = Celery("celery_peer", broker=os.environ["PEER_BROKER"], backend=DATABASE)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=16,
    result_chord_retry_interval=0.1,
    worker_hijack_root_logger=False,
    database_short_lived_sessions=False,
)


@app.task
def step(number: int) -> dict[str, object]:
    return OUTPUT


@app.task
def join(results: list[object]) -> int:
    return len(results)


def start_chain(steps: int) -> object:
    return chain(*(step.si(number) for number in range(steps))).apply_async()


def one_chain() -> None:
    assert start_chain(40).get(interval=0.005, timeout=120) == OUTPUT


def many_chains() -> None:
    for result in [start_chain(10) for _ in range(20)]:
        assert result.get(interval=0.02, timeout=120) == OUTPUT


def one_fan() -> None:
    steps = chord((step.si(number) for number in range(100)), join.s())
    assert steps.apply_async().get(interval=0.005, timeout=120) == 100


if __name__ == "__main__":
    command = [sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "-c", "2"]
    quiet = ["-l", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    here = Path(__file__).parent
    worker = subprocess.Popen([*command, *quiet], cwd=here, stdout=sys.stderr)
    try:
        start_chain(3).get(timeout=60, interval=0.02)
        serve({"W1": one_chain, "W2": many_chains, "W3": one_fan})
    finally:
        worker.terminate()
        worker.wait(20)
