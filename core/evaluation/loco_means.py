"""What MVTec LOCO's tables print: the mean of logical and structural anomalies, each measured with the good photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from core.evaluation.photo_sets import Shot
from core.types import GOOD

LOCO_FOLDERS = frozenset({"logical_anomalies", "structural_anomalies"})
"""The folders of its test sets, whatever labels its defects config gives the photos in them."""


def loco_folders(shots: Sequence[Shot]) -> list[str]:
    """The folder of each photo, "good" for a good one; [] unless the anomalies are those of MVTec LOCO."""
    folders = [GOOD if shot.good else shot.name.rpartition("/")[0] for shot in shots]
    return folders if set(folders) - {GOOD} == LOCO_FOLDERS else []


def loco_means(per_folder: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """spro_mean and image_auroc_mean of metrics by folder; {} unless the folders are MVTec LOCO's."""
    if set(per_folder) != LOCO_FOLDERS:
        return {}
    return {
        f"{key}_mean": fmean(values[key] for values in per_folder.values())
        for key in ("spro", "image_auroc")
        if all(key in values for values in per_folder.values())
    }
