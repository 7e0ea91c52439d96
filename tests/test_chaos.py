"""`make chaos-engine` goes on proving what it says: run once, small, and its judgement tried."""

import json
import subprocess
import sys
from random import Random

import pytest
from django.conf import settings

from bench.chaos.disturbances import WEIGHTS, plan
from core.database import is_postgres

GOOD = {"lost": 0, "doubled": 0, "gaps": 0, "leases_leaked": 0, "undecided": 0, "left": 0}


@pytest.mark.services
@pytest.mark.skipif(not is_postgres(), reason="its workers are many processes on PostgreSQL")
def test_runs_end_as_they_must_while_everything_is_killed_under_them():
    size = ("--runs", "12", "--kills", "4", "--seed", "1")
    command = [sys.executable, "-W", "ignore", "-m", "bench.chaos", *size]

    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert figures.items() >= {"runs": 12, "kills": 4, **GOOD}.items()
    assert figures["effects"] > 12


@pytest.mark.parametrize("kills", [0, 4, 60])
def test_the_seed_decides_what_goes_wrong_and_a_long_plan_has_every_cause(kills):
    found = plan(Random(7), kills)

    assert (found, len(found)) == (plan(Random(7), kills), kills)
    assert kills < len(WEIGHTS) or set(found) == set(WEIGHTS)
