"""Thresholds of a detector from a project's pairs: made, kept and read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api.evaluation.specs import calibration_sets
from core.errors import FlawsmithError, InputError, Unavailable
from core.evaluation.calibration import CALIBRATION_FORMAT, Calibration, CalibrationPhoto, CalibrationTarget, calibrate
from core.evaluation.detectors.api import TrainContext, detector, detectors
from core.images import atomic_write
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.progress import Progress, unwatched

__all__ = ["Calibration", "CalibrationSpec", "CalibrationsApi", "CalibrationTarget"]

_FILE = "calibration.json"


@dataclass(frozen=True)
class CalibrationSpec:
    """What to calibrate. ``detector`` is a name, or a folder of score maps of the test set at ``masks``; then ``real``
    and ``real_masks`` are those of real anomalies. ``engine`` narrows the pairs to one engine's."""

    detector: str = "features"
    target: str = "false rejects <= 1 %"
    engine: str = ""
    preset: str = "cpu"
    masks: Path | None = None
    real: Path | None = None
    real_masks: Path | None = None


class CalibrationsApi:
    """The desk behind the calibration of the Evaluate tab and ``launch.py calibrate``."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._project = material.project
        self._jobs = jobs

    @property
    def path(self) -> Path:
        """Where the newest calibration lies."""
        return self._project.path / "evaluations" / _FILE

    def latest(self) -> dict[str, Any]:
        """The newest calibration as ``Calibration.as_dict`` has it; {} where there is none that can be read."""
        try:
            return CALIBRATION_FORMAT.parse(self.path.read_bytes(), "calibration")
        except (OSError, FlawsmithError):
            return {}

    def run(
        self,
        spec: CalibrationSpec,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Calibration:
        """Score, calibrate and keep the result. InputError, in one line, says what is missing."""
        ctx = TrainContext(progress=progress, cancelled=cancelled, keep=False)
        target = CalibrationTarget.parse(spec.target)
        if spec.detector in detectors():
            photos, notes = self._scored_here(spec, ctx)
        else:
            photos, notes = _scored_elsewhere(spec, ctx)
        found = calibrate(photos, target, spec.detector, notes, ctx.check)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, found.json_text().encode())
        return found

    @staticmethod
    def write(found: Calibration, out: Path | None = None, anomalib: Path | None = None) -> None:
        """The calibration as JSON, and as the state of anomalib's PostProcessor, where a path is given."""
        if out is not None:
            atomic_write(out, found.json_text().encode())
        if anomalib is not None:
            from core.evaluation.anomalib_state import anomalib_state

            atomic_write(anomalib, anomalib_state(found))

    def start(self, spec: CalibrationSpec) -> str:
        """``run`` in the background; what is missing is raised here."""
        CalibrationTarget.parse(spec.target)
        if spec.detector in detectors():
            calibration_sets(self._project, spec.engine, detector(spec.detector).needs_pairs)

        def work(control: JobControl) -> dict[str, Any]:
            found = self.run(spec, control.progress, control.cancelled)
            return {"message": f"threshold {found.image:.4g} for {found.target}"}

        return self._jobs.submit("evaluate", f"Calibrate {spec.detector}", work)

    def _scored_here(self, spec: CalibrationSpec, ctx: TrainContext) -> tuple[list[CalibrationPhoto], tuple[str, ...]]:
        from core.evaluation.scored_photos import score_shots, train_detector

        chosen = detector(spec.detector)
        if reason := chosen.available():
            raise Unavailable(f"detector {spec.detector}: {reason}")
        sets, made = calibration_sets(self._project, spec.engine, chosen.needs_pairs)
        sets = sets.checked_by_look(ctx.check) if any(not s.good for s in sets.test) else sets
        fitted = train_detector(chosen, spec.preset, sets.train, ctx)
        origins = {f"{row.label}/{row.id}": (row.engine, row.normal_id) for row in sets.pairs}
        good = [shot for shot in sets.test if shot.good]
        real = [shot for shot in sets.test if not shot.good]
        photos = [
            *score_shots(chosen, fitted, good, "good", ctx),
            *score_shots(chosen, fitted, made, "synthetic", ctx, origins),
            *score_shots(chosen, fitted, real, "real", ctx),
        ]
        return photos, (*sets.warnings, *sets.notes)


def _scored_elsewhere(spec: CalibrationSpec, ctx: TrainContext) -> tuple[list[CalibrationPhoto], tuple[str, ...]]:
    from core.evaluation.scored_photos import scores_from_files

    folder = Path(spec.detector).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"detector {spec.detector!r}: expected {', '.join(detectors())}, or a folder of score maps; "
            "there is no such folder"
        )
    if spec.masks is None:
        raise InputError("score maps need --masks: the test set of pairs and good photos that they belong to")
    if (spec.real is None) != (spec.real_masks is None):
        raise InputError("--real and --real-masks belong together: score maps of real anomalies, and their test set")
    steps = lambda done, total: ctx.progress(done, total, None, "reading score maps")  # noqa: E731
    photos = scores_from_files(folder, spec.masks, "synthetic", steps, ctx.check)
    if spec.real is not None and spec.real_masks is not None:
        found = scores_from_files(spec.real, spec.real_masks, "real", steps, ctx.check)
        photos += [photo for photo in found if photo.source == "real"]
    return photos, ("The image score of a score map is its maximum.",)
