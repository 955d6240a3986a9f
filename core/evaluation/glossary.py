"""What each number of a result is called, what it means to an inspector, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Better = Literal["high", "low", ""]


@dataclass(frozen=True)
class Meaning:
    """A metric in words; ``better`` is "" where neither end is the good one."""

    title: str
    says: str
    better: Better = "high"


_SCALE = "0.5 is guessing, 1 is perfect"
_INCEPTION = "clear and varied contents by ImageNet's classes"
_KID = "distance of the pairs from real anomalies of their label; 0 cannot be told apart"
_IC = "how different pairs look that resemble the same real anomaly; 0 is copies"
_STAND_IN = "; an offline stand-in, not to be compared with published values"
_LIKE_REAL = "unlike the real ones; 0 is the same"
_AS_VARIED = "beside the real ones; 1 is as varied, below 1 less"
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
    "mask_iou": Meaning("Mask fit", "overlap of the mask with what visibly changed; 1 is exact"),
    "mask_covered": Meaning("Mask that changed", "share of the mask that visibly differs from the photo"),
    "change_in_mask": Meaning("Change in the mask", "share of the visible change that the mask holds"),
    "invisible": Meaning("Invisible", "share of the pairs in which nothing visibly changed", "low"),
    "ars": Meaning("ARS", "anomaly region score: how foreign the masked place is to a network that knows only good "
                   "photos; it should come near that of real anomalies", ""),
    "ars_real": Meaning("ARS of real anomalies", "the same of the real anomalies, to compare with", ""),
    "ars_outside": Meaning("ARS outside", "the same outside of the masks: good surface", ""),
    "memorised": Meaning("Memorised", "share of the pairs closer to a real anomaly than real ones are to each other",
                         "low"),
    "nearest_similarity": Meaning("Nearest real anomaly", "mean similarity to the most similar real anomaly; 1 is a "
                                  "copy", ""),
    "nearest_similarity_real": Meaning("Nearest among real ones", "the same between real anomalies, to compare with",
                                       ""),
    "inception_score": Meaning("Inception Score", _INCEPTION),
    "kid": Meaning("KID", _KID, "low"),
    "ic_lpips": Meaning("IC-LPIPS", _IC),
    "ic_lpips_mask": Meaning("IC-LPIPS in the mask", f"the same inside the masks: {_IC}"),
    "is_efflite": Meaning("IS, EfficientNet-Lite", _INCEPTION + _STAND_IN),
    "kid_efflite": Meaning("KID, EfficientNet-Lite", _KID + _STAND_IN, "low"),
    "ic_efflite": Meaning("Diversity, EfficientNet-Lite", _IC + _STAND_IN),
    "ic_efflite_mask": Meaning("Diversity in the mask", f"the same inside the masks: {_IC}{_STAND_IN}"),
    "position_distance": Meaning("Position", f"where they lie, {_LIKE_REAL}", "low"),
    "position_spread": Meaning("Variety of position", f"how much they vary {_AS_VARIED}", ""),
    "size_distance": Meaning("Size", f"octaves of area {_LIKE_REAL}", "low"),
    "size_spread": Meaning("Variety of size", f"how much they vary {_AS_VARIED}", ""),
    "elongation_distance": Meaning("Elongation", f"octaves of length by width {_LIKE_REAL}", "low"),
    "elongation_spread": Meaning("Variety of elongation", f"how much they vary {_AS_VARIED}", ""),
    "solidity_distance": Meaning("Solidity", f"share of the hull that is filled, {_LIKE_REAL}", "low"),
    "solidity_spread": Meaning("Variety of solidity", f"how much they vary {_AS_VARIED}", ""),
}  # fmt: skip
"""Known metrics in the order they are shown; others come after them under their own name."""


def meaning(name: str) -> Meaning:
    """The metric in words; one that is not in the list speaks for itself."""
    return METRICS.get(name) or Meaning(name.replace("_", " ").capitalize(), "", "")


def in_order(names: Iterable[str]) -> list[str]:
    """``names`` without repeats, known ones first in the list's order, the others as they came."""
    given = list(dict.fromkeys(names))
    return [*(name for name in METRICS if name in given), *(name for name in given if name not in METRICS)]


def number(value: float) -> str:
    """``value`` with as many digits as mean something."""
    size = abs(value)
    if 0 < size < 0.00995:
        return f"{value:.2g}"
    if value == int(value) and 2 <= size < 1e6:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def with_spread(value: float, spread: float | None) -> str:
    """``value`` with its standard deviation over seeds, if there is one."""
    return number(value) if spread is None else f"{number(value)} ± {number(spread)}"
