"""How little PostgreSQL can do for a durable step: plain psycopg, one statement for many runs.

`step`: the run's row moves on and its step is inserted, nothing else, on one index each.
"""

import json
import os
from dataclasses import dataclass

import psycopg

from bench.engine.flows import PAYLOAD
from bench.engine.machine import metered
from bench.engine.servers import Cluster

DATABASE = "bench_limit"
TABLES = """
DROP TABLE IF EXISTS step; DROP TABLE IF EXISTS run;
CREATE TABLE run (id bigint PRIMARY KEY, state smallint NOT NULL, seq int NOT NULL,
  epoch int NOT NULL, changed timestamptz) WITH (fillfactor = 50);
CREATE TABLE step (run_id bigint NOT NULL, seq int NOT NULL, node text NOT NULL,
  state smallint NOT NULL, output jsonb, started timestamptz, ended timestamptz,
  PRIMARY KEY (run_id, seq));
INSERT INTO run SELECT g, 1, 0, 1, now() FROM generate_series(1, 256) g
"""
COMMIT = """
WITH v AS (
  SELECT * FROM unnest(%s::bigint[], %s::int[], %s::jsonb[]) AS t(id, seq, output)
), u AS (
  UPDATE run SET seq = run.seq + 1, changed = now() FROM v
  WHERE run.id = v.id AND run.seq = v.seq AND run.epoch = 1
  RETURNING run.id, v.seq, v.output
)
INSERT INTO step SELECT id, seq, 'node', 2, output, now(), now() FROM u
"""


@dataclass
class Limit:
    """Steps a second and microseconds of PostgreSQL's CPU a step."""

    batch: int
    rate: float
    database_us: float
    foreign: float


def measure(cluster: Cluster, batch: int, steps: int) -> Limit:
    """Commit `steps` steps, `batch` runs a statement, on one connection."""
    if not cluster.run(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
        cluster.run(f"CREATE DATABASE {DATABASE}")
    output, batch = json.dumps(PAYLOAD), max(1, min(batch, 256))
    with psycopg.connect(cluster.url(DATABASE), autocommit=True, prepare_threshold=0) as database:
        for statement in TABLES.split(";"):
            database.execute(statement)
        database.execute("VACUUM ANALYZE run")
        at, done = 0, [0] * 257
        with metered([os.getpid()], cluster.pid) as taken:
            for _ in range(max(1, steps // batch)):
                runs = [(at + n) % 256 + 1 for n in range(batch)]
                at += batch
                made = database.execute(
                    COMMIT, (runs, [done[run] for run in runs], [output] * batch)
                )
                if made.rowcount != batch:
                    raise SystemExit(f"{made.rowcount} of {batch} steps were committed")
                for run in runs:
                    done[run] += 1
    written = max(1, steps // batch) * batch
    return Limit(batch, written / taken.wall, taken.database / written * 1e6, taken.foreign)
