"""Commands with too little of a real machine: a disk that fills, memory that ends, a clock that is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from core.bench.hostile.limits import limit_row

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux"),
]


@pytest.mark.parametrize(("kind", "count"), [("disk", 3), ("memory", 3), ("clock", 3)])
def test_a_command_ends_in_one_clear_line_and_loses_nothing(tmp_path: Path, kind: str, count: int) -> None:
    told = limit_row(kind, np.random.default_rng(2), count, tmp_path)
    if "left_out" in told:
        pytest.skip(str(told["left_out"]))
    assert told["unclear"] == []
    assert told["tried"] == count
