"""Score maps in, one after the other; every metric out at the end, for all labels and for each.

A map's pixels are kept as two flat lists: normal ones by group (good photos; the normal part of each label's
photos) and anomalous ones by label with their weights. Each group is sorted once. A label is judged on its own
photos and the good ones, all of them together on everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.evaluation.metrics import curves
from core.evaluation.metrics.ranking import (
    Doubles,
    Floats,
    Ints,
    ScoreRanking,
    count_negatives,
    f1_max,
    rank_scores,
    ranking_metrics,
)
from core.evaluation.metrics.region_overlap import area_under, pro_weights, spro_weights
from core.evaluation.results import Curve
from core.evaluation.saturation import Saturation
from core.types import GOOD, Mask, check_mask


@dataclass(frozen=True)
class MapMetrics:
    """All values are 0..1. ``overall`` and each label of ``per_label`` have pixel_auroc, pixel_ap, pixel_f1_max, pro
    and spro, and image_auroc, image_ap, image_f1_max where there are good photos to tell apart.

    ``curves``: roc, pr, pro, spro over pixels, image_roc over photos. ``threshold`` is the score that has the
    best pixel F1.
    """

    overall: Mapping[str, float]
    per_label: Mapping[str, Mapping[str, float]]
    curves: Mapping[str, Curve]
    threshold: float


@dataclass
class _AnomalousPixels:
    """Anomalous pixels: their scores (n,), how many each stands for, and the weights they bring to PRO and sPRO."""

    scores: Floats
    counts: Ints
    pro: Doubles
    spro: Doubles
    above: Ints
    level: Ints

    def ranking(self, negatives: int) -> ScoreRanking:
        return ScoreRanking(self.scores, self.counts, self.above, self.level, negatives)


@dataclass
class _LabelScores:
    normal: list[Floats] = field(default_factory=list)
    anomalous: list[tuple[Floats, Doubles, Doubles | None]] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    regions: dict[str, int] = field(default_factory=lambda: {"pro": 0, "spro": 0})


class MetricAccumulator:
    """Collects score maps. ``saturated``: defects come as channels with a saturation, else regions are connected
    components of which all must be found. ``pro_fpr`` and ``spro_fpr`` (0..1) end the areas under PRO and sPRO."""

    def __init__(self, *, saturated: bool = False, pro_fpr: float = 0.3, spro_fpr: float = 0.05) -> None:
        for name, limit in (("pro_fpr", pro_fpr), ("spro_fpr", spro_fpr)):
            if not 0 < limit <= 1:
                raise InputError(f"{name}: expected a false positive rate above 0, at most 1, got {limit}")
        self._saturated, self._limits = saturated, (pro_fpr, spro_fpr)
        self._groups: dict[str, _LabelScores] = {GOOD: _LabelScores()}

    def add(
        self,
        scores: npt.ArrayLike,
        channels: Sequence[tuple[Mask, Saturation]],
        label: str,
        image_score: float | None = None,
        name: str = "score map",
    ) -> None:
        """Take in one map (H, W) of finite scores, higher is more anomalous, with the defects of its photo.

        ``channels`` is () for a good photo. The photo's score is the map's maximum if left out. InputError.
        """
        values = check_scores(scores, name)
        masks = [check_mask(mask, (values.shape[0], values.shape[1]), name) for mask, _ in channels]
        union = np.logical_or.reduce(masks) if masks else np.zeros(values.shape, np.bool_)
        if (label == GOOD) == bool(union.any()):
            what = "good, but its mask marks a defect" if label == GOOD else f"{label!r}, but its mask is empty"
            raise InputError(f"{name}: labelled {what}; the labels don't match the masks")
        group = self._groups.setdefault(label, _LabelScores())
        group.images.append(float(values.max() if image_score is None else image_score))
        if not np.isfinite(group.images[-1]):
            raise InputError(f"{name}: expected a finite image score, got {image_score}")
        flat = values.ravel()
        if label == GOOD:
            group.normal.append(flat)
            return
        group.normal.append(flat[~union.ravel()])
        at = np.flatnonzero(union)
        inside = flat[at]
        pro, regions = pro_weights(union, at)
        group.regions["pro"] += regions
        spro = None
        if self._saturated:
            spro, regions = spro_weights(channels, inside, at)
        group.regions["spro"] += regions
        group.anomalous.append((inside, pro, spro))

    def compute(self) -> MapMetrics:
        """The metrics of all maps added; InputError if there is no anomaly or no normal pixel. Ends the tally."""
        labels = sorted(set(self._groups) - {GOOD})
        if not labels:
            raise InputError(
                "there are only good photos; add anomalies with their masks, else nothing can be told apart"
            )
        normal = {name: _sorted(group) for name, group in self._groups.items()}
        if not any(map(len, normal.values())):
            raise InputError("every pixel is marked as a defect; draw the masks around the defects only")
        per_label: dict[str, Mapping[str, float]] = {}
        everything = []
        for label in labels:
            events = _anomalous_pixels(self._groups[label])
            for name in (GOOD, label):
                _count(events, normal[name])
            per_label[label] = self._metrics(events, len(normal[GOOD]) + len(normal[label]), [label])
            for name in labels:
                if name != label:
                    _count(events, normal[name])
            everything.append(events)
        negatives = sum(map(len, normal.values()))
        events = _merged(everything)
        overall = self._metrics(events, negatives, labels)
        threshold = f1_max(events.ranking(negatives))[1]
        return MapMetrics(overall, per_label, self._curves(events, negatives, labels), threshold)

    def _metrics(self, events: _AnomalousPixels, negatives: int, labels: Sequence[str]) -> dict[str, float]:
        found = ranking_metrics(events.ranking(negatives), "pixel")
        for key, weights, limit in zip(("pro", "spro"), (events.pro, events.spro), self._limits, strict=True):
            if negatives:
                regions = self._regions(key, labels)
                found[key] = area_under(weights, events.above, events.level, negatives, regions, limit)
        return found | ranking_metrics(self._image_ranking(labels), "image")

    def _regions(self, key: str, labels: Sequence[str]) -> int:
        return sum(self._groups[label].regions[key] for label in labels)

    def _image_ranking(self, labels: Sequence[str]) -> ScoreRanking:
        return rank_scores(
            [score for label in labels for score in self._groups[label].images], self._groups[GOOD].images
        )

    def _curves(self, events: _AnomalousPixels, negatives: int, labels: Sequence[str]) -> dict[str, Curve]:
        ranking = events.ranking(negatives)
        drawn = {"roc": curves.roc_curve(ranking), "pr": curves.pr_curve(ranking)}
        for key, weights, limit in zip(("pro", "spro"), (events.pro, events.spro), self._limits, strict=True):
            y_label = "per-region overlap" if key == "pro" else "saturated per-region overlap"
            drawn[key] = curves.overlap_curve(ranking, weights, self._regions(key, labels), limit, y_label)
        images = self._image_ranking(labels)
        return drawn | ({"image_roc": curves.roc_curve(images)} if images.negatives else {})


def check_scores(scores: npt.ArrayLike, name: str) -> Floats:
    """``scores`` as float32 (H, W); InputError naming the map if it is of another shape, or not finite."""
    given = np.asarray(scores)
    if given.ndim != 2 or 0 in given.shape or given.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected one score for each pixel, numbers (H, W), got {given.dtype} {given.shape}")
    with np.errstate(over="ignore"):
        values = given.astype(np.float32, copy=False)
    if not (finite := np.isfinite(values)).all():
        what = "NaN" if np.isnan(values).any() else "infinite in 32-bit float"
        raise InputError(
            f"{name}: {int((~finite).sum())} of {values.size} scores are {what}; write finite scores for every pixel"
        )
    # A copy of our own, in which -0.0 and 0.0 are one score to every sort.
    return values + np.float32(0)


def _sorted(group: _LabelScores) -> Floats:
    """The group's normal pixels, rising; they leave the group, since here memory is at its fullest."""
    values = np.concatenate(group.normal) if group.normal else np.zeros(0, np.float32)
    group.normal.clear()
    values.sort()
    return values


def _anomalous_pixels(group: _LabelScores) -> _AnomalousPixels:
    scores = np.concatenate([inside for inside, _, _ in group.anomalous])
    pro = np.concatenate([weights for _, weights, _ in group.anomalous])
    parts = [weights for _, _, weights in group.anomalous if weights is not None]
    spro = np.concatenate(parts) if parts else pro
    group.anomalous.clear()
    order, first = _falling(scores)
    none_yet = np.zeros(len(first), np.int64)
    summed = np.add.reduceat(pro[order], first)
    return _AnomalousPixels(
        scores=scores[order[first]],
        counts=np.diff(np.append(first, len(scores))),
        pro=summed,
        spro=summed if spro is pro else np.add.reduceat(spro[order], first),
        above=none_yet,
        level=none_yet,
    )


def _merged(parts: Sequence[_AnomalousPixels]) -> _AnomalousPixels:
    """The events of all labels, those of one score as one."""
    order, first = _falling(np.concatenate([part.scores for part in parts]))

    def joined(name: str) -> npt.NDArray[Any]:
        return np.asarray(np.concatenate([getattr(part, name) for part in parts])[order])

    shared = all(part.spro is part.pro for part in parts)
    pro = np.add.reduceat(joined("pro"), first)
    return _AnomalousPixels(
        scores=joined("scores")[first],
        counts=np.add.reduceat(joined("counts"), first),
        pro=pro,
        spro=pro if shared else np.add.reduceat(joined("spro"), first),
        above=joined("above")[first],
        level=joined("level")[first],
    )


def _falling(scores: Floats) -> tuple[Ints, Ints]:
    """Indices that sort ``scores`` downwards, and where among them each distinct score begins."""
    order = np.argsort(scores)[::-1]
    ordered = scores[order]
    return order, np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def _count(events: _AnomalousPixels, normal: Floats) -> None:
    above, level = count_negatives(events.scores, normal)
    events.above = events.above + above
    events.level = events.level + level
