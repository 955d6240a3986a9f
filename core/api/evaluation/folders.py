"""Evaluations without a project on the table: what ``launch.py evaluate`` may ask of the core.

Each function imports its evaluation when it is called, so that the list of commands loads no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.evaluation.results import EvalResult, load_result, save_result

__all__ = ["EvalResult", "load_result", "evaluate_score_maps", "save_result", "write_report"]


def evaluate_score_maps(scores: Path, masks: Path, defects_config: Path | None = None, **more: Any) -> EvalResult:
    """Metrics of score maps: see core.evaluation.score_map_metrics.evaluate_maps."""
    from core.evaluation.score_map_metrics import evaluate_maps

    return evaluate_maps(scores, masks, defects_config, **more)


def write_report(path: Path, results: Sequence[EvalResult]) -> Path:
    """One self-contained HTML file of ``results``: see core.evaluation.report."""
    from core.evaluation.report import write_report as write

    return write(path, results)
