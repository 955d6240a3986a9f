"""The threshold of a detector from synthetic anomalies, and what it would have been with real ones.

FLASH (2026) sets a detector's threshold where no real anomaly is at hand: pairs stand for the defects to come. The
thresholds here are those of a target; a bootstrap over photos says how sure they are; where real anomalies exist, the
kept share of the best F1 that any threshold reaches on them says what the pairs are worth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.device import numpy_rng
from core.errors import InputError
from core.evaluation.metrics import f1_max, rank_scores
from core.evaluation.pixel_levels import PixelLevels, PixelPool
from core.stored import StoredFormat

Floats = npt.NDArray[np.float64]
PhotoSource = Literal["good", "synthetic", "real"]
CALIBRATION_FORMAT = StoredFormat("calibration")
LEAST_GOOD, LEAST_SYNTHETIC = 2, 2
FEW_GOOD = 20
"""Good photos below which a share of false rejects is hardly known."""
DRAWS = 200
_INTERVAL = (2.5, 97.5)
_TARGET = re.compile(r"(false rejects|missed)\s*(?:<=|≤|<|=)\s*([0-9]+(?:[.,][0-9]+)?)\s*%", re.IGNORECASE)


@dataclass(frozen=True)
class CalibrationTarget:
    """What the image threshold shall reach: at most a ``share`` (0..1) of good parts rejected or of synthetic
    anomalies missed; or the best F1."""

    kind: Literal["false rejects", "missed", "best f1"]
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> CalibrationTarget:
        """``"false rejects <= 1 %"`` (or ≤), ``"missed <= 5 %"`` or ``"best f1"``; InputError for anything else."""
        if text.strip().lower() in ("best f1", "f1"):
            return cls("best f1")
        match = _TARGET.fullmatch(text.strip())
        share = float(match[2].replace(",", ".")) / 100 if match else 1.0
        if match is None or share >= 1:
            raise InputError(
                f"target {text[:60]!r}: expected 'false rejects <= 1 %', 'missed <= 5 %' or 'best f1', below 100 %"
            )
        return cls("missed" if match[1].lower() == "missed" else "false rejects", share)

    def __str__(self) -> str:
        return "best f1" if self.kind == "best f1" else f"{self.kind} <= {100 * self.share:g} %"


@dataclass(frozen=True)
class CalibrationPhoto:
    """A photo with its image score and the levels of its pixels. ``group`` is what is drawn together in the bootstrap:
    pairs made on one photo are no independent evidence. ``engine`` made it, "" where it is no pair."""

    name: str
    label: str
    source: PhotoSource
    score: float
    pixels: PixelLevels
    group: str
    engine: str = ""


@dataclass(frozen=True)
class RealGap:
    """What the thresholds do on real anomalies, beside the best F1 that any threshold reaches there (``oracle``).
    ``kept`` are shares of it, 0..1; ``missed`` is by label."""

    count: int
    image_f1: float
    image_oracle: float
    image_oracle_threshold: float
    pixel_f1: float
    pixel_oracle: float
    pixel_oracle_threshold: float
    missed: Mapping[str, float]

    @property
    def image_kept(self) -> float:
        """Share of the oracle's image F1 that is kept."""
        return self.image_f1 / max(self.image_oracle, 1e-12)

    @property
    def pixel_kept(self) -> float:
        """Share of the oracle's pixel F1 that is kept."""
        return self.pixel_f1 / max(self.pixel_oracle, 1e-12)


@dataclass(frozen=True)
class Calibration:
    """Thresholds of a ``detector``: a photo is rejected, a pixel marked, at this score or above.

    Intervals hold 95 % of the bootstrap. ``false_rejects`` and ``missed`` (by label) are shares, 0..1, among good
    photos and pairs. ``points`` are (source, engine, label, image score) of all photos; ``ranges`` the least and
    greatest score of images and of pixels.
    """

    detector: str
    target: CalibrationTarget
    image: float
    image_interval: tuple[float, float]
    pixel: float
    pixel_interval: tuple[float, float]
    false_rejects: float
    missed: Mapping[str, float]
    counts: Mapping[str, int]
    ranges: Mapping[str, tuple[float, float]]
    points: tuple[tuple[str, str, str, float], ...]
    real: RealGap | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self, points: bool = True) -> dict[str, Any]:
        """Plain values, as they are printed and stored."""
        plain = asdict(self) | {"target": str(self.target)}
        plain.pop("extra")
        if not points:
            plain.pop("points")
        if self.real is not None:
            plain["real"] |= {"image_kept": self.real.image_kept, "pixel_kept": self.real.pixel_kept}
        return CALIBRATION_FORMAT.stamped(plain)

    def json_text(self) -> str:
        """The calibration as a file holds it."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True)


def calibrate(
    photos: Sequence[CalibrationPhoto],
    target: CalibrationTarget,
    detector: str,
    notes: Sequence[str] = (),
    check: Callable[[], None] = lambda: None,
    tested_good: Sequence[CalibrationPhoto] = (),
) -> Calibration:
    """Thresholds from good photos and pairs, and their gap to the real anomalies among ``photos``.

    The gap is measured beside the same good photos, or beside those ``tested_good`` that did not set the threshold.
    InputError where there are too few good photos or pairs. ``check`` may raise, between the draws of the bootstrap.
    """
    good = [p for p in photos if p.source == "good"]
    made = [p for p in photos if p.source == "synthetic"]
    real = [p for p in photos if p.source == "real"]
    if len(good) < LEAST_GOOD or len(made) < LEAST_SYNTHETIC:
        raise InputError(
            f"calibration: expected at least {LEAST_GOOD} good photos that the detector has not learned from and "
            f"{LEAST_SYNTHETIC} pairs, got {len(good)} and {len(made)}; add photos, or make pairs in Studio"
        )
    image = image_threshold(_scores(good), _scores(made), target)
    pixel = PixelPool.of([p.pixels for p in (*good, *made)]).best_f1()[1]
    intervals = _bootstrap(good, made, target, check)
    few = [] if len(good) >= FEW_GOOD else [f"Only {len(good)} good photos: false rejects are hardly known."]
    everything = [p.pixels.limits for p in photos]
    return Calibration(
        detector=detector,
        target=target,
        image=image,
        image_interval=intervals[0],
        pixel=pixel,
        pixel_interval=intervals[1],
        false_rejects=float((_scores(good) >= image).mean()),
        missed=missed_shares(made, image),
        counts={"good": len(good), "synthetic": len(made), "real": len(real)},
        ranges={
            "image": (min(p.score for p in photos), max(p.score for p in photos)),
            "pixel": (min(low for low, _ in everything), max(high for _, high in everything)),
        },
        points=tuple((p.source, p.engine, p.label, p.score) for p in photos),
        real=_gap(tested_good or good, real, image, pixel) if real else None,
        notes=(*notes, *few),
    )


def image_threshold(good: Floats, bad: Floats, target: CalibrationTarget) -> float:
    """The threshold of a target: the lowest with no more false rejects, the highest with no more missed, or that of
    the best F1. A photo at the threshold is rejected."""
    if target.kind == "best f1":
        return f1_max(rank_scores(bad, good))[1]
    if target.kind == "missed":
        return float(np.sort(bad)[int(np.floor(target.share * len(bad) + 1e-9))])
    allowed = int(np.floor(target.share * len(good) + 1e-9))
    return float(np.nextafter(np.sort(good)[::-1][allowed], np.inf))


def missed_shares(photos: Sequence[CalibrationPhoto], threshold: float) -> dict[str, float]:
    """By label the share of anomalies whose image score lies below ``threshold``."""
    found = {}
    for label in sorted({p.label for p in photos}):
        scores = _scores([p for p in photos if p.label == label])
        found[label] = float((scores < threshold).mean())
    return found


def image_f1_at(good: Floats, bad: Floats, threshold: float) -> float:
    """F1 of whole photos at a threshold, 0..1."""
    hits, alarms = int((bad >= threshold).sum()), int((good >= threshold).sum())
    return 2 * hits / (hits + alarms + len(bad))


def _scores(photos: Sequence[CalibrationPhoto]) -> Floats:
    return np.array([p.score for p in photos], np.float64)


def _gap(good: Sequence[CalibrationPhoto], real: Sequence[CalibrationPhoto], image: float, pixel: float) -> RealGap:
    pool = PixelPool.of([p.pixels for p in (*good, *real)])
    best_image, image_at = f1_max(rank_scores(_scores(real), _scores(good)))
    best_pixel, pixel_at = pool.best_f1()
    return RealGap(
        count=len(real),
        image_f1=image_f1_at(_scores(good), _scores(real), image),
        image_oracle=best_image,
        image_oracle_threshold=image_at,
        pixel_f1=pool.f1_at(pixel),
        pixel_oracle=best_pixel,
        pixel_oracle_threshold=pixel_at,
        missed=missed_shares(real, image),
    )


def _bootstrap(
    good: Sequence[CalibrationPhoto],
    made: Sequence[CalibrationPhoto],
    target: CalibrationTarget,
    check: Callable[[], None],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of the image and the pixel threshold: good photos, and the photos that pairs lie on, are drawn
    anew, DRAWS times."""
    rng = numpy_rng(0, "calibration")
    images, pixels = [], []
    groups = [_groups(good), _groups(made)]
    photos, pool = [good, made], PixelPool.of([p.pixels for p in (*good, *made)])
    for _ in range(DRAWS):
        check()
        weights = [_drawn(own, rng) for own in groups]
        scores = [np.repeat(_scores(ps), ws) for ps, ws in zip(photos, weights, strict=True)]
        if len(scores[0]) and len(scores[1]):
            images.append(image_threshold(scores[0], scores[1], target))
            pixels.append(pool.best_f1(np.concatenate(weights))[1])
    low_high = [np.percentile(values, _INTERVAL) for values in (images, pixels)]
    (a, b), (c, d) = ((float(low), float(high)) for low, high in low_high)
    return (a, b), (c, d)


def _groups(photos: Sequence[CalibrationPhoto]) -> npt.NDArray[np.int64]:
    names = {name: index for index, name in enumerate(dict.fromkeys(p.group for p in photos))}
    return np.array([names[p.group] for p in photos], np.int64)


def _drawn(groups: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """How often each photo comes when groups are drawn with replacement."""
    count = int(groups.max()) + 1
    return np.bincount(rng.integers(0, count, count), minlength=count)[groups]
