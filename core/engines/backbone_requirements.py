"""What the engines share that draw with a diffusion model. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from core.diffusion.model_sources import locate, missing_library
from core.engines.api import Context
from core.errors import FlawsmithError, InputError
from core.images import is_grey
from core.types import Image


def missing_model_reason(find: Callable[[], object] = locate) -> str | None:
    """None, or which library or weights are missing and how to get them; ``find`` looks for the model."""
    if (reason := missing_library()) is not None:
        return reason
    try:
        find()
    except FlawsmithError as error:
        return str(error)
    return None


def concepts_folder(name: str, ctx: Context) -> Path:
    """Where engine ``name`` keeps what it learns; InputError outside a project."""
    if ctx.concepts is None:
        raise InputError(f"{name}: learning needs a folder to keep concepts in; open a project")
    return ctx.concepts


def grey_like(photo: Image, drawn: Image) -> Image:
    """A grey photo gets a grey anomaly."""
    if not is_grey(photo):
        return drawn
    return np.repeat(cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
