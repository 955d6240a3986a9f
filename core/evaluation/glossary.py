"""What each number of a result is called, what it means to an inspector, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

BetterDirection = Literal["high", "low", ""]


@dataclass(frozen=True)
class MetricInfo:
    """A metric in words; ``better`` is "" where neither end is the good one."""

    title: str
    description: str
    better: BetterDirection = "high"


_SCALE = "0.5 is guessing, 1 is perfect"
_INCEPTION = "clear and varied contents by ImageNet's classes"
_KID = "distance of the pairs from real anomalies of their label; 0 cannot be told apart"
_IC = "how different pairs look that resemble the same real anomaly; 0 is copies"
_STAND_IN = "; an offline stand-in, not to be compared with published values"
_LIKE_REAL = "unlike the real ones; 0 is the same"
_AS_VARIED = "beside the real ones; 1 is as varied, below 1 less"
METRIC_DESCRIPTIONS: dict[str, MetricInfo] = {
    "pixel_auroc": MetricInfo(
        "Pixel AUROC", f"does a defect pixel score above a good one? {_SCALE}; flattered by small defects"
    ),
    "pixel_ap": MetricInfo(
        "Pixel AP",
        "how clean the marked area stays while more defect pixels are found; the strictest of the pixel values",
    ),
    "pixel_f1_max": MetricInfo("Pixel F1-max", "overlap of marked and true defect pixels at the best threshold"),
    "pro": MetricInfo(
        "PRO",
        "share of each defect that is found, small ones counting like large ones, at false alarms "
        "on up to 30 % of the good pixels",
    ),
    "spro": MetricInfo(
        "sPRO", "like PRO with at most 5 % false alarms; a defect counts in full once enough of it is found"
    ),
    "spro_mean": MetricInfo("Mean sPRO", "sPRO of logical and of structural anomalies, both counting alike"),
    "image_auroc": MetricInfo("Image AUROC", f"does a faulty part score above a good one? {_SCALE}"),
    "image_auroc_mean": MetricInfo(
        "Mean image AUROC", "image AUROC of logical and of structural anomalies, both counting alike"
    ),
    "image_ap": MetricInfo("Image AP", "how few good parts are among those that score highest"),
    "image_f1_max": MetricInfo("Image F1-max", "faulty parts found against false alarms at the best threshold"),
    "accuracy": MetricInfo("Accuracy", "share of photos that get their right label"),
    "accuracy_mean": MetricInfo("Mean accuracy", "accuracy of each label, all labels counting alike"),
    "mask_iou": MetricInfo("Mask fit", "overlap of the mask with what visibly changed; 1 is exact"),
    "mask_covered": MetricInfo("Mask that changed", "share of the mask that visibly differs from the photo"),
    "change_in_mask": MetricInfo("Change in the mask", "share of the visible change that the mask holds"),
    "invisible": MetricInfo("Invisible", "share of the pairs in which nothing visibly changed", "low"),
    "ars": MetricInfo(
        "ARS",
        "anomaly region score: how foreign the masked place is to a network that knows only good "
        "photos; it should come near that of real anomalies",
        "",
    ),
    "ars_real": MetricInfo("ARS of real anomalies", "the same of the real anomalies, to compare with", ""),
    "ars_sd": MetricInfo("ARS, spread", "standard deviation of ARS between the pairs of one label", ""),
    "ars_real_sd": MetricInfo("ARS of real anomalies, spread", "the same between the real anomalies", ""),
    "ars_outside": MetricInfo("ARS outside", "the same outside of the masks: good surface", ""),
    "memorised": MetricInfo(
        "Memorised", "share of the pairs closer to a real anomaly than real ones are to each other", "low"
    ),
    "nearest_similarity": MetricInfo(
        "Nearest real anomaly", "mean similarity to the most similar real anomaly; 1 is a copy", ""
    ),
    "nearest_similarity_real": MetricInfo(
        "Nearest among real ones", "the same between real anomalies, to compare with", ""
    ),
    "inception_score": MetricInfo("Inception Score", _INCEPTION),
    "kid": MetricInfo("KID", _KID, "low"),
    "ic_lpips": MetricInfo("IC-LPIPS", _IC),
    "ic_lpips_mask": MetricInfo("IC-LPIPS in the mask", f"the same inside the masks: {_IC}"),
    "is_efflite": MetricInfo("IS, EfficientNet-Lite", _INCEPTION + _STAND_IN),
    "kid_efflite": MetricInfo("KID, EfficientNet-Lite", _KID + _STAND_IN, "low"),
    "ic_efflite": MetricInfo("Diversity, EfficientNet-Lite", _IC + _STAND_IN),
    "ic_efflite_mask": MetricInfo("Diversity in the mask", f"the same inside the masks: {_IC}{_STAND_IN}"),
    "position_distance": MetricInfo("Position", f"where they lie, {_LIKE_REAL}", "low"),
    "position_spread": MetricInfo("Variety of position", f"how much they vary {_AS_VARIED}", ""),
    "size_distance": MetricInfo("Size", f"octaves of area {_LIKE_REAL}", "low"),
    "size_spread": MetricInfo("Variety of size", f"how much they vary {_AS_VARIED}", ""),
    "elongation_distance": MetricInfo("Elongation", f"octaves of length by width {_LIKE_REAL}", "low"),
    "elongation_spread": MetricInfo("Variety of elongation", f"how much they vary {_AS_VARIED}", ""),
    "solidity_distance": MetricInfo("Solidity", f"share of the hull that is filled, {_LIKE_REAL}", "low"),
    "solidity_spread": MetricInfo("Variety of solidity", f"how much they vary {_AS_VARIED}", ""),
}
"""Known metrics in the order they are shown; others come after them under their own name."""


def metric_description(name: str) -> MetricInfo:
    """The metric in words; one that is not in the list speaks for itself."""
    return METRIC_DESCRIPTIONS.get(name) or MetricInfo(name.replace("_", " ").capitalize(), "", "")


def metrics_in_order(names: Iterable[str]) -> list[str]:
    """``names`` without repeats, known ones first in the list's order, the others as they came."""
    given = list(dict.fromkeys(names))
    return [
        *(name for name in METRIC_DESCRIPTIONS if name in given),
        *(name for name in given if name not in METRIC_DESCRIPTIONS),
    ]


def format_number(value: float) -> str:
    """``value`` with as many digits as mean something."""
    size = abs(value)
    if 0 < size < 0.00995:
        return f"{value:.2g}"
    if value == int(value) and 2 <= size < 1e6:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def format_with_spread(value: float, spread: float | None) -> str:
    """``value`` with its standard deviation over seeds, if there is one."""
    return format_number(value) if spread is None else f"{format_number(value)} ± {format_number(spread)}"
