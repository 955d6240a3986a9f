"""Fits the rules by which guesses are ranked: on fresh pictures of the training's kinds, for the highest mean IoU."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.device import numpy_rng
from core.segmentation.mask_scoring import MaskGuess
from core.segmentation.mini_click import MiniPreparedPhoto
from core.segmentation.network_scores import SIGNALS, ClickNetwork
from core.segmentation.segmenter import iou
from core.segmentation.simulated_clicks import next_click
from tools.mini_click.lessons import loose_click
from tools.mini_click.sources import picture

Mask = NDArray[np.bool_]
Case = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Signals (n, k) and IoUs (n,) of the guesses for one click."""


def cases(network: ClickNetwork, count: int, seed: int) -> list[Case]:
    """What first clicks on ``count`` fresh pictures may mean."""
    found: list[Case] = []
    for number in range(count):
        rng = numpy_rng(seed, "ranking", number)
        made = picture(rng)
        truth = made.targets[int(rng.integers(len(made.targets)))]
        prepared = MiniPreparedPhoto(made.image, network)
        click = loose_click(truth, rng) if rng.random() < 0.3 else next_click(np.zeros_like(truth), truth)
        assert click is not None
        guesses, signals = prepared.click_guesses(click.x, click.y)
        found.append((signals, np.array([_overlap(g, truth) for g in guesses])))
    return found


def _overlap(guess: MaskGuess, truth: Mask) -> float:
    """IoU with the truth, both in photo pixels."""
    height, width = truth.shape
    rows = ((np.arange(height) + 0.5 - guess.view.y0) * guess.view.zoom).astype(np.float32) - 0.5
    columns = ((np.arange(width) + 0.5 - guess.view.x0) * guess.view.zoom).astype(np.float32) - 0.5
    map_x, map_y = np.meshgrid(columns, rows)
    there = cv2.remap(guess.mask.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR) > 0.5
    return iou(there, truth)


def fit(found: list[Case], decay: float = 1e-2) -> dict[str, Any]:
    """Weights by name with slope and offset to the logit of IoU, and the mean IoU that the rule gets and could get."""
    longest = max(len(values) for _, values in found)
    signals = torch.zeros(len(found), longest, len(SIGNALS))
    values = torch.zeros(len(found), longest)
    absent = torch.ones(len(found), longest, dtype=torch.bool)
    for k, (s, v) in enumerate(found):
        signals[k, : len(v)], values[k, : len(v)] = torch.from_numpy(s).float(), torch.from_numpy(v).float()
        absent[k, : len(v)] = False
    spread = signals[~absent].std(0).clamp_min(0.05)
    weights = torch.zeros(len(SIGNALS), requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=0.05)
    for _ in range(600):
        scores = (signals / spread) @ weights
        share = torch.softmax(scores.masked_fill(absent, -1e9), 1)
        loss = -(share * values).sum(1).mean() + decay * (weights**2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    final = (weights / spread).detach()
    scores = signals @ final
    chosen = scores.masked_fill(absent, -1e9).argmax(1, keepdim=True)
    slope, offset = _calibrated(scores[~absent], values[~absent])
    return {
        "weights": {name: round(float(w), 5) for name, w in zip(SIGNALS, final, strict=True)},
        "slope": round(slope, 5),
        "offset": round(offset, 5),
        "iou": round(float(values.gather(1, chosen).mean()), 4),
        "best": round(float(values.max(1).values.mean()), 4),
        "cases": len(found),
    }


def _calibrated(scores: torch.Tensor, values: torch.Tensor) -> tuple[float, float]:
    line = torch.tensor([0.5, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=60)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(line[0] * scores + line[1], values)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(line[0].detach()), float(line[1].detach())
