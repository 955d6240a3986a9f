"""A kept detector reads photos of more than 8 bits on the scale that its training photos had."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.api.evaluation.single_photos import predict_photos
from core.evaluation.detectors.api import TrainContext, detector
from core.evaluation.photo_sets import Shot
from core.evaluation.saved_detector import DETECTOR_FILE, ScoreCalibration, load_detector, serialize_detector
from core.images.depth import DepthScale
from tests.importers.drawn import MASK, photo

SCALES = {"uint16": DepthScale(0.0, 4095.0, "12-bit range")}


def test_a_dim_photo_is_not_stretched_to_its_own_range(tmp_path: Path) -> None:
    chosen = detector("features")
    if reason := chosen.available():
        pytest.skip(reason)
    train = [Shot(f"good/{n}", photo(n), "good", scales=SCALES) for n in range(4)]
    train += [Shot(f"scratch/{n}", photo(n, True), "scratch", (MASK,), scales=SCALES) for n in range(4)]
    params = chosen.Params.preset("cpu", {"side": 64, "width": 4, "epochs": 1, "samples": 8})
    fitted = chosen.fit(train, params, TrainContext())
    kept = serialize_detector(chosen, params, fitted, ScoreCalibration(1.0, (0.5,)), SCALES)
    assert kept is not None
    (tmp_path / DETECTOR_FILE).write_bytes(kept)
    dim = photo(9)[..., 0].astype(np.uint16) * 4
    cv2.imwrite(str(tmp_path / "deep.png"), dim)
    saved = load_detector(tmp_path)
    right = np.rint(dim.astype(float) * 255 / 4095).astype(np.uint8)[..., None].repeat(3, axis=2)
    (seen,) = predict_photos(tmp_path, [tmp_path / "deep.png"])
    assert saved.scales == SCALES and seen.score == pytest.approx(saved.predict(right).score)
