"""`make matrix`: everybody at every door, on a database of its own; the figures come last."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time

os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="loomwork-matrix-")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")

import django

django.setup()

from django.conf import settings
from django.test.runner import DiscoverRunner
from django.test.utils import setup_test_environment

from tests.matrix import console, console_probes, gateway, probes, timing, walking
from tests.matrix.callers import callers
from tests.worlds import make_world


def main() -> int:
    logging.disable(logging.CRITICAL)  # sixteen thousand refusals need no line each
    setup_test_environment()
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        return report()
    finally:
        runner.teardown_databases(databases)


def report() -> int:
    findings = walking.Findings()
    # Everybody's tokens are made now; on a slow machine it takes long until their turn comes.
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 3600
    worlds = walking.Worlds(make_world("ALPHA-A"), make_world("CANARY-B"))
    everybody = list(callers(*worlds))
    worlds.settle()
    for caller in everybody:
        with Told(f"{caller.name}", findings):
            walking.walk(caller, worlds, findings)
            if not caller.api_only:
                console.walk(caller, worlds, findings)
    for name, part in (("the console", console_probes.everything), ("probes", probes.everything),
                       ("times", timing.walk)):  # fmt: skip
        with Told(name, findings):
            part(worlds, findings)
    with Told("the gateway", findings):
        gateway.walk(worlds, findings)
    undeclared = walking.undeclared() + console.undeclared()
    for line in [*findings.leaks, *(f"undeclared: {name}" for name in undeclared)]:
        print(line, flush=True)
    figures = {
        "routes": walking.count_of_routes() + len(console.names()),
        "pairs": findings.pairs,
        "leaks": len(findings.leaks),
        "undeclared": len(undeclared),
    }
    print(json.dumps(figures))
    return int(bool(findings.leaks or undeclared))


class Told:
    """One line for each part as it ends."""

    def __init__(self, name: str, findings: walking.Findings) -> None:
        self.name, self.findings = name, findings

    def __enter__(self) -> None:
        self.start, self.pairs = time.monotonic(), self.findings.pairs
        self.leaks = len(self.findings.leaks)

    def __exit__(self, *error: object) -> None:
        pairs, leaks = self.findings.pairs - self.pairs, len(self.findings.leaks) - self.leaks
        took = time.monotonic() - self.start
        print(f"{self.name:<34} {pairs:>6} pairs {leaks:>4} leaks {took:>6.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
