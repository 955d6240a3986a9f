"""Automatic review: rules that keep or reject samples by their scores, and say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.quality import group_near_duplicates
from core.store import Project, SampleFilter, SampleRow
from core.types import ReviewStatus, VerdictSource

PASSED = "passed the rules"
CHANGED_OUTSIDE = "changed outside the mask"
FAINT = "hardly visible"
LOOSE_MASK = "mask larger than the change"
SEAM = "hard seam"
GHOST = "ghost of what was there"
LIGHT_STEP = "step of light at the mask's edge"
TEXTURE = "texture unlike the surface"
LITTLE_LEFT = "little of the mask asked for changed"
OFF_PART = "off the part"
NOT_FINITE = "a score is not a number"
LOOKS_GOOD = "looks like a good part"
COPY_OF_REAL = "copy of a real example"
NEAR_DUPLICATE = "near-duplicate of a better one"
NOT_AMONG_BEST = "not among the best"
REJECT_REASONS = (
    NOT_FINITE, CHANGED_OUTSIDE, FAINT, LOOSE_MASK, LITTLE_LEFT, OFF_PART, SEAM, GHOST, LIGHT_STEP, TEXTURE,
    LOOKS_GOOD, COPY_OF_REAL, NEAR_DUPLICATE, NOT_AMONG_BEST,
)  # fmt: skip
"""Why a sample is rejected. A stored reason is one of these, then what was measured in parentheses."""

MAX_ARS_FLOOR = 0.5
"""An untouched photo that scores this much looks anomalous itself: there ARS can't tell, and is not asked."""

FULL_ARS_GAIN = 0.25
"""ARS this far above the untouched photo's is as good as more: real hairline cracks have no more than that."""


GHOST_LIMIT, LIGHT_STEP_LIMIT, TEXTURE_LIMIT = 0.35, 3.5, 1.7
"""Fitted on rendered twins: at most one true edit in twenty exceeds one, and nine in ten with such a fault do."""


@dataclass(frozen=True)
class FlawPlace:
    """What gives an edit away, and the pixel of the photo where it is worst."""

    reason: str
    x: int
    y: int


class ReviewRules(BaseModel):
    """When a sample is good enough. Each bound is inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_change: float = Field(
        0.03, ge=0, le=1, title="Minimum visible change",
        description="Mean change inside the mask, as a share of full scale; below it, the anomaly cannot be seen.",
    )  # fmt: skip
    min_covered: float = Field(
        0.6, ge=0, le=1, title="Minimum mask coverage",
        description="Share of the mask that visibly changed; below it, the mask is larger than the anomaly.",
    )  # fmt: skip
    max_outside: int = Field(
        0, ge=0, title="Maximum pixels changed outside",
        description="Pixels changed beyond the mask and its declared feather.",
    )  # fmt: skip
    max_seam: float = Field(
        40.0, ge=1, le=200, title="Maximum seam contrast",
        description="Contrast of the outline relative to the photo's own; above it, the pasted edge is visible. "
        "On a smooth surface every defect has a strong one, so lower it only for textured products.",
    )  # fmt: skip
    max_ghost: float = Field(
        GHOST_LIMIT, ge=0, title="Maximum ghost of a removed part",
        description="How strongly the outline of what was there is still seen, against the surface's own slopes.",
    )  # fmt: skip
    max_light_step: float = Field(
        LIGHT_STEP_LIMIT, ge=0, title="Maximum step of light (grey levels)",
        description="Jump of the surface's light across the mask's edge where a part was taken away.",
    )  # fmt: skip
    max_texture: float = Field(
        TEXTURE_LIMIT, ge=1, title="Maximum difference in texture",
        description="How much rougher or smoother the surface may be where a part was taken away, as a ratio.",
    )  # fmt: skip
    min_asked: float = Field(
        0.2, ge=0, le=1, title="Minimum share of the mask asked for",
        description="Share of the mask asked for that is left; below it, only specks of the anomaly came out.",
    )  # fmt: skip
    max_off_part: float = Field(
        0.5, ge=0, le=1, title="Maximum share off the part",
        description="Share of a structural anomaly that may lie beside the part and beside the mask asked for.",
    )  # fmt: skip
    min_ars: float = Field(
        0.05, ge=0, le=1, title="Minimum gain in anomaly region score (ARS)",
        description="By how much the anomaly region score (ARS) must exceed that of the same mask on the untouched "
        "photo, where it was measured; below it, the sample looks like a good part. 0 turns the rule off.",
    )  # fmt: skip
    copies: bool = Field(
        False, title="Allow copies of real examples",
        description="Accept samples that repeat a real example, where similarity to real ones was measured.",
    )  # fmt: skip
    duplicates: float = Field(
        0.08, ge=0, le=2, title="Near-duplicate distance",
        description="Samples closer than this form one group. Its best one is kept, or the one kept before; "
        "0 keeps all.",
    )  # fmt: skip
    rank: Literal["believability", "ars"] = Field(
        "believability", title="Best first by",
        description="believability: coverage of the mask, seam, visibility and ARS together; ars: the anomaly region "
        "score alone, as GAA selects (LQSF).",
    )  # fmt: skip
    keep_best: int | None = Field(
        None, ge=1, title="Keep the best", description="Keep at most this many samples; empty keeps all that pass."
    )


def believability(scores: Mapping[str, float]) -> float:
    """One number 0..1 to rank by: a full mask and a quiet seam, given that the change is visible at all.

    mask_covered · 1/√seam · min(1, change/0.06) · (1 + min(1, gain/FULL_ARS_GAIN))/2: the seam counts by its square
    root because a real crack has a sharp outline too, and beyond 6 % of full scale a stronger change is not a better
    one. ``gain`` is the anomaly region score above the untouched photo's; where it was not measured, or can't tell,
    the last factor is 1.
    """
    seam = max(scores.get("seam_contrast", 1.0), 1.0)
    visible = min(1.0, scores.get("change_inside", 0.0) / 0.06)
    gain = ars_gain(scores)
    stands_out = 1.0 if gain is None else (1 + min(1.0, max(0.0, gain) / FULL_ARS_GAIN)) / 2
    covered = scores.get("mask_covered", 0.0) * min(1.0, scores.get("asked_kept", 1.0) / 0.5)
    return float(covered * visible * stands_out / np.sqrt(seam) * _unflawed(scores))


def _unflawed(scores: Mapping[str, float]) -> float:
    """1 where no flaw of an edit exceeds its limit; the less the more it does."""
    limits = {"ghost": GHOST_LIMIT, "light_step": LIGHT_STEP_LIMIT, "texture": TEXTURE_LIMIT}
    return min(min(1.0, limit / max(scores.get(name, 0.0), 1e-6)) for name, limit in limits.items())


def ranking_key(row: SampleRow, rules: ReviewRules) -> tuple[float, str]:
    """What samples are sorted by, the best first."""
    value = row.scores.get("ars", 0.0) if rules.rank == "ars" else believability(row.scores)
    return -value, row.id


def ars_gain(scores: Mapping[str, float]) -> float | None:
    """Anomaly region score above that of the same mask on the untouched photo; None where ARS says nothing."""
    if "ars" not in scores or (floor := scores.get("ars_floor", 0.0)) >= MAX_ARS_FLOOR:
        return None
    return scores["ars"] - floor


def reject_reason(scores: Mapping[str, float], rules: ReviewRules) -> str | None:
    """Why these scores fail the rules, one of REJECT_REASONS with what was measured; or None if they pass."""
    if broken := [name for name, value in scores.items() if not np.isfinite(value)]:
        return f"{NOT_FINITE} ({', '.join(broken)})"
    if (outside := scores.get("change_outside", 0.0)) > rules.max_outside:
        return f"{CHANGED_OUTSIDE} ({outside:.0f} pixels, at most {rules.max_outside})"
    if (change := scores.get("change_inside", 0.0)) < rules.min_change:
        return f"{FAINT} (changed by {change:.1%}, at least {rules.min_change:.1%})"
    if (covered := scores.get("mask_covered", 0.0)) < rules.min_covered:
        return f"{LOOSE_MASK} ({covered:.0%} of it changed, at least {rules.min_covered:.0%})"
    if (seam := scores.get("seam_contrast", 1.0)) > rules.max_seam:
        return f"{SEAM} ({seam:.1f} times the photo's own, at most {rules.max_seam:.1f})"
    if (flaw := _flaw(scores, rules)) is not None:
        return flaw
    gain = ars_gain(scores)
    if rules.min_ars and gain is not None and gain < rules.min_ars:
        return f"{LOOKS_GOOD} (ARS {scores['ars']:.2f}, the untouched photo {scores.get('ars_floor', 0.0):.2f})"
    likeness = scores.get("likeness", 0.0)
    if not rules.copies and likeness >= scores.get("copy_limit", np.inf):
        return f"{COPY_OF_REAL} (likeness {likeness:.2f}, must stay below {scores['copy_limit']:.2f})"
    return None


def _flaw(scores: Mapping[str, float], rules: ReviewRules) -> str | None:
    """What gives the edit away, or how it misses what was asked for."""
    if (asked := scores.get("asked_kept", 1.0)) < rules.min_asked:
        return f"{LITTLE_LEFT} ({asked:.0%} of it, at least {rules.min_asked:.0%})"
    if (off := scores.get("off_part", 0.0)) > rules.max_off_part:
        return f"{OFF_PART} ({off:.0%} of it, at most {rules.max_off_part:.0%})"
    if (ghost := scores.get("ghost", 0.0)) > rules.max_ghost:
        return f"{GHOST} ({ghost:.2f}, at most {rules.max_ghost:.2f}{_where(scores, 'ghost')})"
    if (step := scores.get("light_step", 0.0)) > rules.max_light_step:
        return f"{LIGHT_STEP} ({step:.1f} levels, at most {rules.max_light_step:.1f}{_where(scores, 'light_step')})"
    if (texture := scores.get("texture", 1.0)) > rules.max_texture:
        return f"{TEXTURE} ({texture:.1f} times, at most {rules.max_texture:.1f}{_where(scores, 'texture')})"
    return None


def _where(scores: Mapping[str, float], name: str) -> str:
    """Where on the photo, "" where that is not known."""
    x, y = scores.get(f"{name}_x"), scores.get(f"{name}_y")
    return "" if x is None or y is None else f"; worst at x {x:.0f}, y {y:.0f}"


def flaw_places(scores: Mapping[str, float], rules: ReviewRules) -> list[FlawPlace]:
    """Where the flaws lie that exceed their limits; those of samples made before places were told are left out."""
    limits = {"ghost": (GHOST, rules.max_ghost), "light_step": (LIGHT_STEP, rules.max_light_step),
              "texture": (TEXTURE, rules.max_texture)}  # fmt: skip
    return [
        FlawPlace(reason, round(scores[f"{name}_x"]), round(scores[f"{name}_y"]))
        for name, (reason, limit) in limits.items()
        if scores.get(name, 0.0) > limit and {f"{name}_x", f"{name}_y"} <= scores.keys()
    ]


def reason_kind(reason: str) -> str:
    """A stored reason without what was measured; "by hand" for a verdict that a person gave without one."""
    return reason.partition(" (")[0] or "by hand"


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """How often each kind of reason occurs, the most frequent first."""
    found = Counter(map(reason_kind, reasons))
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True)
class FilteredSamples:
    """``kept``: the best first. ``reasons``: why not, by the id of each other row. ``passed``: kept and surplus."""

    kept: tuple[SampleRow, ...]
    reasons: Mapping[str, str]
    passed: int

    def review_statuses(self) -> list[tuple[str, ReviewStatus, str]]:
        """What the store's ``review_samples`` takes."""
        rejected = [(i, ReviewStatus.REJECTED, reason) for i, reason in self.reasons.items()]
        return [*((row.id, ReviewStatus.KEPT, PASSED) for row in self.kept), *rejected]


def filter_samples(rows: Sequence[SampleRow], rules: ReviewRules, before: Sequence[SampleRow] = ()) -> FilteredSamples:
    """Tell the good from the bad by the rules; the same for any order of ``rows``.

    What passes every rule of its own scores is taken from the best down (``rules.rank``), each unless it is a
    near-duplicate of one taken or of one kept ``before``, at most ``rules.keep_best``.
    """
    reasons = {row.id: reason for row in rows if (reason := reject_reason(row.scores, rules))}
    passed = [row for row in rows if row.id not in reasons]
    passed.sort(key=lambda row: ranking_key(row, rules))
    if rules.duplicates > 0:
        for row, twin in _duplicates(passed, before, rules.duplicates):
            reasons[row.id] = f"{NEAR_DUPLICATE} (of {twin.id})"
        passed = [row for row in passed if row.id not in reasons]
    room = len(passed) if rules.keep_best is None else rules.keep_best
    for place, row in enumerate(passed[room:], room + 1):
        reasons[row.id] = f"{NOT_AMONG_BEST} (place {place} of the {len(passed)} that pass; {room} are kept)"
    return FilteredSamples(tuple(passed[:room]), reasons, len(passed))


def already_kept(project: Project, rows: Sequence[SampleRow]) -> list[SampleRow]:
    """Samples of the rows' labels that are kept already and not among the rows."""
    mine = {row.id for row in rows}
    labels = sorted({row.label for row in rows})
    kept = [r for label in labels for r in project.samples(SampleFilter(label=label, verdict=ReviewStatus.KEPT))]
    return [row for row in kept if row.id not in mine]


def auto_review(
    project: Project, rules: ReviewRules, chosen: SampleFilter | None = None, by: str = ""
) -> dict[str, Any]:
    """Give every new sample (or those of ``chosen``) a verdict; one undo, by the person ``by``, takes all of it back.

    Returns ``{"kept", "rejected", "reasons": {reason: count}}``.
    """
    rows = project.samples(chosen or SampleFilter(verdict=ReviewStatus.NEW))
    sifted = filter_samples(rows, rules, already_kept(project, rows))
    project.review_samples(sifted.review_statuses(), VerdictSource("rule", by))
    reasons = count_reasons(sifted.reasons.values())
    return {"kept": len(sifted.kept), "rejected": len(sifted.reasons), "reasons": reasons}


def _duplicates(
    best_first: Sequence[SampleRow], before: Sequence[SampleRow], distance: float
) -> list[tuple[SampleRow, SampleRow]]:
    """(row, its better or earlier twin) for all but the best of each group."""
    rows = [row for row in best_first if row.descriptor]
    old = [row for row in before if row.descriptor]
    if not rows:
        return []
    vectors, twins = _vectors(rows), []
    if old:
        kept = _vectors(old)
        gaps = [np.linalg.norm(kept - vector, axis=1) for vector in vectors]
        twins = [(r, old[int(g.argmin())]) for r, g in zip(rows, gaps, strict=True) if g.min() <= distance]
        novel = [k for k, g in enumerate(gaps) if g.min() > distance]
        rows, vectors = [rows[k] for k in novel], vectors[novel]
    first: dict[int, SampleRow] = {}
    for row, group in zip(rows, group_near_duplicates(vectors, distance), strict=True):
        if group in first:
            twins.append((row, first[group]))
        first.setdefault(group, row)
    return twins


def _vectors(rows: Sequence[SampleRow]) -> np.ndarray:
    return np.stack([np.frombuffer(row.descriptor or b"", np.float32) for row in rows])
