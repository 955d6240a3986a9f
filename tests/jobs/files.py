"""Small picture files for the import tests, made in code."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image


def picture(seed: int = 0, size: tuple[int, int] = (24, 32), grey: bool = False) -> np.ndarray:
    shape = size if grey else (*size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def coded(array: np.ndarray, form: str = "PNG", **more) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(array).save(out, form, **more)
    return out.getvalue()


def png(seed: int = 0, size: tuple[int, int] = (24, 32)) -> bytes:
    return coded(picture(seed, size))


def mask_png(size: tuple[int, int] = (24, 32), value: int = 255, at: int = 4) -> bytes:
    mask = np.zeros(size, np.uint8)
    mask[at : at + 5, at : at + 6] = value
    return coded(mask)


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
