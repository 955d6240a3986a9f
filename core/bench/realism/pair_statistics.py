"""What the pairs of a row look like, told without a detector: varied, copied, aligned with their masks?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.evaluation.generation import evaluate_generation
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.photo_sets import Shot
from core.images import atomic_write

Formatter = Callable[[float], str]


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


PAIR_STATISTICS: Mapping[str, tuple[str, Formatter]] = {
    "ic_lpips": ("IC-LPIPS", _two_decimals),
    "ic_lpips_mask": ("in the mask", _two_decimals),
    "ic_efflite": ("diversity, stand-in", _two_decimals),
    "ic_efflite_mask": ("in the mask", lambda value: f"{value:.3f}"),
    "nearest_similarity": ("likeness of the nearest real one", _two_decimals),
    "nearest_similarity_real": ("of real ones among themselves", _two_decimals),
    "memorised": ("copies, %", _percent),
    "mask_iou": ("mask IoU", _two_decimals),
    "ars": ("ARS", _two_decimals),
    "ars_real": ("ARS of real ones", _two_decimals),
}
"""Metric of core.evaluation.generation → title and how it is written."""


def measure_pairs(
    made: Sequence[GeneratedPair],
    learned: Sequence[Shot],
    test: Sequence[Shot],
    path: Path,
    device: str,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """PAIR_STATISTICS of the pairs beside the real anomalies of ``test``; copies are looked for among those of
    ``learned``.

    What is found is kept at ``path``. The mean over labels.
    """
    if path.is_file():
        return dict(json.loads(path.read_text()))
    good = [shot.image for shot in learned if shot.good]
    result = evaluate_generation(
        made, [s for s in test if not s.good], normals=good, training=learned, device=device, cancelled=cancelled
    )
    found = {name: result.metrics[name] for name in PAIR_STATISTICS if name in result.metrics}
    atomic_write(path, json.dumps(found, indent=1).encode())
    return found


def pair_statistics_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows that were looked at, in Markdown; empty for none."""
    seen = [row for row in rows if row.get("looks")]
    shown = {name: column for name, column in PAIR_STATISTICS.items() if any(name in row["looks"] for row in seen)}
    if not seen:
        return ""
    lines = [
        "| pairs of | " + " | ".join(title for title, _ in shown.values()) + " |",
        "|" + "---|" * (1 + len(shown)),
    ]
    for row in seen:
        numbers = (write(row["looks"][name]) if name in row["looks"] else "" for name, (_, write) in shown.items())
        lines.append(f"| `{row['row']}` | " + " | ".join(numbers) + " |")
    return "\n".join(lines) + "\n"
