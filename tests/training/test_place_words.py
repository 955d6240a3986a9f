"""What e_s says, read off in a world in which words do say a place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.model_crop import crop_for_model
from core.training.apply_concept import apply_concept
from core.training.checkpoints import load_concept
from core.training.learning_settings import PRESETS, AnomalyLearningParams
from core.training.textual_inversion import learn_embeddings
from tests.training.place_world import SIDE, blob, place_world

STEPS = 320


@pytest.mark.thorough
@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("name", ["flawsmith", "paper"])
def test_the_spatial_embedding_says_where_the_anomaly_is_drawn(name: Any, times: int, tmp_path: Path) -> None:
    """On photos as large as the model's side and four times that; 320 steps, some 5 s each, are the learning."""
    backbone, preset = place_world(), PRESETS[name]
    side = SIDE * times
    radius = 0.07 * (side if preset.whole else SIDE)
    # The papers' encoder is a ResNet-50 and the steps are 300,000: what is asked here is what the views teach.
    quick = replace(
        preset, encoder="small", validate=False, fresh=40 if preset.fresh else 0, encoder_rate=1.0, lr=2e-2
    )
    concept = learn_embeddings(
        backbone, {"spot": [blob(i, side, radius) for i in range(10)]}, (),
        AnomalyLearningParams(preset=name, steps=STEPS), engine="toy", folder=tmp_path, preset=quick,
    )  # fmt: skip
    said, true = [], []
    with torch.no_grad(), apply_concept(backbone, concept, load_concept(tmp_path / concept.id)[1]) as speaker:
        for number in range(100, 130):
            photo = blob(number, side, radius)
            mask = crop_for_model(backbone, photo.pixels, photo.mask, speaker.crop_settings()).crop_mask(photo.mask)
            place = backbone.unet.place(speaker.conditioning("spot", mask).states)[0]
            said.append(place.numpy())
            true.append((np.argwhere(mask).mean(axis=0)[::-1] + 0.5) / mask.shape)
    off = np.linalg.norm(np.array(said) - np.array(true), axis=1)
    assert off.mean() < 0.15
    spread = np.array(true).std(axis=0).mean()
    if spread > 0.1:  # a large photo's window has its defect in the middle, and there is nothing to say
        assert np.corrcoef(np.ravel(said - np.mean(said, 0)), np.ravel(true - np.mean(true, 0)))[0, 1] > 0.9
