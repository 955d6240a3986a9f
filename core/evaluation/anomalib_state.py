"""A calibration as anomalib keeps it: the buffers of the ``PostProcessor`` of version 2."""

from __future__ import annotations

import io

from core.evaluation.calibration import Calibration


def anomalib_state(found: Calibration) -> bytes:
    """A state dict for ``model.post_processor.load_state_dict(torch.load(file), strict=False)``: thresholds, and the
    ranges that scores are normalised by. The scores must be those of that model."""
    import torch

    (low, high), (low_pixel, high_pixel) = found.ranges["image"], found.ranges["pixel"]
    values = {
        "_image_threshold": found.image,
        "_pixel_threshold": found.pixel,
        "image_min": low,
        "image_max": high,
        "pixel_min": low_pixel,
        "pixel_max": high_pixel,
    }
    whole = io.BytesIO()
    torch.save({name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}, whole)
    return whole.getvalue()
