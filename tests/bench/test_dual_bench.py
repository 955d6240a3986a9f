"""The dual benchmark on a toy model: every figure is there, and what counts as the visible anomaly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.bench.dual import measure_backbone, visible_anomaly
from core.bench.fixtures import BenchFixture
from core.diffusion.loading import load_backbone
from core.segmentation.segmenter import iou
from core.types import NormalImage
from tests.diffusion.toy import write_toy
from tests.methods.anomaly_diffusion.test_engine import hole, plate


@pytest.mark.thorough
def test_all_figures_come_out(tmp_path: Path) -> None:
    toy = load_backbone(str(write_toy(tmp_path / "toy")), "cpu", "float32")
    goods = tuple(NormalImage(f"n{k}", f"n{k}.png", plate(k)) for k in range(2))
    found = measure_backbone(
        toy, BenchFixture("plates", "hole", (hole(0), hole(1)), goods), steps=1, pairs=1, repeats=1, draws=2
    )
    assert found["learn_steps"] == 1 and found["examples"] == 2
    for name in ("mask_iou", "mask_iou_threshold", "mask_iou_segmenter", "mask_iou_attention"):
        assert 0 <= found[name] <= 1 and 0 <= found["over_photo"][name] <= 1
    rates = ("pairs_per_s", "speedup_vs_sequential", "learn_steps_per_s", "learn_speedup_vs_sequential")
    assert all(found[name] > 0 for name in rates)
    assert found["peak_mb"] > 50 and found["learn_peak_mb"] > 50


@pytest.mark.parametrize("level", [60, 210])
def test_of_what_changed_the_anomaly_is_what_changed_strongly(level: int) -> None:
    rng = np.random.default_rng(level)
    before = np.clip(rng.normal(140, 3, (96, 96, 1)) + np.zeros(3), 0, 255).astype(np.uint8)
    after = before.copy()
    after[40:60, 30:55] = level
    after[:8] = np.clip(after[:8].astype(int) + 14, 0, 255)
    mask = np.zeros((96, 96), np.bool_)
    mask[40:60, 30:55] = True
    assert iou(visible_anomaly(before, after), mask) > 0.9
    assert not visible_anomaly(before, before).any()
