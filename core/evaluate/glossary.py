"""What each number of a result is called, what it means to an inspector, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Better = Literal["high", "low", ""]


@dataclass(frozen=True)
class Meaning:
    """A metric in words. ``share`` values lie in 0..1; ``better`` is "" where neither end is the good one."""

    title: str
    says: str
    better: Better = "high"
    share: bool = True


_SCALE = "0.5 is guessing, 1 is perfect"
METRICS: dict[str, Meaning] = {
    "pixel_auroc": Meaning("Pixel AUROC", f"does a defect pixel score above a good one? {_SCALE}; flattered by "
                           "small defects"),
    "pixel_ap": Meaning("Pixel AP", "how clean the marked area stays while more defect pixels are found; the "
                        "strictest of the pixel values"),
    "pixel_f1_max": Meaning("Pixel F1-max", "overlap of marked and true defect pixels at the best threshold"),
    "pro": Meaning("PRO", "share of each defect that is found, small ones counting like large ones, at false alarms "
                   "on up to 30 % of the good pixels"),
    "spro": Meaning("sPRO", "like PRO with at most 5 % false alarms; a defect counts in full once enough of it is "
                    "found"),
    "image_auroc": Meaning("Image AUROC", f"does a faulty part score above a good one? {_SCALE}"),
    "image_ap": Meaning("Image AP", "how few good parts are among those that score highest"),
    "image_f1_max": Meaning("Image F1-max", "faulty parts found against false alarms at the best threshold"),
    "accuracy": Meaning("Accuracy", "share of photos that get their right label"),
    "accuracy_mean": Meaning("Mean accuracy", "accuracy of each label, all labels counting alike"),
    "inception_score": Meaning("Inception Score", "clear and varied contents by ImageNet's classes", share=False),
    "kid": Meaning("KID", "distance of the pairs from real anomalies; 0 cannot be told apart", "low", False),
    "ic_lpips": Meaning("IC-LPIPS", "how different pairs of the same label look; 0 is copies", share=False),
    "ars": Meaning("ARS", "share of the mask that a detector also takes for anomalous"),
}  # fmt: skip
"""Known metrics in the order they are shown; others come after them under their own name."""


def meaning(name: str) -> Meaning:
    """The metric in words; one that is not in the list speaks for itself."""
    return METRICS.get(name) or Meaning(name.replace("_", " ").capitalize(), "", "", share=False)


def in_order(names: Iterable[str]) -> list[str]:
    """``names`` without repeats, known ones first in the list's order, the others as they came."""
    given = list(dict.fromkeys(names))
    return [*(name for name in METRICS if name in given), *(name for name in given if name not in METRICS)]


def number(value: float) -> str:
    """``value`` with as many digits as mean something."""
    size = abs(value)
    if value == int(value) and 2 <= size < 1e6:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def with_spread(value: float, spread: float | None) -> str:
    """``value`` with its standard deviation over seeds, if there is one."""
    return number(value) if spread is None else f"{number(value)} ± {number(spread)}"
