"""The product's rules as a detector of logical anomalies, alone or added to another detector's maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import Field

from core.errors import InputError
from core.evaluation.detectors.api import (
    Detector,
    DetectorParams,
    EpochCallback,
    ScoreMap,
    TrainContext,
    TrainedDetector,
    detector,
)
from core.evaluation.photo_sets import Shot
from core.given_files import MAX_TEXT, read_given
from core.images.geometry import resized
from core.rules import RuleBreak, RuleOutcome, RuleSet, learn_rules, measure_regions
from core.rules.measured import Box
from core.types import Image

if TYPE_CHECKING:
    from core.rules.part_finder import PartFinder

QUIET = 0.4
"""Weight of rules that hold: how near to its limit a whole photo comes ranks it below any broken rule."""


class RulesParams(DetectorParams):
    """Form and bounds of the ``rules`` detector."""

    PRESETS = {"cpu": {}, "paper": {"beside_preset": "paper"}}

    file: str = Field(
        "",
        title="Rules file",
        description="JSON that `launch.py rules --out` wrote; empty reads the rules from the good photos' regions.",
    )
    beside: str = Field(
        "",
        title="Added to",
        description="Another detector, for example csda, whose maps the broken rules are added to.",
    )
    beside_preset: str = Field("cpu", title="Its preset", description="Preset of the other detector's training.")


class RulesDetector(Detector):
    """Marks the parts that break the product's rules, and the places where parts are missing."""

    name = "rules"
    title = "Rules of the product"
    summary = "Finds the components of a photo and marks those that break a rule read from the good photos' regions."
    needs_pairs = True
    Params = RulesParams

    def fit(
        self, train: Sequence[Shot], params: RulesParams, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> TrainedDetector:
        """Read the rules and learn how the parts are found again; train the other detector, if there is one.

        InputError where the good photos have no regions; ``watch`` is called once, at the end.
        """
        from core.rules.part_finder import build_finder

        ctx.check()
        photos = [(shot.read(), shot.read_regions()) for shot in train if shot.good and shot.regions]
        if not photos:
            raise InputError(
                "detector rules: the good photos to learn from have no named regions; train on a project that has some"
            )
        if params.file:
            rules = RuleSet.from_json(read_given(Path(params.file), MAX_TEXT), Path(params.file).name)
        else:
            rules = RuleSet(learn_rules([measure_regions(*photo) for photo in photos]))
        finder, limits = build_finder(photos, rules, check=ctx.check)
        other = None
        if params.beside:
            chosen = detector(params.beside)
            other = chosen.fit(train, chosen.Params.preset(params.beside_preset), ctx)
        fitted = FittedRules(finder, rules.with_finding(limits), other)
        if watch is not None:
            watch(fitted, 1)
        return fitted


class FittedRules:
    """Rules with the means to find the parts that they are about; ``other`` is the detector they are added to."""

    def __init__(self, finder: PartFinder, rules: RuleSet, other: TrainedDetector | None = None) -> None:
        self._finder, self._rules, self._other = finder, rules, other

    def score(self, images: Sequence[Image]) -> list[ScoreMap]:
        """0.5 to 1 where a rule is broken, the more the worse, less than that elsewhere; beside another detector its
        own scores plus these. float32 (H, W) at each photo's own size."""
        own = [self._map(image) for image in images]
        if self._other is None:
            return own
        return [mine + theirs for mine, theirs in zip(own, self._other.score(images), strict=True)]

    def _map(self, image: Image) -> ScoreMap:
        outcomes = self._rules.check(self._finder.find(image), found=True)
        return rule_map(outcomes, (image.shape[0], image.shape[1]), quiet=self._other is None)


def rule_map(outcomes: Sequence[RuleOutcome], shape: tuple[int, int], quiet: bool = True) -> ScoreMap:
    """A score map float32 ``shape`` of a check: each broken rule's parts, and ellipses where parts are missing.

    With ``quiet`` the rest of the photo has the score of the rule that is nearest to its limit.
    """
    near = [one.deviation or 0.0 for one in outcomes if not one.breaks] if quiet else []
    out = np.full(shape, QUIET * max(map(severity, near), default=0.0), np.float32)
    for one in outcomes:
        for broken in one.breaks:
            _paint(out, broken, severity(one.deviation or 1.0))
    return out


def severity(deviation: float) -> float:
    """A deviation on the scale of 0 to 1: 0.5 at a rule's limit."""
    return deviation / (1 + deviation)


def _paint(out: ScoreMap, broken: RuleBreak, value: float) -> None:
    shape = (out.shape[0], out.shape[1])
    for part in broken.parts:
        if part.mask is not None:
            mask = resized(part.mask.astype(np.float32), shape, "linear") > 0.5
            out[mask] = np.maximum(out[mask], value)
    for box in broken.missing:
        mask = _ellipse(box, shape)
        out[mask] = np.maximum(out[mask], value)


def _ellipse(box: Box, shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    out = np.zeros(shape, np.uint8)
    middle = (round((left + right) / 2), round((top + bottom) / 2))
    axes = (max(1, round((right - left) / 2)), max(1, round((bottom - top) / 2)))
    cv2.ellipse(out, middle, axes, 0, 0, 360, 1, -1)
    return out > 0
