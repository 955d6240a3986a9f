"""How raw timings become figures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def median_rate(work: Callable[[int], Any], repeats: int, each: int) -> float:
    """Calls per CPU-second: the median over ``repeats`` of ``each`` calls, after one that warms up."""
    work(0)
    rates = []
    for repeat in range(repeats):
        began = time.process_time()
        for i in range(each):
            work(1 + repeat * each + i)
        rates.append(each / max(time.process_time() - began, 1e-9))
    return round(statistics.median(rates), 1)


def p95(values: Iterable[float]) -> float:
    """The 95th percentile."""
    return float(np.percentile(list(values), 95))
