"""Trained detectors that stay with their evaluation, and what they say of one photo.

trained = load_detector(run)            # the folder of a kept result
look = trained.look(photo)              # its score map, its score, the good photo it was compared with
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError, NotFound
from core.evaluation.detectors.api import (
    ComparedPhoto,
    ComparingDetector,
    Detector,
    DetectorParams,
    PackedDetector,
    RestorableDetector,
    ScoreMap,
    SerializableDetector,
    TrainContext,
    TrainedDetector,
    detector,
)
from core.evaluation.panels import heat_overlay, side_by_side
from core.images import png_bytes
from core.images.depth import DepthScale, DepthScales
from core.images.geometry import resized
from core.stored import StoredFormat, plain_record, read_record
from core.types import Image, check_image

DETECTOR_FILE = "detector.safetensors"
"""Beside a result: the detector of its first seed."""


@dataclass(frozen=True)
class ScoreCalibration:
    """By what scores are read: the test set's. ``pixel`` is the threshold of the best pixel F1 there, ``good`` are the
    image scores of its good photos, ascending, ``side`` the size at which maps were judged, None for each photo's."""

    pixel: float
    good: tuple[float, ...]
    side: int | None = None

    def above_good(self, score: float) -> float:
        """Share of the good test photos with a lower image score, 0..1."""
        return bisect_left(self.good, score) / max(1, len(self.good))


@dataclass(frozen=True)
class PhotoResult:
    """What a detector says of one photo: ``scores`` at the photo's size, ``score`` of the whole, the share of good
    test photos ``above_good`` it, and the ``neighbour`` it was compared with, None where it compares with none."""

    image: Image
    scores: ScoreMap
    score: float
    above_good: float
    neighbour: ComparedPhoto | None
    limits: tuple[float, float]

    def panels(self, tall: int = 320) -> dict[str, Image]:
        """``photo``, ``neighbour`` where there is one, ``scores`` in colours over the photo; ``tall`` pixels high."""
        size = (max(1, round(self.image.shape[1] * tall / self.image.shape[0])), tall)
        near = {"neighbour": self.neighbour.image} if self.neighbour is not None else {}
        shown = {"photo": self.image, **near, "scores": heat_overlay(self.image, self.scores, self.limits)}
        return {name: resized(image, size[::-1]) for name, image in shown.items()}

    def picture(self) -> bytes:
        """The panels side by side, as a PNG."""
        return png_bytes(side_by_side(list(self.panels().values())))


@dataclass(frozen=True)
class SavedDetector:
    """A detector that was kept, with the settings it was trained with; ``nbytes`` is what its tensors take.

    ``scales`` are those that its training photos of more than 8 bits had, {} where all had 8.
    """

    detector: Detector
    params: DetectorParams
    fitted: TrainedDetector
    calibration: ScoreCalibration
    nbytes: int
    scales: DepthScales = field(default_factory=dict)

    def predict(self, image: Image) -> PhotoResult:
        """What it says of one photo, uint8 (H, W, 3)."""
        image = check_image(image)
        scores: Any = self.fitted.score([image])[0]
        near = self.fitted.neighbour(image) if isinstance(self.fitted, ComparingDetector) else None
        side = self.calibration.side
        judged: Any = resized(scores, (side, side), "linear") if side else scores
        score = self.detector.image_score(judged)
        # The threshold is half way to the hottest colour: what is nearly an alarm shows too.
        limits = (0.0, max(2 * self.calibration.pixel, 1e-6))
        return PhotoResult(image, scores, score, self.calibration.above_good(score), near, limits)


_FORMAT = StoredFormat("trained detector")


@dataclass(frozen=True)
class _About:
    """What a detector's file says beside its tensors."""

    detector: str
    params: dict[str, Any]
    alarms: ScoreCalibration
    facts: dict[str, Any]
    scales: dict[str, DepthScale] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def serialize_detector(
    chosen: Detector,
    params: DetectorParams,
    fitted: TrainedDetector,
    alarms: ScoreCalibration,
    scales: DepthScales | None = None,
) -> bytes | None:
    """A trained detector as a safetensors file, with the ``scales`` of its training photos above 8 bits.

    None where its kind cannot be kept.
    """
    if not isinstance(chosen, RestorableDetector) or not isinstance(fitted, SerializableDetector):
        return None
    from safetensors.numpy import save

    packed = fitted.pack()
    about = _About(chosen.name, params.model_dump(mode="json"), alarms, dict(packed.facts), dict(scales or {}))
    arrays = {name: np.ascontiguousarray(value) for name, value in packed.tensors.items()}
    return save(
        arrays, metadata={"flawsmith_detector": "1", "about": json.dumps(_FORMAT.stamped(plain_record(about)))}
    )


def load_detector(path: Path, device: str = "auto") -> SavedDetector:
    """The detector of a kept result (its folder), or of the file itself.

    NotFound where there is none; InputError where the file is damaged or the detector is no longer as it was;
    NewerFormat.
    """
    path = Path(path).expanduser()
    file = path / DETECTOR_FILE if path.is_dir() else path
    if not file.is_file():
        raise NotFound(
            f"{path}: there is no trained detector in it; give the folder of a run that trained one "
            f"(it holds {DETECTOR_FILE}), or train one with launch.py evaluate detection --out"
        )
    tensors, about = _read(file)
    try:
        chosen = detector(about.detector)
        params = chosen.Params.preset("cpu", about.params)
        if not isinstance(chosen, RestorableDetector):
            raise InputError(f"{file}: the detector {chosen.name} cannot be used again; train it again")
        fitted = chosen.unpack(PackedDetector(tensors, about.facts), params, TrainContext(device=device))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: the trained detector is damaged; train it again") from error
    nbytes = sum(tensor.nbytes for tensor in tensors.values())
    return SavedDetector(chosen, params, fitted, about.alarms, nbytes, about.scales)


def _read(file: Path) -> tuple[dict[str, Any], _About]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as kept:
            told = kept.metadata() or {}
            if "flawsmith_detector" not in told:
                raise InputError(f"{file}: expected a detector that Flawsmith trained; give the folder of a run")
            about = read_record(_About, _FORMAT.parse(told["about"], str(file)), str(file))
            return {name: kept.get_tensor(name) for name in kept.keys()}, about
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{file}: the trained detector is damaged; train it again") from error
