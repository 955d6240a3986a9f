"""Exact metrics of score maps: no threshold is left out, and none is looped over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.evaluation.metrics.accumulator import MapMetrics, MetricAccumulator, check_scores
from core.evaluation.metrics.ranking import (
    ScoreRanking,
    auroc,
    average_precision,
    f1_max,
    rank_scores,
    ranking_metrics,
)
from core.evaluation.saturation import FULL_SATURATION, Saturation
from core.types import Mask

__all__ = [
    "MapMetrics",
    "ScoreRanking",
    "Saturation",
    "MetricAccumulator",
    "auroc",
    "average_precision",
    "check_scores",
    "f1_max",
    "map_metrics",
    "rank_scores",
    "ranking_metrics",
]

Saturations = Sequence[Sequence[Saturation]] | Mapping[str, Saturation]


def map_metrics(
    scores: Sequence[npt.NDArray[np.float32]],
    masks: Sequence[Sequence[Mask]],
    labels: Sequence[str],
    *,
    saturation: Saturations | None = None,
    image_scores: Sequence[float] | None = None,
    pro_fpr: float = 0.3,
    spro_fpr: float = 0.05,
) -> MapMetrics:
    """Metrics of score maps float (H, W), each as large as its photo; sizes may differ between photos.

    ``masks`` has bool (H, W) for each defect of a photo, () for a good one; ``labels`` are "good" or the
    anomaly's. ``saturation`` gives each defect's (for each photo as many as it has masks), or one for each
    label; None takes the connected components of the masks as regions and asks for all of them.
    ``image_scores`` are the maps' maxima if left out.
    InputError: lengths or sizes that differ, NaN, a label that its mask contradicts, no anomalies.
    """
    lengths = {len(scores), len(masks), len(labels), len(labels if image_scores is None else image_scores)}
    if len(lengths) > 1:
        raise InputError(
            f"metrics: expected one mask list and one label for each of {len(scores)} maps, got {len(masks)} and "
            f"{len(labels)}"
        )
    tally = MetricAccumulator(saturated=saturation is not None, pro_fpr=pro_fpr, spro_fpr=spro_fpr)
    for i, (values, instances, label) in enumerate(zip(scores, masks, labels, strict=True)):
        levels = _levels(saturation, i, label, len(instances))
        own = None if image_scores is None else image_scores[i]
        tally.add(values, list(zip(instances, levels, strict=True)), label, own, f"map {i} ({label})")
    return tally.compute()


def _levels(saturation: Saturations | None, i: int, label: str, count: int) -> Sequence[Saturation]:
    if saturation is None or isinstance(saturation, Mapping):
        return [(saturation or {}).get(label, FULL_SATURATION)] * count
    if len(saturation[i]) != count:
        raise InputError(
            f"map {i} ({label}): expected a saturation for each of {count} masks, got {len(saturation[i])}"
        )
    return saturation[i]
