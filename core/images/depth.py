"""More than 8 bits a channel, brought to 8 so that photos of one camera stay comparable."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ImageError

_CAMERA_BITS = (10, 12, 14, 16)


def to_8_bit(array: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """``array`` of any shape and number type as uint8, and notes on what was done.

    Whole numbers are scaled by the camera's range, the smallest of 10, 12, 14 and 16 bits that holds the
    brightest pixel: a scale taken from each photo's own range would give the same part another brightness on
    every photo. Only where the photo fills less than a quarter of that range (thermal and X-ray cameras) are its
    own limits used, the 0.1 and 99.9 percentiles, lest it come out as one flat grey. Floats are taken as 0..1,
    else as 0..255 when they lie there and reach beyond 16, else by their own limits. ImageError if no value is finite.
    """
    if array.dtype == np.uint8:
        return array, ()
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ()
    notes: list[str] = []
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.any():
            raise ImageError(f"{name}: no pixel holds a finite number; export it again as 8- or 16-bit")
        if not finite.all():
            array = np.where(finite, array, array[finite].min())
            notes.append(f"{np.count_nonzero(~finite)} values that are no number set to the lowest")
    low, high, what = _limits(array)
    kind = {"u": f"{array.dtype.itemsize * 8}-bit", "i": f"signed {array.dtype.itemsize * 8}-bit"}.get(
        array.dtype.kind, "float"
    )
    notes.append(f"{kind} scaled to 8-bit from {low:.6g}..{high:.6g} ({what})")
    scale = 255.0 / max(high - low, 1e-30)
    scaled = np.rint(np.clip((array.astype(np.float64) - low) * scale, 0, 255))
    return scaled.astype(np.uint8), tuple(notes)


def _limits(array: npt.NDArray[Any]) -> tuple[float, float, str]:
    """What becomes 0, what becomes 255, and why."""
    lowest, highest = float(array.min()), float(array.max())
    own_low, own_high = (float(v) for v in np.percentile(array, (0.1, 99.9)))
    if own_high <= own_low:
        own_low, own_high = lowest, highest
    if array.dtype.kind == "f":
        if lowest >= 0 and highest <= 1:
            return 0.0, 1.0, "full range"
        if lowest >= 0 and 16 < highest <= 255:
            return 0.0, 255.0, "full range"
        return own_low, own_high, "the photo's own range"
    bits = next((b for b in _CAMERA_BITS if highest < 2**b), None)
    if lowest >= 0 and bits is not None and own_high - own_low >= 2**bits / 4:
        return 0.0, float(2**bits - 1), f"{bits}-bit range"
    return own_low, own_high, "the photo's own range"
