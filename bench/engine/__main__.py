"""The durable engine through Celery and a real worker, beside DBOS, Prefect and plain Celery.

W1   one run of 40 steps in a row, each durable before the next starts: its latency
W2   200 runs of 10 such steps at once: steps a second
W3   one run that fans out to 100 steps and joins: its time
W4   1,000 runs that each wait 2 s for a model, in one worker: calls under way, memory

Every step of every engine puts out the same 190 bytes of JSON and is counted once; what an engine
adds (a start, an end, a join) is in the time, not in the count. Ours runs from before the runs are
inserted (W2: in one transaction, as a batch is) until their ends have been announced; the peers
from before their own way of starting until they have all results. Rounds of all engines take
turns, and who is not asked sleeps. PostgreSQL and Redis are of this command alone.

    make bench-engine            or  .venv/bin/python -m bench.engine --rounds 3
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.engine.servers import Cluster, Missing, broker

BUDGET = 560.0
"""Seconds for everything but installing the peers: parts that would not fit are left out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1000, help="of W4")
    parser.add_argument("--grown", type=int, default=1_000_000, help="finished runs at the end")
    parser.add_argument("--small", action="store_true", help="few runs of ours, no peers")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to stop"))
    folder = Path(tempfile.mkdtemp(prefix="loom_bench_"))
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            cluster = Cluster(folder)
            held.callback(cluster.stop)
            cluster.start()
            address, redis_pid = held.enter_context(broker(folder))
        except Missing as error:
            sys.exit(f"This cannot run here: {error}")
        prepare(cluster, address, folder)

        from bench.engine.measuring import Measuring  # noqa: PLC0415 - the settings are chosen

        measuring = Measuring(cluster, address, redis_pid, folder, time.monotonic() + BUDGET)
        held.callback(measuring.close)
        figures = measuring.everything(given)
    print(json.dumps(head(given) | figures))


def prepare(cluster: Cluster, address: str, folder: Path) -> None:
    cluster.run("CREATE DATABASE bench_ours")
    os.environ |= {
        "DATABASE_URL": cluster.url("bench_ours"),
        "REDIS_URL": f"{address}/1",
        "DATA_DIR": str(folder / "data"),
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "config.settings.base",
    }
    import django  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0)


def head(given: argparse.Namespace) -> dict[str, object]:
    return {
        "bench": "engine",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "rounds": given.rounds,
    }


if __name__ == "__main__":
    main()
