"""How the shipped model is measured."""

from __future__ import annotations

import numpy as np
import pytest

from core.bench import mini
from core.bench.mini import UNSEEN_SEED, psnr, token_iou
from tools.mini_model import bank


def test_psnr_of_a_known_error() -> None:
    a = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(a, a + 5) == pytest.approx(20 * np.log10(255 / 5))


def test_token_iou_counts_cells() -> None:
    mask = np.zeros((256, 256), bool)
    mask[:64, :64] = True
    heat = np.zeros((16, 16), np.float32)
    heat[:4, :4] = 0.8
    assert token_iou(heat, mask) == 1
    heat[:4, 4:8] = 0.7
    assert token_iou(heat, mask) == 0.5
    heat[:4, 4:8] = 0.3
    assert token_iou(heat, mask) == 1, "below half the maximum"
    assert token_iou(heat[::-1].copy(), mask) == 0


def test_training_leaves_the_benchmarks_scenes_alone() -> None:
    assert bank.SEEDS <= UNSEEN_SEED < 2**31


@pytest.mark.thorough
def test_a_finder_learned_on_renders_names_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.demo import scenes

    monkeypatch.setattr(mini, "_reconstructed", lambda backbone, images: iter(images))
    finder = mini.WordFinder.learned(None, "gear_unit", 80)  # type: ignore[arg-type]
    assert set(finder.words) == {"gear", "pinion", "bearing", "lever", "screw"}
    spec = scenes.normal("gear_unit", 5)
    assert "gear" in finder.found(scenes.make(spec, 256).image)
    assert "gear" not in finder.found(scenes.make(spec.without("gear"), 256).image)
    assert 0.7 < finder.accuracy <= 1
