"""The size of the pictures that a model was trained on, read from its folder without loading it. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from core.diffusion.editor.families import FoundEditor
from core.diffusion.model_sources import ModelSource
from core.errors import Unavailable

PATCHES_SIDE = 128
"""Latents a side of models of patches, which do not say it."""


def trained_side(found: ModelSource | FoundEditor) -> int:
    """In pixels, as a loaded model's ``side``. Unavailable where its folder does not say."""
    folder = found.folder if isinstance(found, FoundEditor) else found.config or found.path
    latents = PATCHES_SIDE
    for part in ("unet", "transformer"):
        size = _config(folder / part).get("sample_size")
        if isinstance(size, int):
            latents = size
            break
    return latents * _latent_pixels(_config(folder / "vae"), folder)


def _latent_pixels(vae: dict[str, object], folder: Path) -> int:
    """Photo pixels a side of one latent."""
    for name, less in (("temperal_downsample", 0), ("block_out_channels", 1)):
        levels = vae.get(name)
        if isinstance(levels, list) and levels:
            return int(2 ** (len(levels) - less))
    raise Unavailable(f"{folder}: its vae/config.json does not say how large a latent is; give a whole model")


def _config(part: Path) -> dict[str, object]:
    """``config.json`` of a part; empty where there is none."""
    try:
        read = json.loads((part / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
