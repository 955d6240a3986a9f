"""Does the mask say what changed? The pair beside the photo it was made from."""

from __future__ import annotations

import numpy as np

from core.quality.visible_change import visible_change
from core.types import Image, Mask


def alignment(before: Image, after: Image, mask: Mask) -> dict[str, float]:
    """How mask and visible change cover each other; images uint8 (H, W, 3), mask bool (H, W), not empty.

    The visible change is every pixel of the photo that differs by core.quality.visible_change.VISIBLE_LEVELS levels or
    more in a channel, small gaps closed, faint specks dropped: what a person could have drawn a mask around.

    mask_covered    share of the mask that visibly changed, 0..1
    change_in_mask  share of the visible change that the mask holds, 0..1; missing if nothing changed
    mask_iou        intersection over union of the two, 0..1
    invisible       1.0 if nothing visibly changed inside the mask, else 0.0
    """
    changed = visible_change(before, after, np.ones(mask.shape, np.bool_))
    both, either = int((changed & mask).sum()), int((changed | mask).sum())
    found = {"mask_covered": both / int(mask.sum()), "mask_iou": both / either, "invisible": float(both == 0)}
    if changed.any():
        found["change_in_mask"] = both / int(changed.sum())
    return found
