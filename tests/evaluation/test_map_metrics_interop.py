"""The same numbers as the libraries that people compare with, to 1e-4."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from core.device import numpy_rng
from core.evaluation.metrics import map_metrics


def batch(levels: int | None):
    """Maps (6, 64, 64), masks alike; smooth scores that overlap with the defects' as a detector's do."""
    import cv2

    rng = numpy_rng(levels or 0, "interop")
    masks = np.zeros((6, 64, 64), bool)
    for mask in masks[1:]:
        for _ in range(3):
            centre = tuple(int(v) for v in rng.integers(6, 58, 2))
            axes = tuple(int(v) for v in rng.integers(2, 9, 2))
            mask |= cv2.ellipse(np.zeros((64, 64), np.uint8), centre, axes, 30, 0, 360, 1, -1).astype(bool)
    noise = cv2.blur(rng.normal(size=(64, 64, 6)), (3, 3)).transpose(2, 0, 1)
    scores = noise + 0.6 * masks * rng.random((6, 1, 1))
    if levels:
        scores = np.round(scores * levels) / levels
    return scores.astype(np.float32), masks


def ours(levels: int | None, **more: float):
    scores, masks = batch(levels)
    labels = ["bent" if mask.any() else "good" for mask in masks]
    return map_metrics(list(scores), [(m,) if m.any() else () for m in masks], labels, **more).overall


@pytest.mark.parametrize("levels", [None, 6])
def test_torchmetrics_agrees(levels: int | None) -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    scores, masks = batch(levels)
    # It takes what lies in 0..1 for probabilities and bends everything else with a sigmoid.
    low, high = scores.min(), scores.max()
    preds = torch.from_numpy(((scores - low) / (high - low)).astype(np.float64)).reshape(-1)
    target = torch.from_numpy(masks).reshape(-1).int()
    found = ours(levels)
    curve = classification.BinaryPrecisionRecallCurve()
    precision, recall, _ = curve(preds, target)
    best = float((2 * precision * recall / (precision + recall).clamp_min(1e-12)).max())
    assert found["pixel_auroc"] == pytest.approx(float(classification.BinaryAUROC()(preds, target)), abs=1e-4)
    assert found["pixel_ap"] == pytest.approx(float(classification.BinaryAveragePrecision()(preds, target)), abs=1e-4)
    assert found["pixel_f1_max"] == pytest.approx(best, abs=1e-4)


@pytest.mark.interop
@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("limit", [0.3, 0.05, 1.0])
def test_anomalib_agrees_on_pro(levels: int | None, limit: float) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its imports warn of is none of ours
        data = pytest.importorskip("anomalib.data")
        metrics = pytest.importorskip("anomalib.metrics")
        scores, masks = batch(levels)
        metric = metrics.AUPRO(fields=("anomaly_map", "gt_mask"), fpr_limit=limit)
        image = torch.zeros(len(scores), 3, *scores.shape[1:])
        metric.update(
            data.ImageBatch(image=image, anomaly_map=torch.from_numpy(scores), gt_mask=torch.from_numpy(masks))
        )
        theirs = float(metric.compute())
    assert ours(levels, pro_fpr=limit)["pro"] == pytest.approx(theirs, abs=1e-4)
    # Without saturation thresholds sPRO is PRO.
    assert ours(levels, spro_fpr=limit)["spro"] == pytest.approx(theirs, abs=1e-4)
