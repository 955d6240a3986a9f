"""Photos of a part with and without a scratch, drawn; the mask that is right; trees of them on the disk."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

SIZE = (60, 80)


def scratch(shape: tuple[int, int] = SIZE, at: int = 20) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.line(mask, (at, 15), (at + 14, 40), 1, 3)
    return mask > 0


MASK = scratch()


def photo(seed: int, bad: bool = False, shape: tuple[int, int] = SIZE) -> np.ndarray:
    """A grey disc on a lighter ground with grain; ``bad`` has the scratch of MASK."""
    rng = np.random.default_rng(seed)
    pixels = np.full((*shape, 3), 150.0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels[(y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2 < 400] = 90
    pixels += x[..., None] * 0.3 + rng.normal(0, 3, (*shape, 3))
    if bad:
        pixels[scratch(shape)] = 15
    return pixels.clip(0, 255).astype(np.uint8)


def coded(array: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(array).save(out, form, **options)
    return out.getvalue()


def good(seed: int = 0, form: str = "PNG") -> bytes:
    return coded(photo(seed), form)


def bad(seed: int = 100, form: str = "PNG") -> bytes:
    return coded(photo(seed, True), form)


def mask(value: int = 255, form: str = "PNG", drawn: bool = True) -> bytes:
    return coded((MASK & drawn).astype(np.uint8) * np.uint8(value), form)


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return root
