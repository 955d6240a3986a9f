"""What an anomaly region looks like, as named parts of numbers.

Preset ``paper`` (GAA): layers of a pretrained network pooled over the mask on the whole photo, LAB colour, LBP.
Preset ``flawsmith``: what tells the region from its surroundings. The region is looked at in a window of its own size,
each layer as inside minus ring around it, so that the product's own look, which all regions share, cancels; and the
rim says how the region hangs together with what surrounds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError
from core.features.extract import FEATURES, LAYERS, patch_features
from core.images.geometry import coverage
from core.methods.gaa.clustering.region_crop import SIDE, crop_region
from core.methods.gaa.clustering.rim_descriptor import rim_spectrum
from core.types import Image, Mask, check_image, check_mask

ClusteringPreset = Literal["paper", "flawsmith"]
CLUSTERING_PRESETS: tuple[ClusteringPreset, ...] = get_args(ClusteringPreset)

FeaturePart = npt.NDArray[np.float64]
"""``float64 (d,)``: one part of a region's description; ``(N, d)`` for N regions."""

_STRIDE = 4
_LBP = ((8, 1), (16, 2))
"""Points and radius in pixels, as in Ojala et al. 2002; uniform patterns have points + 2 values."""
_FEATURES_OF_PRESET = {
    "paper": f"whole photo {_STRIDE} + lab + lbp 8,1 16,2",
    "flawsmith": f"window {SIDE} inside-ring + rim",
}


def features_name(preset: ClusteringPreset) -> str:
    """What the vectors are made of; vectors of different names are not comparable."""
    return f"{FEATURES} | {_FEATURES_OF_PRESET[check_clustering_preset(preset)]}"


def check_clustering_preset(preset: str) -> ClusteringPreset:
    """``preset``, or InputError naming those there are."""
    if preset not in CLUSTERING_PRESETS:
        raise InputError(f"preset {preset!r}: expected one of {', '.join(CLUSTERING_PRESETS)}")
    return preset


def describe_region(image: Image, mask: Mask, preset: ClusteringPreset) -> dict[str, FeaturePart]:
    """The parts of one region: ``layer_1..3`` with ``lab``, ``lbp`` (paper) or ``rim`` (flawsmith).

    ``image`` uint8 (H, W, 3), ``mask`` bool (H, W), not empty (MaskError). ImageError if ``paper`` is given a photo
    with a side below 32 pixels; Unavailable if the network's weights are missing.
    """
    photo = check_image(image)
    region = check_mask(mask, (photo.shape[0], photo.shape[1]), "region")
    makers: dict[ClusteringPreset, Callable[[Image, Mask], dict[str, FeaturePart]]] = {
        "paper": _paper,
        "flawsmith": _flawsmith,
    }
    return makers[check_clustering_preset(preset)](photo, region)


def _paper(image: Image, mask: Mask) -> dict[str, FeaturePart]:
    if not mask.any():
        raise MaskError("region: its mask is empty; give a mask of the defect")
    parts = _layers(_pooled(patch_features(image, _STRIDE), mask))
    lab = cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[mask].astype(np.float64)
    parts["lab"] = np.concatenate([lab.mean(axis=0), lab.std(axis=0)])
    parts["lbp"] = _texture(image, mask)
    return parts


def _flawsmith(image: Image, mask: Mask) -> dict[str, FeaturePart]:
    window = crop_region(image, mask)
    maps = patch_features(window.image, _STRIDE, None)
    inside = _pooled(maps, window.mask)
    around = _pooled(maps, window.ring) if window.ring.any() else inside
    return {**_layers(inside - around), "rim": rim_spectrum(window)}


def _pooled(maps: npt.NDArray[np.float32], mask: Mask) -> FeaturePart:
    """Mean of the vectors (h, w, C), each weighed by how much of its cell the mask covers."""
    height, width = maps.shape[:2]
    share = coverage(mask, (height, width)).astype(np.float64)
    return np.asarray(np.einsum("ij,ijc->c", share, maps) / share.sum())


def _layers(vector: FeaturePart) -> dict[str, FeaturePart]:
    cuts = np.cumsum(LAYERS)[:-1]
    return {f"layer_{n}": part for n, part in enumerate(np.split(vector, cuts), start=1)}


def _texture(image: Image, mask: Mask) -> FeaturePart:
    """Shares of the local binary patterns inside the mask."""
    from skimage.feature import local_binary_pattern

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found = []
    for points, radius in _LBP:
        patterns = local_binary_pattern(grey, points, radius, "uniform")[mask].astype(np.int64)
        found.append(np.bincount(patterns, minlength=points + 2) / len(patterns))
    return np.concatenate(found)
