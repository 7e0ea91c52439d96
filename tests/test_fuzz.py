"""A few generated requests for every operation; `make fuzz-api` sends a hundred each."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_api_keeps_to_its_document(tmp_path):
    """In a process of its own: the fuzzer makes its own database, as the command does."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fuzz", "--examples", "8"],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path)} | _own_database(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert (found["server_errors"], found["breaches"]) == (0, 0)
    assert found["operations"] > 50
    assert found["cases"] >= 8 * found["operations"]


def _own_database():
    """Not the suite's: two test runs would drop each other's."""
    url = os.environ.get("DATABASE_URL", "")
    return {"DATABASE_URL": f"{url}_fuzz"} if url else {}
