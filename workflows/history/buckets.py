"""Durations as counts in buckets that grow by a constant factor.

Buckets of two hours are added number by number, and percentiles of the sum are as good as those of
one hour. An estimate is within 5 % of the true value (the bound of DDSketch: Masson, Rim and Lee,
VLDB 2019, with relative accuracy 0.05), from 1 ms to 100 days; shorter ones count as 1 ms, longer
ones as the last bucket.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ACCURACY = 0.05
GROWTH = (1 + ACCURACY) / (1 - ACCURACY)
_LOG = math.log(GROWTH)
LAST = math.ceil(math.log(100 * 86_400_000) / _LOG)
Counts = Mapping[str, int]
"""Bucket number as text (keys of JSON are) -> how many."""


def bucket_of(milliseconds: float) -> str:
    if milliseconds <= 1:
        return "0"
    return str(min(LAST, math.ceil(math.log(milliseconds) / _LOG)))


def value_of(bucket: int) -> float:
    """The milliseconds that no member of the bucket is further from than `ACCURACY`."""
    return 1.0 if bucket == 0 else 2 * GROWTH**bucket / (GROWTH + 1)


def percentile(counts: Counts, share: float) -> int | None:
    """The milliseconds that `share` (0 to 1) of all do not exceed; None when there are none."""
    total = sum(counts.values())
    if not total:
        return None
    rank, seen = max(1, math.ceil(share * total)), 0
    for bucket in sorted(map(int, counts)):
        seen += counts[str(bucket)]
        if seen >= rank:
            return round(value_of(bucket))
    return None
