"""Automatic review: rules that keep or reject samples by their scores, and say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.quality import group_near_duplicates
from core.store import Project, SampleFilter, SampleRow
from core.types import Verdict


class Rules(BaseModel):
    """When a sample is good enough. Each bound is inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_change: float = Field(
        0.03, ge=0, le=1, title="Least visible change",
        description="Mean change inside the mask, as a share of full scale; below it nobody sees the anomaly.",
    )  # fmt: skip
    min_covered: float = Field(
        0.6, ge=0, le=1, title="Least mask coverage",
        description="Share of the mask that visibly changed; below it the mask claims too much.",
    )  # fmt: skip
    max_outside: int = Field(
        0, ge=0, title="Most pixels changed outside",
        description="Pixels changed beyond the mask and its declared feather.",
    )  # fmt: skip
    max_seam: float = Field(
        40.0, ge=1, le=200, title="Strongest seam",
        description="Contrast of the outline relative to the photo's own; above it the pasting shows. "
        "On a smooth surface every defect has a strong one, so lower it only for textured products.",
    )  # fmt: skip
    duplicates: float = Field(
        0.08, ge=0, le=2, title="Near-duplicate distance",
        description="Samples closer than this are one group, of which the best is kept; 0 keeps all.",
    )  # fmt: skip
    keep_best: int | None = Field(
        None, ge=1, title="Keep the best", description="Keep at most this many; empty keeps all that pass."
    )


def believability(scores: Mapping[str, float]) -> float:
    """One number 0..1 to rank by: a full mask and a quiet seam, given that the change is visible at all.

    mask_covered · 1/√seam · min(1, change/0.06): the seam counts by its square root because a real crack has a
    sharp outline too, and beyond 6 % of full scale a stronger change is not a better one.
    """
    seam = max(scores.get("seam_contrast", 1.0), 1.0)
    visible = min(1.0, scores.get("change_inside", 0.0) / 0.06)
    return float(scores.get("mask_covered", 0.0) * visible / np.sqrt(seam))


def fault(scores: Mapping[str, float], rules: Rules) -> str | None:
    """Why these scores fail the rules, or None if they pass."""
    if (outside := scores.get("change_outside", 0.0)) > rules.max_outside:
        return f"{outside:.0f} pixels changed outside the mask"
    if (change := scores.get("change_inside", 0.0)) < rules.min_change:
        return f"hardly visible (change {change:.3f} < {rules.min_change:.3f})"
    if (covered := scores.get("mask_covered", 0.0)) < rules.min_covered:
        return f"mask too large (covered {covered:.2f} < {rules.min_covered:.2f})"
    if (seam := scores.get("seam_contrast", 1.0)) > rules.max_seam:
        return f"hard seam ({seam:.1f} > {rules.max_seam:.1f})"
    return None


def auto_review(project: Project, rules: Rules, chosen: SampleFilter | None = None) -> dict[str, Any]:
    """Give every new sample (or those of ``chosen``) a verdict; one undo takes all of it back.

    Returns ``{"kept", "rejected", "reasons": {reason: count}}``.
    """
    rows = project.samples(chosen or SampleFilter(verdict=Verdict.NEW))
    reasons: dict[str, str] = {}
    for row in rows:
        if reason := fault(row.scores, rules):
            reasons[row.id] = reason
    passed = [r for r in rows if r.id not in reasons]
    passed.sort(key=lambda r: (-believability(r.scores), r.id))
    if rules.duplicates > 0:
        for row, twin in _duplicates(passed, rules.duplicates):
            reasons[row.id] = f"near-duplicate of {twin.id}"
        passed = [r for r in passed if r.id not in reasons]
    for row in passed[rules.keep_best :] if rules.keep_best else ():
        reasons[row.id] = f"not among the best {rules.keep_best}"
    kept = [r.id for r in passed if r.id not in reasons]
    project.review(
        [(i, Verdict.KEPT, "passed the rules") for i in kept]
        + [(i, Verdict.REJECTED, reason) for i, reason in reasons.items()]
    )
    kinds = Counter(reason.split(" (")[0].split(" of ")[0] for reason in reasons.values())
    return {"kept": len(kept), "rejected": len(reasons), "reasons": dict(kinds.most_common())}


def _duplicates(best_first: Sequence[SampleRow], distance: float) -> list[tuple[SampleRow, SampleRow]]:
    """(row, its better twin) for all but the best of each group."""
    with_vector = [r for r in best_first if r.descriptor]
    if len(with_vector) < 2:
        return []
    vectors = np.stack([np.frombuffer(r.descriptor or b"", np.float32) for r in with_vector])
    first: dict[int, SampleRow] = {}
    twins = []
    for row, group in zip(with_vector, group_near_duplicates(vectors, distance), strict=True):
        if group in first:
            twins.append((row, first[group]))
        else:
            first[group] = row
    return twins
