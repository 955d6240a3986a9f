"""The part in a photo by a salient-object network (U²-Net through rembg), where both are on this machine.

Optional: nothing is fetched. ``U2NET_HOME`` names the folder of the weights, as it does for rembg.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Unavailable
from core.types import Image, Mask, check_image

MODEL = "u2net"


def salient_missing() -> str | None:
    """None, or what is missing and how to get it."""
    if importlib.util.find_spec("rembg") is None:
        return "U²-Net needs rembg; run: pip install rembg onnxruntime, or take the foreground without weights"
    if not _weights().is_file():
        return (
            f"U²-Net's weights are not at {_weights()}; put u2net.onnx there, or take the foreground without weights"
        )
    return None


def salient_mask(image: Image) -> Mask:
    """The part in a photo uint8 (H, W, 3), bool (H, W); all True where nothing stands out. Unavailable."""
    if (reason := salient_missing()) is not None:
        raise Unavailable(reason)
    from rembg import remove

    found = np.asarray(remove(np.array(check_image(image)), session=_session(), only_mask=True)) > 127
    return found if found.any() else np.ones(found.shape, np.bool_)


def _weights() -> Path:
    home = os.environ.get("U2NET_HOME")
    return (Path(home) if home else Path.home() / ".u2net") / f"{MODEL}.onnx"


@cache
def _session() -> Any:
    from rembg import new_session

    return new_session(MODEL)
