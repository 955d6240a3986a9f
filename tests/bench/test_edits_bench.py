"""``bench edits``: twins that are true, and figures that tell good from bad."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.bench import run_bench
from core.bench.edits.blind import BlindPair, blind_figures
from core.bench.edits.extra import extra_figures
from core.bench.edits.measures import error_levels, ghost
from core.bench.edits.twins import EditTwin, twins
from core.errors import InputError, NotFound
from core.types import Recipe, Sample


def test_a_quick_table_has_its_figures() -> None:
    found = run_bench(
        "edits", True, rows=["layout.remove"], product=["fastener_tray"], params={"side": 192, "goods": 1}
    )
    row = found["layout.remove"]["192"]["1"]
    assert {"error_levels", "telea", "noise", "ghost", "mask_iou", "error_worst"} <= row.keys() and row["edits"] == 1
    assert 0 < row["noise"] < row["error_levels"]


@pytest.mark.parametrize("op", ["remove", "move", "swap", "duplicate"])
def test_a_twin_differs_where_it_says(op: str) -> None:
    twin = next(iter(twins("fastener_tray", op, 192, 1)))
    apart = np.abs(twin.true.astype(int) - twin.photo.pixels).max(axis=2)
    assert apart[twin.changed].mean() > 15 and np.percentile(apart[~twin.changed], 99) <= 8
    assert error_levels(twin.true, twin.levels, twin.changed) < 1.5


def test_a_ghost_is_told_from_a_true_twin() -> None:
    # Of a spring what is left over has edges everywhere, not along its outline alone.
    twin = next(one for one in twins("fastener_tray", "remove", 256, 12) if one.target.startswith("washer"))
    left = np.rint(twin.true + 0.15 * (twin.photo.pixels.astype(float) - twin.true)).astype(np.uint8)
    assert ghost(twin.true, twin.levels, twin.outline, twin.arrived) < 1.2
    assert ghost(left, twin.levels, twin.outline, twin.arrived) > 2


def test_the_card_is_measured_on_true_twins_and_on_faults() -> None:
    found = run_bench("edits", True, rows=["card"], product=["fastener_tray"], count=3, params={"side": 256})
    row = found["card"]["256"]
    assert row["twins"] == 3 and row["untold"] < 1 and row["true_bad"] <= row["light_step_5"] <= 1


def test_the_blind_test_tells_a_plain_giveaway_and_no_more_than_chance_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    true = [rng.normal(0, 1, 40).astype(np.float32) for _ in range(24)]
    again = [rng.normal(0, 1, 40).astype(np.float32) for _ in range(24)]
    mark = np.zeros(40, np.float32)
    mark[3:13] = 4
    pairs = [BlindPair({"same": a, "marked": a + mark}, t) for a, t in zip(again, true, strict=True)]
    found = blind_figures(pairs)
    assert found["twins"] == 24 and found["marked"] > 0.9 and 0.3 < found["same"] < 0.7


def test_an_extra_part_is_told_by_the_ground_that_it_lies_on() -> None:
    twin = next(iter(twins("fastener_tray", "duplicate", 192, 1)))

    def laid(mask: np.ndarray) -> Callable[[EditTwin], Sample]:
        recipe = Recipe("layout", "extra", "logical", "n", 0, {})
        return lambda asked: Sample(asked.photo.pixels, mask, "extra", "logical", recipe)

    def refused(asked: EditTwin) -> Sample:
        assert "dx" not in asked.params
        raise InputError("no free place")

    assert extra_figures([twin], laid(twin.floor)) == {"orders": 1, "refused": 0, "allowed": 1, "on_floor": 1}
    assert extra_figures([twin], laid(~twin.floor))["allowed"] == 0
    assert extra_figures([twin], refused) == {"orders": 1, "refused": 1}


def test_unknown_rows_and_settings_are_named() -> None:
    with pytest.raises(NotFound, match=r"layout\.fly"):
        run_bench("edits", True, rows=["layout.fly"])
    with pytest.raises(InputError, match="tiles"):
        run_bench("edits", True, params={"tiles": 3})
