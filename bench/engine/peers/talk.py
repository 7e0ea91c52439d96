"""How a peer is told what to run: lines of words in, lines of JSON out. No part of Loomwork."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

OUTPUT = {"text": "x" * 120, "count": 42, "done": True, "items": ["a", "b", "c"], "note": "bench"}
"""What every step puts out: 190 bytes as JSON."""


def serve(workloads: dict[str, Callable[[], Any]]) -> None:
    """Answer `{"wall": seconds}` or `{"error": text}` for each workload asked for, until the end.

    Whatever libraries print goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(json.dumps({"ready": sorted(workloads)}) + "\n")
    for line in sys.stdin:
        try:
            started = time.perf_counter()
            workloads[line.strip()]()
            answer: dict[str, Any] = {"wall": time.perf_counter() - started}
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked must hear of it
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
