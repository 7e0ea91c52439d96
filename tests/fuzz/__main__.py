"""`python -m tests.fuzz [--examples N] [--only TEXT]`: the last line is the result as JSON."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

import django

IDLE = {"POST /api/v1/sso/connections/{id}/check/", "POST /api/v1/sso/domains/{id}/verify/"}
"""What cannot succeed here: they ask a far server that only `orgs/tests/test_sso.py` puts up."""


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    os.environ.setdefault("LOG_LEVEL", "CRITICAL")
    # Each stream is served to its end on a loop of its own, too short-lived for Redis' reader.
    os.environ["REDIS_URL"] = ""
    django.setup()
    logging.disable(logging.CRITICAL)

    from django.test.utils import (  # noqa: PLC0415
        setup_databases,
        setup_test_environment,
        teardown_databases,
    )

    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False, keepdb=False)
    began = time.monotonic()
    try:
        return _fuzz(options.examples, options.only, began)
    finally:
        teardown_databases(databases, verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="requests an operation")
    parser.add_argument("--only", default="", help="operations whose name holds this text")
    return parser.parse_args()


def _fuzz(examples: int, only: str, began: float) -> int:
    from config.wsgi import application  # noqa: PLC0415
    from llm.tests.upstreams import provider  # noqa: PLC0415
    from tests.fuzz.hitting import Fuzzer  # noqa: PLC0415
    from tests.fuzz.place import ending_streams, make_place  # noqa: PLC0415

    with provider() as upstream, ending_streams():
        report = Fuzzer(make_place(f"{upstream.url}/v1"), application, examples).run(only)
    for name, seen in sorted(report.statuses.items()):
        told = " ".join(f"{status}×{count}" for status, count in sorted(seen.items()))
        print(f"{name:<55} {told}")
    for (name, title), text in sorted(report.findings.items()):
        print(f"\n{name}\n  {title}\n  {text}")
    for name in sorted(set(report.never_well) - IDLE):
        report.findings[name, "never succeeded"] = name
        print(f"\n{name}\n  no request succeeded: of this operation the run proves nothing")
    print(f"\n{time.monotonic() - began:.0f} s")
    print(report.line())
    return 1 if report.findings or report.server_errors else 0


if __name__ == "__main__":
    sys.exit(main())
