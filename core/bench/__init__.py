"""Benchmarks of this machine: ``launch.py bench NAME``. Speeds are ratios or medians, measured in one run."""

from __future__ import annotations

import importlib
from typing import Any

from core.errors import NotFound

BENCHES = {"core": "core.bench.core"}
"""Name → module with ``measure(quick: bool) -> dict``."""


def run_bench(name: str, quick: bool = False) -> dict[str, Any]:
    """Run one benchmark; NotFound names those there are."""
    if name not in BENCHES:
        raise NotFound(f"benchmark {name!r}: there are {', '.join(BENCHES)}")
    return dict(importlib.import_module(BENCHES[name]).measure(quick))
