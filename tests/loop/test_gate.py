"""The gate against draws whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.loop.gate import ALPHA, paired_gate, paired_p


def test_p_is_that_of_the_paired_one_sided_test() -> None:
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(1)
    for n in (2, 3, 5, 10):
        before, after = rng.normal(0.8, 0.05, n), rng.normal(0.83, 0.05, n)
        if after.mean() > before.mean():
            assert paired_p(list(after - before)) == pytest.approx(
                ttest_rel(after, before, alternative="greater").pvalue
            )


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_round_that_changes_nothing_is_kept_in_one_case_of_twenty(seeds: int) -> None:
    rng = np.random.default_rng(7)
    kept = np.mean([paired_p(list(rng.normal(0, 0.02, seeds))) <= ALPHA for _ in range(2000)])
    assert ALPHA - 0.02 < kept < ALPHA + 0.02


def test_a_gain_of_five_spreads_is_kept_and_pairing_is_what_finds_it() -> None:
    rng = np.random.default_rng(9)
    found = []
    for _ in range(300):
        start = rng.normal(0.8, 0.1, 3)  # seeds differ by far more than the round gains
        after = start + rng.normal(0.05, 0.01, 3)
        found.append(paired_gate("image_auroc", _by_seed(start), _by_seed(after)).kept)
    assert np.mean(found) > 0.9


def test_no_spread_and_no_gain() -> None:
    assert paired_gate("m", _by_seed([0.5, 0.5]), _by_seed([0.6, 0.6])).kept, "every seed gained the same"
    same = paired_gate("m", _by_seed([0.5, 0.6]), _by_seed([0.5, 0.6]))
    assert not same.kept and same.reason.endswith("no gain")
    worse = paired_gate("m", _by_seed([0.5, 0.6]), _by_seed([0.4, 0.6]))
    assert not worse.kept and worse.p == 1 and worse.gains["0"] == pytest.approx(-0.1)
    with pytest.raises(InputError, match="no spread"):
        paired_gate("m", {"0": 0.1}, {"0": 0.9})
    with pytest.raises(InputError, match="the same seeds"):
        paired_gate("m", _by_seed([0.1, 0.2]), {"0": 0.9, "2": 0.8})


def _by_seed(values: object) -> dict[str, float]:
    return {str(i): float(v) for i, v in enumerate(values)}  # type: ignore[arg-type, var-annotated]
