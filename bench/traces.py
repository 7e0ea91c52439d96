"""How long a trace search takes among a million rows of every kind.

One organization with everything under one trace, its rows copied `--rows` times under other traces
(tables of approvals a fifth as often). Then each kind of search, `--rounds` times: what it costs in
this process, queries and all, without HTTP.

    .venv/bin/python -m bench.traces --rows 1000000
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from bench.database import throwaway

FIFTH = 5
TABLES: dict[str, dict[str, str]] = {
    "workflows_run": {"id": "{base} + g", "public_id": "gen_random_uuid()",
                      "api_key_id": "CASE WHEN g % 10 = 0 THEN gen_random_uuid() END",
                      "idempotency_key": "NULL"},
    "workflows_step": {"id": "{base} + g", "run_id": "{run} + g"},
    "workflows_event": {"id": "{base} + g", "run_id": "{run} + g", "kind": "'run.queued'"},
    "billing_hold": {"id": "gen_random_uuid()", "billing_ref": "'r' || g"},
    "billing_ledgerentry": {"id": "{base} + g", "hold_id": "gen_random_uuid()", "ref": "NULL"},
    "billing_usagerecord": {"id": "{base} + g", "hold_id": "gen_random_uuid()",
                            "api_key_id": "gen_random_uuid()"},
    "audit_entry": {"id": "{base} + g", "actor_id": "gen_random_uuid()",
                    "target_id": "gen_random_uuid()::text"},
    "bpm_processinfo": {"id": "md5('p' || g)::uuid", "process_id": "{base} + g",
                        "idempotency_key": "'k' || g"},
    "bpm_humantask": {"id": "md5('t' || g)::uuid", "task_id": "{base} + g",
                      "process_id": "md5('p' || g)::uuid"},
    "bpm_decision": {"id": "gen_random_uuid()", "task_id": "md5('t' || g)::uuid"},
    "bpm_comment": {"id": "gen_random_uuid()", "task_id": "md5('t' || g)::uuid"},
}  # fmt: skip
"""What differs in a copy; `trace_id` does wherever there is one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    with throwaway("loomwork_bench_traces") as about:
        searches = prepare(options.rows)
        figures = {name: measure(search, options.rounds) for name, search in searches.items()}
    print(json.dumps({"rows": options.rows, **about, "ms": figures}))


def prepare(rows: int) -> dict[str, Callable[[], object]]:
    from orgs.access import Actor  # noqa: PLC0415
    from orgs.trail_search import resolve  # noqa: PLC0415
    from orgs.trails import read_trail  # noqa: PLC0415
    from tests.worlds import make_world  # noqa: PLC0415

    world = make_world("BENCH")
    owner = Actor(organization_id=world.organization.pk, role="owner")
    trace = [world.trace_id]
    read_trail(owner, trace)  # every module is loaded before the long part
    fill(rows)
    later = read_trail(owner, trace, limit=5).next
    return {
        "a trace": lambda: read_trail(owner, trace),
        "its later page": lambda: read_trail(owner, trace, cursor=later),
        "a trace, for an operator": lambda: read_trail(None, trace),
        "no such trace": lambda: read_trail(owner, ["f" * 32]),
        "which trace: run": lambda: resolve(owner, str(world.rows.run.public_id)),
        "which trace: hold": lambda: resolve(owner, str(world.rows.hold.pk)),
        "which trace: reference": lambda: resolve(owner, world.rows.hold.billing_ref),
        "which trace: number": lambda: resolve(owner, "4711"),
        "which trace: key": lambda: resolve(owner, str(world.rows.key.pk)),
    }


def fill(rows: int) -> None:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
        cursor.execute("SELECT max(id) + 1000 FROM workflows_run")
        run = cursor.fetchone()[0]
        for table, changes in TABLES.items():
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
            )
            columns = [name for (name,) in cursor.fetchall()]
            told = {"trace_id": "md5('trace' || g)", **changes}
            values = [
                told[name].format(base=run, run=run) if name in told else f'one."{name}"'
                for name in columns
            ]
            names = ", ".join(f'"{name}"' for name in columns)
            count = rows // FIFTH if table.startswith("bpm_") else rows
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {', '.join(values)}"
                f" FROM (SELECT * FROM {table} LIMIT 1) one, generate_series(1, {count}) g"
            )
            cursor.execute(f"ANALYZE {table}")
        cursor.execute("SET session_replication_role = origin")


def measure(search: Callable[[], object], rounds: int) -> dict[str, float]:
    search()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        search()
        took.append((time.perf_counter() - start) * 1000)
    took.sort()
    return {
        "p50": round(statistics.median(took), 1),
        "p95": round(took[int(len(took) * 0.95) - 1], 1),
        "max": round(took[-1], 1),
    }


if __name__ == "__main__":
    main()
