"""Thresholds from synthetic anomalies: those of the target, with honest intervals, and their gap to real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.cli.main import run
from core.api import GenerationBatch, Workbench
from core.api.evaluation.calibrations import CalibrationSpec
from core.errors import InputError
from core.evaluation.calibration import CalibrationPhoto, CalibrationTarget, calibrate, image_threshold
from core.evaluation.pixel_levels import PixelLevels, PixelPool
from core.images import mask_png_bytes, png_bytes
from tests.engines.test_contract import SHAPE, disc, part_photo


def levels(low: float, high: float, marked: bool = True, seed: int = 0) -> PixelLevels:
    """A map of noise about ``low``, with a square about ``high``."""
    scores = np.random.default_rng(seed).normal(low, 0.02, (16, 16)).astype(np.float32)
    mask = np.zeros((16, 16), np.bool_)
    mask[4:8, 4:8] = marked
    scores[mask] += high - low
    return PixelLevels.of(scores, mask)


def photo(
    source: str, score: float, number: int, label: str = "pit", pixels: PixelLevels | None = None
) -> CalibrationPhoto:
    shown = pixels or levels(0.1, 0.1 if source == "good" else 0.6, source != "good", number)
    name = "good" if source == "good" else label
    return CalibrationPhoto(f"{name}/{number}", name, source, score, shown, f"{source}{number}")  # type: ignore[arg-type]


def photos(real: tuple[float, ...] = ()) -> list[CalibrationPhoto]:
    good = [photo("good", 0.1 + 0.002 * i, i) for i in range(100)]
    made = [photo("synthetic", 0.2 + 0.01 * i, i, "pit" if i % 2 else "crack") for i in range(60)]
    return [*good, *made, *(photo("real", score, i) for i, score in enumerate(real))]


@pytest.mark.parametrize("text", ["false rejects ≤ 1 %", "false rejects <= 1%", "False rejects < 1,0 %"])
def test_a_target_is_read_as_people_write_it(text: str) -> None:
    assert CalibrationTarget.parse(text) == CalibrationTarget("false rejects", 0.01)


@pytest.mark.parametrize("text", ["", "1 %", "false rejects <= 100 %", "false rejects >= 1 %", "missed"])
def test_another_target_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="expected 'false rejects <= 1 %'"):
        CalibrationTarget.parse(text)


def test_the_threshold_is_the_lowest_or_highest_that_holds_the_target() -> None:
    good, bad = np.linspace(0, 1, 101), np.linspace(0.5, 1.5, 101)
    for share in (0.0, 0.01, 0.05, 0.2):
        at = image_threshold(good, bad, CalibrationTarget("false rejects", share))
        assert (good >= at).mean() <= share < (good >= np.nextafter(at, -np.inf)).mean() + 1e-9
        at = image_threshold(good, bad, CalibrationTarget("missed", share))
        assert (bad < at).mean() <= share < (bad < np.nextafter(at, np.inf)).mean() + 1e-9


def test_the_pixel_threshold_is_that_of_the_best_f1_of_all_pixels() -> None:
    from sklearn.metrics import precision_recall_curve

    rng = np.random.default_rng(1)
    maps = [rng.normal(0, 1, (20, 20)).astype(np.float32) for _ in range(5)]
    masks = [rng.random((20, 20)) < 0.2 for _ in maps]
    for scores, mask in zip(maps, masks, strict=True):
        scores[mask] += 1.5
    pool = PixelPool.of([PixelLevels.of(*pair) for pair in zip(maps, masks, strict=True)])
    precision, recall, at = precision_recall_curve(np.ravel(masks), np.ravel(maps))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best, threshold = pool.best_f1()
    assert best == pytest.approx(f1.max(), abs=2e-3) and threshold == pytest.approx(at[f1.argmax()], abs=0.05)
    assert pool.f1_at(threshold) == pytest.approx(best)
    assert pool.best_f1(np.array([2, 2, 2, 2, 2]))[0] == pytest.approx(best)


def test_the_gap_to_real_anomalies_is_what_the_threshold_loses_there() -> None:
    found = calibrate(photos(real=(0.25, 0.35, 0.5, 0.6)), CalibrationTarget("false rejects", 0.01), "x")
    assert found.false_rejects <= 0.01 and found.real is not None
    assert found.real.missed["pit"] == 0.25 and found.real.image_f1 < found.real.image_oracle
    assert 0 < found.real.image_kept < 1 and found.real.pixel_kept > 0.95
    assert found.image_interval[0] <= found.image <= found.image_interval[1] + 0.01
    assert json.loads(found.json_text())["format"] == 1 and set(found.missed) == {"pit", "crack"}


def test_few_photos_are_said_or_refused() -> None:
    few = [p for p in photos() if p.source != "good"] + photos()[:5]
    assert "hardly known" in calibrate(few, CalibrationTarget("best f1"), "x").notes[-1]
    with pytest.raises(InputError, match="got 1 and 60"):
        calibrate(few[:-4], CalibrationTarget("best f1"), "x")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Nine good photos, twelve pairs, two real anomalies."""
    with Workbench.create(tmp_path / "part") as opened:
        for seed in range(9):
            opened.project.add_normal(
                png_bytes(part_photo(seed=seed)), "png", f"{seed}.png", SHAPE[1], SHAPE[0], False
            )
        opened.studio.generate(GenerationBatch(engine="perlin", label="stain", count=12, seed=1, workers=1))
        for at in (40, 110):
            shown, mask = part_photo(seed=20), disc(SHAPE, at, 90, 14)
            shown[mask] = 20
            opened.project.add_example(
                png_bytes(shown), "png", "stain", "structural", [mask_png_bytes(mask)], f"{at}.png", SHAPE[1], SHAPE[0]
            )
        yield opened


def test_score_maps_of_any_detector_calibrate_it_and_those_of_another_set_do_not(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.datasets.export("mvtec-ad", tmp_path / "set", {"category": "part"}, everything=True)
    from core.evaluation.photo_sets import read_photo_set

    for shot in read_photo_set(tmp_path / "set", "test"):
        image = shot.read()
        scores = np.random.default_rng(0).random(image.shape[:2]).astype(np.float32)
        scores[shot.mask(image.shape[:2])] += 1
        target = tmp_path / "maps" / f"{shot.name}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, scores)
    given = ["calibrate", str(bench.path), "--detector", str(tmp_path / "maps"), "--masks", str(tmp_path / "set")]
    out, state = tmp_path / "c.json", tmp_path / "state.pt"
    assert run([*given, "--target", "false rejects <= 5 %", "--out", str(out), "--anomalib", str(state)]) == 0
    found = json.loads(out.read_text())
    assert found["missed"] == {"stain": 0.0} and 0.9 < found["image"] < 1.1 and 0.9 < found["pixel"] <= 1.05
    import torch

    assert set(torch.load(state, weights_only=True)) >= {"_image_threshold", "_pixel_threshold", "image_max"}
    assert bench.calibrations.latest()["image"] == found["image"]
    capsys.readouterr()
    (tmp_path / "maps" / "stain").rename(tmp_path / "maps" / "dent")
    assert run(given) == 2 and "the labels don't match" in capsys.readouterr().err
    assert run([*given[:3], str(tmp_path / "nothing")]) == 2 and "folder of score maps" in capsys.readouterr().err


def test_a_detector_of_ours_is_calibrated_on_photos_that_it_has_not_seen(bench: Workbench) -> None:
    from core.api.evaluation.specs import calibration_sets

    sets, made = calibration_sets(bench.project, "", False)
    trained = {shot.image for shot in sets.train}
    assert not trained & {shot.image for shot in sets.test} and len(made) >= 2
    paired, on_held = calibration_sets(bench.project, "", True)
    assert not {s.image for s in paired.train} & {s.image for s in on_held}
    with pytest.raises(InputError, match="no pair"):
        bench.calibrations.run(CalibrationSpec(engine="poisson"))


def test_one_good_photo_is_not_enough(tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "one") as opened:
        opened.project.add_normal(png_bytes(part_photo()), "png", "a.png", SHAPE[1], SHAPE[0], False)
        opened.studio.generate(GenerationBatch(engine="perlin", label="stain", count=2, seed=1, workers=1))
        with pytest.raises(InputError, match="1 photos of good parts, and 4 at least"):
            opened.calibrations.run(CalibrationSpec())
