"""The measurements go on working: each is run once, small.

Not `bench.permissions`, whose size is its point: `make bench-permissions` has it.
"""

import json
import subprocess
import sys

import pytest
from django.conf import settings

from core.database import is_postgres

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not is_postgres(), reason="they measure PostgreSQL"),
]
SMALL = {
    "engine": ("--small", "--rounds", "1", "--runs", "30", "--grown", "2000"),
    "engine.inside": ("W1", "--rounds", "1"),
    "gateway": ("--seconds", "0.2", "--rounds", "1"),
    "traces": ("--rows", "1000", "--rounds", "1"),
}
ALWAYS = {"engine": ("w4_in_flight", "w4_rss_mb", "start_p95_ms", "live_p95_ms")}
"""What is measured without the peers, too."""


@pytest.mark.parametrize("name", SMALL)
def test_a_measurement_ends_with_its_figures(name):
    command = [sys.executable, "-m", f"bench.{name}", *SMALL[name]]

    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    missing = set(ALWAYS.get(name, ())) - {key for key, value in figures.items() if value}
    assert not missing, done.stderr
