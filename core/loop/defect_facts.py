"""What is known of an anomaly beside its label: how large, how faint, where, and on what."""

from __future__ import annotations

import cv2
import numpy as np

from core.evaluation.photo_sets import Shot
from core.images.geometry import dilated, mask_box
from core.loop.loop_state import DefectFacts
from core.masks.foreground import object_mask
from core.types import Image, Mask

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
AT_THE_EDGE, ROUGH, PLAIN = "at the part's edge", "rough surface", "plain surface"
_ROUGH_LEVELS = 10.0
"""Standard deviation of grey levels round a defect from which on the surface counts as rough."""
_BEYOND = 0.05
_LEAST_RING = 3


def place_words(x: float, y: float) -> str:
    """Where on the photo a point lies, ``x`` and ``y`` in shares of its width and height: a cell of three by three."""
    row, column = (min(2, max(0, int(3 * share))) for share in (y, x))
    return f"{_ROWS[row]} {_COLUMNS[column]}"


def defect_facts(name: str, label: str, image: Image, mask: Mask) -> DefectFacts:
    """Of a photo uint8 (H, W, 3) and its anomaly's mask bool (H, W), which is not empty."""
    part = object_mask(image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    ring = dilated(mask, max(_LEAST_RING, round(float(np.sqrt(mask.sum())) / 3))) & ~mask
    around = grey[ring & part] if (ring & part).any() else grey[ring] if ring.any() else grey.ravel()
    rows, columns = mask_box(mask)
    place = place_words(
        (columns.start + columns.stop) / 2 / mask.shape[1], (rows.start + rows.stop) / 2 / mask.shape[0]
    )
    beyond = float((ring & ~part).sum()) / max(1, int(ring.sum()))
    surroundings = AT_THE_EDGE if beyond > _BEYOND else ROUGH if float(around.std()) >= _ROUGH_LEVELS else PLAIN
    contrast = abs(float(grey[mask].mean()) - float(around.mean())) / 255
    return DefectFacts(name, label, float(mask.sum()) / max(1, int(part.sum())), contrast, place, surroundings)


def facts_of_shot(shot: Shot) -> DefectFacts:
    """The facts of a photo of an anomaly; MaskError where it has no mask."""
    image = shot.read()
    channels = shot.channels((image.shape[0], image.shape[1]))
    union = np.asarray(np.logical_or.reduce([mask for mask, _ in channels]), np.bool_)
    return defect_facts(shot.name, shot.label, image, union)
