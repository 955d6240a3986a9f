"""Re-weighting: the formulas on maps one can work out, and that it acts on the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.attention_reweighting import (
    BOUNDS,
    code_weight,
    flawsmith_weight,
    paper_weight,
    paper_weight_in_levels,
    reweighting,
)
from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.inpainting import DrawingSettings, InpaintingHooks, InpaintingState, InpaintTask, inpaint
from core.diffusion.model_crop import CropSettings, crop_for_model
from core.diffusion.noise_schedule import NoiseLevel
from core.diffusion.sampling import SamplingStep

LOOK = DrawingSettings(steps=6, guidance=12.0)


def test_the_papers_weight_adds_up_to_the_area_and_prefers_what_changed_least() -> None:
    mask = torch.zeros(4, 4)
    mask[1:3, 1:3] = 1
    even = paper_weight(torch.full((4, 4), 2.0), mask)
    assert torch.allclose(even, mask)
    distance = torch.ones(4, 4)
    distance[1, 1] = 0.25
    weight = paper_weight(distance, mask)
    assert float(weight.sum()) == pytest.approx(4) and (weight[mask == 0] == 0).all()
    assert float(weight[1, 1] / weight[2, 2]) == pytest.approx(np.exp(4 - 1))
    assert torch.equal(paper_weight(torch.zeros(4, 4), mask), mask)


def test_eq_7_in_levels_raises_what_hardly_changed_and_leaves_the_rest_its_words() -> None:
    """In -1..1 one pixel takes all of the mask's weight; in 0..255 the least changed get up to e times."""
    mask = torch.ones(40, 40)
    change = torch.full((40, 40), 30.0)
    change[:8] = torch.linspace(0, 2, 320).reshape(8, 40)
    literal = paper_weight((change / 127.5).square(), mask)
    assert float((literal < 0.01).float().mean()) > 0.99
    paper = paper_weight_in_levels(change.square(), mask)
    assert float(paper.min()) > 0.7 and float(paper.max() / paper.min()) <= np.e + 1e-3
    assert float(paper[:4].mean()) > 1.5 * float(paper[8:].mean())
    assert float(paper.mean()) == pytest.approx(1.0, abs=1e-4)


def test_the_codes_weight_is_clamped_and_one_where_nothing_is() -> None:
    mask = torch.zeros(4, 4)
    mask[0] = 1
    distance = mask * torch.tensor([1.0, 1.0, 0.8, 0.01])
    weight = code_weight(distance, mask)
    assert (weight[1:] == 1).all() and float(weight[0, 3]) == 1.5 and float(weight[0, 0]) == 1
    mild = code_weight(mask * torch.tensor([1.0, 1.0, 0.8, 1.0]), mask)
    assert float(mild[0, 2]) == pytest.approx(4 * 1.25 / 4.25)


def test_our_weight_is_one_for_the_mean_and_bounded() -> None:
    mask = torch.zeros(4, 4)
    mask[0] = 1
    weight = flawsmith_weight(mask * torch.tensor([4.0, 4.0, 1.0, 7.0]), mask)
    assert weight[0].tolist() == pytest.approx([1, 1, 2, 1]) and (weight[1:] == 1).all()
    assert float(flawsmith_weight(mask * torch.tensor([8.0, 8.0, 8.0, 0.0]), mask)[0, 3]) == BOUNDS[1]
    assert (flawsmith_weight(torch.rand(4, 4), torch.zeros(4, 4)) == 1).all()


def scene_of(toy: Backbone, plate: np.ndarray, mask: np.ndarray) -> InpaintingState:
    window = crop_for_model(toy, plate, mask, CropSettings())
    region = torch.zeros(1, 1, 8, 8)
    region[..., 3:5, 3:5] = 1
    return InpaintingState([window], encode_image(toy, window.pixels), region)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    plate = np.random.default_rng(0).integers(90, 150, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[24:40, 24:40] = True
    return plate, mask


@pytest.mark.parametrize(("variant", "expected"), [("code", [64, 36, 4]), ("flawsmith", [16, 4, 4])])
def test_the_mask_is_dilated_at_first_and_true_at_last(toy: Backbone, scene: Any, variant: Any, expected: Any) -> None:
    guide = reweighting(toy, variant, (3, 4), scene_of(toy, *scene))
    assert guide.region is not None
    sizes = [
        float(guide.region(SamplingStep(i, 3, t, NoiseLevel.preserving(0.1), NoiseLevel.preserving(0.2))).sum())
        for i, t in enumerate((900, 150, 20))
    ]
    assert sizes == expected


@pytest.mark.parametrize("variant", ["paper", "code", "flawsmith"])
def test_each_row_of_a_batch_gets_its_own_weights(toy: Backbone, scene: Any, variant: Any) -> None:
    photo, mask = scene
    wide = np.pad(np.ones((48, 48), np.bool_), 8)
    places = [InpaintTask(photo, mask, "a dent", 1), InpaintTask(photo[::-1].copy(), wide, "a dent", 2)]
    guide = lambda made: reweighting(toy, variant, (2, 3), made)  # noqa: E731
    together = inpaint(toy, places, look=LOOK, guide=guide)
    for place, drawn in zip(places, together, strict=True):
        (alone,) = inpaint(toy, [place], look=LOOK, guide=guide)
        assert np.abs(drawn.astype(int) - alone).max() <= 1


def test_weights_of_a_batch_are_those_of_its_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    distances = torch.rand(3, 6, 6, generator=generator)
    masks = (torch.rand(3, 6, 6, generator=generator) > 0.5).float()
    masks[2] = 0
    for weight in (paper_weight, code_weight, flawsmith_weight):
        rows = [weight(d, m) for d, m in zip(distances, masks, strict=True)]
        assert torch.allclose(weight(distances, masks), torch.stack(rows)) and torch.isfinite(rows[2]).all()


@pytest.mark.parametrize("variant", ["paper", "code", "flawsmith"])
def test_it_acts_on_the_drawing_and_leaves_the_model(toy: Backbone, scene: Any, variant: Any) -> None:
    photo, mask = scene
    if variant == "flawsmith":
        # Its weights are even over so few latents.
        mask = np.pad(np.ones((48, 48), np.bool_), 8)
    weights: list[Any] = []

    def guided(made: InpaintingState) -> InpaintingHooks:
        guide = reweighting(toy, variant, (2, 3), made)
        controller: Any = guide.controllers[0]
        watch = lambda x, step, x0: (weights.append(controller.weight), x)[1]  # noqa: E731
        return InpaintingHooks(guide.before, [*guide.after, watch], guide.controllers, guide.region)

    def draw(**given: Any) -> np.ndarray:
        return inpaint(toy, [InpaintTask(photo, mask, "a dent", 1)], look=LOOK, **given)[0]

    plain, drawn, again = draw(), draw(guide=guided), draw(guide=lambda s: reweighting(toy, "off", (2,), s))
    assert np.array_equal(plain, again)
    assert (drawn[~mask] == photo[~mask]).all() and not np.array_equal(drawn, plain)
    assert np.array_equal(draw(), plain)
    assert all(w.shape == (1, 8, 8) and torch.isfinite(w).all() for w in weights)
    inside = weights[-1][0, 3:5, 3:5]
    assert float(inside.max()) >= 1 and (variant == "paper") == (float(weights[-1][0, 0, 0]) == 0)
