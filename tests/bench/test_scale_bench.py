"""``bench scale``: what it counts, on runs of seconds."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from core.bench import run_bench
from core.bench.process_tree import CpuOfProcesses
from core.errors import NotFound

BURN = "import time\nwhile time.process_time() < 0.6: pass"


def test_an_unknown_row_is_named() -> None:
    with pytest.raises(NotFound, match="tabs"):
        run_bench("scale", rows=["tab"])


@pytest.mark.thorough
def test_cpu_of_processes_that_end_meanwhile_is_counted() -> None:
    with CpuOfProcesses() as cpu:
        between = time.time()
        subprocess.run([sys.executable, "-c", BURN], check=True)
    assert cpu.spent_by(time.time()) > 0.4
    assert cpu.spent_by(between) < 0.4


@pytest.mark.thorough
def test_a_shard_is_merged_and_counted() -> None:
    told = run_bench("scale", rows=["merge"], count=70)["merge"]
    assert told["samples"] == 70 and told["database_bytes_a_sample"] > 500 and told["merge_s"] > 0
