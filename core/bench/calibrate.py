"""``launch.py bench calibrate``: what a threshold set by an engine's pairs keeps of the best one on real anomalies.

One row per engine, on one learning folder and one test folder. Two thirds of the learning folder's good photos teach
the detector, with the engine's pairs on them where it learns from pairs. New pairs lie on the other third, which is
scored with them; the thresholds then meet the test folder, whose good photos and real anomalies give the best F1 that
any threshold reaches there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, NormalRow, Workbench
from core.bench.realism import EXCLUDED_LABELS, QUICK, test_folders
from core.bench.realism.environment import environment
from core.bench.realism.rows import open_project, prepare_bank
from core.device import derive_seed, numpy_rng
from core.engines.registry import engine
from core.errors import InputError
from core.evaluation.calibration import CalibrationPhoto, CalibrationTarget, calibrate
from core.evaluation.detectors.api import TrainContext
from core.evaluation.detectors.api import detector as detector_named
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.scored_photos import score_shots, train_detector
from core.types import GOOD

ENGINES = ("cut_paste", "perlin", "poisson", "stamp")
TARGETS = ("best f1", "false rejects <= 1 %")
QUICK_PHOTOS = 24


def measure(
    quick: bool = False,
    *,
    data: Path | None = None,
    out: Path | None = None,
    test: Path | None = None,
    rows: Sequence[str] = (),
    count: int | None = None,
    detector: str = "features",
    preset: str = "cpu",
    without: Sequence[str] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{"signature", "tables": {folder: {"config", "rows"}}}``; a row has the engine, the target, thresholds, and the
    shares of the best image and pixel F1 that are kept. ``count`` is pairs per label. InputError where a folder is
    missing."""
    if data is None or out is None:
        raise InputError("bench calibrate: give --data (a folder with real anomalies) and --out (where projects go)")
    tables = {}
    for learn, tested in test_folders(data, test):
        left = tuple(EXCLUDED_LABELS.get(learn.name, ()) if without is None else without)
        run = _CalibrationTable(learn, tested, out / learn.name, left, count or (4 if quick else 30), quick)
        tables[learn.name] = run.rows(rows or ENGINES, detector, preset, progress)
    return {"signature": environment("cpu"), "tables": tables}


@dataclass(frozen=True)
class _CalibrationSplit:
    """The learning folder's good photos: those that teach, and those that are held out."""

    taught: Sequence[NormalRow]
    held: Sequence[NormalRow]


class _CalibrationTable:
    def __init__(self, learn: Path, test: Path, out: Path, without: tuple[str, ...], count: int, quick: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._learn, self._test, self._out, self._without = learn, test, out, without
        self._count, self._most = count, QUICK_PHOTOS if quick else None

    def rows(self, names: Sequence[str], detector: str, preset: str, say: Callable[[str], None]) -> dict[str, Any]:
        """The rows of all engines, with one detector."""
        with open_project(self._out / "project", self._learn) as bench:
            normals = bench.project.normals()
            order = numpy_rng(0, "calibration").permutation(len(normals))[: self._most]
            cut = max(2, len(order) // 3)
            split = _CalibrationSplit(*([normals[i] for i in part] for part in (order[cut:], order[:cut])))
            labels = sorted({row.label for row in bench.project.examples()} - set(self._without))
            found = [
                row for name in names for row in self._engine_rows(bench, name, labels, split, detector, preset, say)
            ]
        config = {"detector": detector, "preset": preset, "pairs_per_label": self._count, "good": len(split.held),
                  "tested_on": self._test.name, "without": list(self._without)}  # fmt: skip
        return {"config": config, "rows": found}

    def _engine_rows(
        self,
        bench: Workbench,
        name: str,
        labels: Sequence[str],
        split: _CalibrationSplit,
        detector: str,
        preset: str,
        say: Callable[[str], None],
    ) -> list[dict[str, Any]]:
        """A row for each target: the detector taught anew, calibrated by pairs on the held-out photos."""
        if engine(name).example_source == "bank":
            prepare_bank(bench, self._out / "bank")
        chosen, ctx = detector_named(detector), TrainContext(keep=False)
        train = [_good_shot(row) for row in split.taught]
        if chosen.needs_pairs:
            train += self._pairs(bench, name, labels, split.taught, "learn")[0]
        fitted = train_detector(chosen, preset, train, ctx, QUICK if self._most else None)
        say(f"{self._learn.name} {name}: {detector} trained on {len(train)} photos")
        pairs, origins = self._pairs(bench, name, labels, split.held, "calibrate")
        tested = self._tested()
        scored = [
            *score_shots(chosen, fitted, [_good_shot(row) for row in split.held], "good", ctx),
            *score_shots(chosen, fitted, pairs, "synthetic", ctx, origins),
            *score_shots(chosen, fitted, [s for s in tested if not s.good], "real", ctx),
        ]
        tested_good = score_shots(chosen, fitted, [s for s in tested if s.good], "good", ctx)
        rows = [_row(name, target, scored, tested_good, detector) for target in TARGETS]
        for row in rows:
            say(f"{self._learn.name} {name}, {row['target']}: keeps {row['image_kept']:.1%} of the best image F1, "
                f"{row['pixel_kept']:.1%} of the best pixel F1")  # fmt: skip
        return rows

    def _tested(self) -> list[Shot]:
        shots = [s for s in read_photo_set(self._test, "test") if s.label not in self._without]
        if self._most is None:
            return shots
        good = [s for s in shots if s.good][: self._most]
        return [*good, *[s for s in shots if not s.good][:: max(1, len(shots) // self._most)]]

    def _pairs(
        self, bench: Workbench, name: str, labels: Sequence[str], normals: Sequence[NormalRow], use: str
    ) -> tuple[list[Shot], dict[str, tuple[str, str]]]:
        """New pairs of every label on these photos; for each, by its name, the engine and the photo it was made on."""
        shots: list[Shot] = []
        origins: dict[str, tuple[str, str]] = {}
        for label in labels:
            batch = GenerationBatch(
                engine=name, label=label, count=self._count, seed=derive_seed(0, name, label, use) % 2**31,
                normal_ids=tuple(row.id for row in normals), workers=1,
            )  # fmt: skip
            for id in bench.studio.generate(batch)["sample_ids"]:
                row = bench.project.sample_row(id)
                shots.append(Shot(f"{label}/{id}", row.image_path, label, row.instance_paths or (row.mask_path,)))
                origins[shots[-1].name] = (name, row.normal_id)
        return shots, origins


def _good_shot(row: NormalRow) -> Shot:
    return Shot(f"{GOOD}/{row.id}", row.path, GOOD)


def _row(
    name: str, target: str, photos: Sequence[CalibrationPhoto], tested_good: Sequence[CalibrationPhoto], detector: str
) -> dict[str, Any]:
    found = calibrate(photos, CalibrationTarget.parse(target), detector, tested_good=tested_good)
    real = found.real
    assert real is not None, "the test folder has anomalies"
    return {
        "engine": name,
        "target": target,
        "pairs": found.counts["synthetic"],
        "image_threshold": found.image,
        "image_interval": list(found.image_interval),
        "image_f1": real.image_f1,
        "image_oracle": real.image_oracle,
        "image_kept": real.image_kept,
        "pixel_threshold": found.pixel,
        "pixel_f1": real.pixel_f1,
        "pixel_oracle": real.pixel_oracle,
        "pixel_kept": real.pixel_kept,
        "missed": dict(real.missed),
    }
