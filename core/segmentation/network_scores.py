"""What the network of mini-click says about windows of a photo, and how far a guess agrees with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import Unavailable
from core.features.extract import FEATURES as PRETRAINED
from core.features.extract import LAYERS
from core.segmentation.click_network import (
    INPUT_CHANNELS,
    STRIDE,
    ConvLayer,
    FoldedConvBlock,
    encode_inputs,
    forward,
    layers,
)
from core.segmentation.mask_scoring import FEATURES, MaskGuess, mask_score
from core.segmentation.photo_features import STRIDES, FeatureStatistics, PhotoFeatures, encode_features
from core.segmentation.segmenter import Box, Click
from core.segmentation.view_pyramid import Floats, PyramidView, project_mask
from core.types import Mask

SIGNALS = (*FEATURES, "worth", "certain", "wider", "own")
"""The classic features; worth by the classic rule, less the best one's; soft IoU with the network's answer in the
window that fits, and in the next larger; 1 for the network's own guesses."""

PredictProbabilities = Callable[[Floats, Sequence[Floats]], Floats]
"""From inputs (N, 11, h, w) and maps (N, LIFTED[k], h / s, w / s) to probabilities (N, h, w)."""


@dataclass(frozen=True)
class NetworkView:
    """A raw window with the network's answer: ``sure``, float32 (h, w) 0..1, is how likely each pixel is meant."""

    view: PyramidView
    probability: Floats


@dataclass(frozen=True)
class NetworkCalibration:
    """A linear rule over SIGNALS, and the line from what it gives to a logit of the expected IoU."""

    weights: npt.NDArray[np.float64]
    slope: float
    offset: float

    def logits(self, signals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Logit of the expected IoU, (n,), of signals (n, len(SIGNALS))."""
        return np.asarray(signals @ self.weights * self.slope + self.offset)


class ClickNetwork:
    """The shipped weights, ready; one thread at a time runs them."""

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / "config.json").read_text())
            self.first_click_rule = _read_calibration(config["first"])
            plan = layers(config["widths"])
            weights = load_file(folder / "model.safetensors")
            if config["features"] != PRETRAINED:
                raise ValueError(f"it was trained on {config['features']}, and this is {PRETRAINED}")
            _check(weights, plan)
            self.statistics = _read_statistics(weights)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise Unavailable(f"mini-click: {folder} is damaged ({error}); get Flawsmith's files again") from error
        self._block = FoldedConvBlock(weights, plan)
        self._lock = threading.Lock()

    def __call__(self, inputs: Floats, maps: Sequence[Floats]) -> Floats:
        """float32 (N, h, w) in 0..1 of inputs (N, 11, h, w) and maps (N, LIFTED[k], h / s, w / s); sides by 16."""
        import torch

        with self._lock, torch.inference_mode():
            given, *others = (
                torch.from_numpy(one).contiguous(memory_format=torch.channels_last) for one in (inputs, *maps)
            )
            return np.asarray(torch.sigmoid(forward(given, others, self._block))[:, 0].numpy())


def _check(weights: Mapping[str, Any], plan: Mapping[str, ConvLayer]) -> None:
    """ValueError if the weights are not those of the plan."""
    want: dict[str, tuple[int, ...]] = {}
    want |= {f"{name}.weight": (one.outputs, one.inputs, one.kernel, one.kernel) for name, one in plan.items()}
    want |= {f"{name}.bias": (one.outputs,) for name, one in plan.items()}
    want |= {f"{kind}{s}": (count,) for s, count in zip(STRIDES, LAYERS, strict=True) for kind in ("mean", "spread")}
    if {name: tuple(w.shape) for name, w in weights.items()} != want:
        raise ValueError("model.safetensors is not the network that config.json tells of")


def _read_statistics(weights: Mapping[str, Any]) -> FeatureStatistics:
    means, spreads = ([weights[f"{kind}{s}"].float().numpy() for s in STRIDES] for kind in ("mean", "spread"))
    return FeatureStatistics((means[0], means[1], means[2]), (spreads[0], spreads[1], spreads[2]))


def _read_calibration(entry: dict) -> NetworkCalibration:
    weights = [float(entry["weights"][name]) for name in SIGNALS]
    return NetworkCalibration(np.array(weights), float(entry["slope"]), float(entry["offset"]))


def predict_views(
    network: PredictProbabilities,
    photo: PhotoFeatures,
    views: Sequence[PyramidView],
    clicks: Sequence[Click],
    box: Box | None = None,
    region: MaskGuess | None = None,
) -> list[NetworkView]:
    """The network's answers on ``views`` (raw ones) to one prompt, in one batch."""
    h = max(-(-v.shape[0] // STRIDE) * STRIDE for v in views)
    w = max(-(-v.shape[1] // STRIDE) * STRIDE for v in views)
    inputs = np.zeros((len(views), INPUT_CHANNELS, h, w), np.float32)
    maps: list[list[Floats]] = []
    for given, view in zip(inputs, views, strict=True):
        rows, columns = view.shape
        rgb = cv2.cvtColor(view.lab, cv2.COLOR_LAB2RGB)
        rgb = cv2.copyMakeBorder(rgb, 0, h - rows, 0, w - columns, cv2.BORDER_REFLECT_101)
        before: npt.NDArray[np.bool_] | None = None
        if region is not None:
            before = np.zeros((h, w), np.bool_)
            before[:rows, :columns] = project_mask(region.mask, region.view, view)
        points = [_clicks_on_view(view, clicks, sign) for sign in (True, False)]
        given[:] = encode_inputs(rgb, points[0], points[1], _box_on(view, box), before)
        to_photo = np.array([[1 / view.zoom, 0, view.x0], [0, 1 / view.zoom, view.y0]])
        maps.append(encode_features(photo.window(to_photo, (h, w)), points))
    answers = network(inputs, [np.stack([one[k] for one in maps]) for k in range(len(STRIDES))])
    return [NetworkView(v, answers[k, : v.shape[0], : v.shape[1]]) for k, v in enumerate(views)]


def _clicks_on_view(view: PyramidView, clicks: Sequence[Click], positive: bool) -> npt.NDArray[np.float64]:
    z = view.zoom
    found = [
        ((c.x + 0.5 - view.x0) * z - 0.5, (c.y + 0.5 - view.y0) * z - 0.5) for c in clicks if c.positive == positive
    ]
    return np.array(found, np.float64).reshape(-1, 2)


def _box_on(view: PyramidView, box: Box | None) -> Box | None:
    if box is None:
        return None
    z = view.zoom
    return (box[0] - view.x0) * z, (box[1] - view.y0) * z, (box[2] - view.x0) * z, (box[3] - view.y0) * z


def signals(
    guesses: Sequence[MaskGuess], looks: Sequence[NetworkView], own: Sequence[bool]
) -> npt.NDArray[np.float64]:
    """SIGNALS of every guess, (n, len(SIGNALS)); ``own`` marks those of the network."""
    worths = mask_score(list(guesses))
    classic = [float(v) for v, mine in zip(worths, own, strict=True) if not mine]
    best = max(classic, default=0.0)
    rows = []
    for guess, value, mine in zip(guesses, worths, own, strict=True):
        certain, wider = _agreement(guess, looks)
        rows.append([*guess.features, float(np.clip((value - best) / 10, -2, 1)), certain, wider, float(mine)])
    return np.array(rows, np.float64)


def _agreement(guess: MaskGuess, looks: Sequence[NetworkView]) -> tuple[float, float]:
    """Soft IoU of the guess with the answer in the smallest window that holds it, and in the next larger."""
    sizes = sorted(looks, key=lambda one: max(one.view.shape) / one.view.zoom)
    fitting = [one for one in sizes if _contains_box(one.view, guess.box)] or sizes[-1:]
    values = [_soft_iou(project_mask(guess.mask, guess.view, one.view), one.probability) for one in fitting[:2]]
    return values[0], values[-1]


def _contains_box(view: PyramidView, box: Sequence[float]) -> bool:
    """Whether the box lies in the window, and not at its frame unless the photo ends there."""
    h, w = view.shape
    slack = 2 / view.zoom
    ends = (view.x0, view.y0, view.x0 + w / view.zoom, view.y0 + h / view.zoom)
    left, top, right, bottom = view.ends_inside_photo
    return (
        (not left or box[0] >= ends[0] + slack)
        and (not top or box[1] >= ends[1] + slack)
        and (not right or box[2] <= ends[2] - slack)
        and (not bottom or box[3] <= ends[3] - slack)
    )


def _soft_iou(mask: Mask, sure: Floats) -> float:
    inside = float(sure[mask].sum())
    return inside / (np.count_nonzero(mask) + float(sure.sum()) - inside + 1e-6)
