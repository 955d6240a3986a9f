"""The few-shot benchmark's material: real anomalies where there are some, the demo's where there are none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.bench import few_shot
from core.bench.fixtures import MAX_EXAMPLES, TILE_LABEL, BenchFixture, read_bench_examples, reduced
from core.diffusion.backbone import preferred_batch_size
from core.diffusion.loading import load_backbone
from core.images import png_bytes
from core.types import NormalImage
from tests.diffusion.toy import write_toy
from tests.methods.anomaly_diffusion.test_engine import hole, plate


def test_without_real_photos_the_demo_plates_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAWSMITH_DATA", raising=False)
    lesson = read_bench_examples()
    assert lesson.name == "brushed_plate" and 2 <= len(lesson.examples) <= MAX_EXAMPLES and lesson.normals
    assert all(e.mask.any() and e.label == lesson.label for e in lesson.examples)


def test_real_photos_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiles = tmp_path / "magnetic_tile"
    photo = np.full((40, 60, 3), 90, np.uint8)
    mask = np.zeros((40, 60, 3), np.uint8)
    mask[10:20, 10:20] = 255
    for place in ("train/good", f"test/{TILE_LABEL}", f"ground_truth/{TILE_LABEL}"):
        (tiles / place).mkdir(parents=True)
    for i in range(30):
        (tiles / "train" / "good" / f"{i:03}.png").write_bytes(png_bytes(photo))
        (tiles / "test" / TILE_LABEL / f"{i:03}.png").write_bytes(png_bytes(photo))
        (tiles / "ground_truth" / TILE_LABEL / f"{i:03}_mask.png").write_bytes(png_bytes(mask, grey=True))
    monkeypatch.setenv("FLAWSMITH_DATA", str(tmp_path))
    lesson = read_bench_examples()
    assert lesson.name == "magnetic_tile" and 8 <= len(lesson.examples) <= MAX_EXAMPLES
    assert lesson.examples[-1].id > "020" and len(lesson.normals) == 30


def test_what_may_change_is_three_times_the_masks_box() -> None:
    mask = cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 10, 1, -1) != 0
    box = few_shot._box_around(mask, 1.0)
    assert box[mask].all() and 55 <= box[100].sum() <= 67 and not box[:60].any()
    assert reduced(np.zeros((512, 300, 3), np.uint8)).shape == (256, 150, 3)


@pytest.mark.thorough
def test_speed_and_memory_are_those_of_the_model_that_is_asked_for(tmp_path: Path) -> None:
    place = str(write_toy(tmp_path / "toy"))
    toy = load_backbone(place, "cpu", "float32")
    goods = tuple(NormalImage(f"n{k}", f"n{k}.png", plate(k)) for k in range(2))
    lesson = BenchFixture("plates", "hole", (hole(0), hole(1)), goods)
    concept = few_shot._learn(toy, lesson, tmp_path / "shelf", 20)
    found = few_shot._FewShotBench(toy, place, lesson, tmp_path / "shelf", quick=True).speed(concept)
    assert found["drawn_at_once"] == preferred_batch_size(toy) > 4
    assert found["peak_mb"] > 50
    assert all(found[name] > 0 for name in ("pairs_per_s", "generate_speedup", "batch_speedup"))
