"""``launch.py bench calibrate``: what a threshold set by an engine's pairs keeps of the best one on real anomalies.

One row per engine, on one learning folder and one test folder. Two thirds of the learning folder's good photos teach
the detector once; the pairs lie on the other third, which is scored with them; the thresholds then meet the test
folder, whose good photos and real anomalies give the best F1 that any threshold reaches there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, Workbench
from core.bench.realism import EXCLUDED_LABELS, test_folders
from core.bench.realism.environment import environment
from core.bench.realism.rows import open_project, prepare_bank
from core.device import derive_seed, numpy_rng
from core.engines.registry import engine
from core.errors import InputError
from core.evaluation.calibration import CalibrationPhoto, CalibrationTarget, calibrate
from core.evaluation.detectors.api import TrainContext, TrainedDetector
from core.evaluation.detectors.api import detector as detector_named
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.scored_photos import score_shots, train_detector

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


class _CalibrationTable:
    def __init__(self, learn: Path, test: Path, out: Path, without: tuple[str, ...], count: int, quick: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._learn, self._test, self._out, self._without = learn, test, out, without
        self._count, self._most = count, QUICK_PHOTOS if quick else None

    def rows(self, names: Sequence[str], detector: str, preset: str, say: Callable[[str], None]) -> dict[str, Any]:
        """The rows of all engines, with one detector."""
        chosen, ctx = detector_named(detector), TrainContext(keep=False)
        if chosen.needs_pairs:
            raise InputError(f"bench calibrate: {detector} learns from pairs; take one that learns from good photos")
        with open_project(self._out / "project", self._learn) as bench:
            normals = bench.project.normals()
            order = numpy_rng(0, "calibration").permutation(len(normals))[: self._most]
            held = [normals[i] for i in order[: max(2, len(order) // 3)]]
            taught = [normals[i] for i in order[len(held) :]]
            fitted = train_detector(chosen, preset, [Shot(f"good/{n.id}", n.path, "good") for n in taught], ctx)
            held_shots = [Shot(f"good/{n.id}", n.path, "good") for n in held]
            good = score_shots(chosen, fitted, held_shots, "good", ctx)
            tested = self._tested()
            real = score_shots(chosen, fitted, [s for s in tested if not s.good], "real", ctx)
            tested_good = score_shots(chosen, fitted, [s for s in tested if s.good], "good", ctx)
            say(f"{self._learn.name}: {detector} trained on {len(taught)} photos")
            labels = sorted({row.label for row in bench.project.examples()} - set(self._without))
            found = []
            for name in names:
                made = self._pairs(bench, name, labels, [n.id for n in held], chosen, fitted, ctx)
                for target in TARGETS:
                    row = _row(name, target, [*good, *made, *real], tested_good, detector)
                    found.append(row)
                    say(f"{self._learn.name} {name}, {target}: keeps {row['image_kept']:.1%} of the best image F1, "
                        f"{row['pixel_kept']:.1%} of the best pixel F1")  # fmt: skip
        config = {"detector": detector, "preset": preset, "pairs_per_label": self._count, "good": len(good),
                  "tested_on": self._test.name, "real": len(real), "without": list(self._without)}  # fmt: skip
        return {"config": config, "rows": found}

    def _tested(self) -> list[Shot]:
        shots = [s for s in read_photo_set(self._test, "test") if s.label not in self._without]
        if self._most is None:
            return shots
        good = [s for s in shots if s.good][: self._most]
        return [*good, *[s for s in shots if not s.good][:: max(1, len(shots) // self._most)]]

    def _pairs(
        self, bench: Workbench, name: str, labels: Sequence[str], held: Sequence[str], chosen: Any,
        fitted: TrainedDetector, ctx: TrainContext,
    ) -> list[CalibrationPhoto]:  # fmt: skip
        """New pairs of every label on the held-out photos, scored."""
        if engine(name).example_source == "bank":
            prepare_bank(bench, self._out / "bank")
        shots: list[Shot] = []
        origins: dict[str, tuple[str, str]] = {}
        for label in labels:
            batch = GenerationBatch(
                engine=name, label=label, count=self._count, seed=derive_seed(0, name, label) % 2**31,
                normal_ids=tuple(held), workers=1,
            )  # fmt: skip
            for id in bench.studio.generate(batch)["sample_ids"]:
                row = bench.project.sample_row(id)
                shots.append(Shot(f"{label}/{id}", row.image_path, label, row.instance_paths or (row.mask_path,)))
                origins[shots[-1].name] = (name, row.normal_id)
        return score_shots(chosen, fitted, shots, "synthetic", ctx, origins)


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
