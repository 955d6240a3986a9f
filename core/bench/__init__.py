"""``launch.py bench NAME``: speed here, as ratios or medians of one run, and what the pairs are good for."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from core.errors import InputError
from core.lookup import named

BENCHES = {
    "calibrate": "core.bench.calibrate",
    "click": "core.bench.click",
    "comgen": "core.bench.comgen",
    "comgen-table": "core.bench.comgen_table",
    "core": "core.bench.core",
    "edits": "core.bench.edits",
    "dual": "core.bench.dual",
    "few-shot": "core.bench.few_shot",
    "hostile": "core.bench.hostile",
    "import": "core.bench.import_bench",
    "loop": "core.bench.loop",
    "mini": "core.bench.mini",
    "paper": "core.bench.paper",
    "realism": "core.bench.realism",
    "rules": "core.bench.rules",
    "scale": "core.bench.scale",
}
"""Name → module with ``measure(quick: bool, **options) -> dict``."""


def run_bench(name: str, quick: bool = False, **options: Any) -> dict[str, Any]:
    """Run one benchmark with the options that were given; NotFound and InputError name those there are."""
    measure = importlib.import_module(named(BENCHES, name, "benchmark")).measure
    known = set(inspect.signature(measure).parameters)
    if strange := sorted(set(options) - known):
        raise InputError(f"--{strange[0]}: the benchmark {name} has no such option; leave it out")
    return dict(measure(quick, **options))
