"""The engine on a toy model that has learned both branches; the three ways to a mask on drawn parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.engines.api import Context, read_params
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engine, learning_engine
from core.errors import Cancelled, InputError, MaskError, NotFound, Unavailable
from core.images.square_crop import crop_around, whole_photo
from core.masks import rle
from core.methods.dual_ano_diff import DualAnoDiff
from core.methods.dual_ano_diff.engine import DualAnoDiffEvidence
from core.methods.dual_ano_diff.learning_settings import DualLearningParams
from core.methods.dual_ano_diff.mask_extraction import (
    MASK_SOURCES,
    extract_masks,
    mask_from_attention,
    mask_from_part,
    mask_from_segmenter,
)
from core.quality import scores
from core.segmentation.segmenter import iou
from core.training import checkpoints
from core.types import NormalImage, Recipe, Request
from tests.diffusion.toy import write_toy
from tests.methods.anomaly_diffusion.test_engine import disc, hole, plate

NAME = "dual_ano_diff"
SIDE = 128


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, toy_model: None) -> Path:
    """One concept of windows and, older, one of whole photos."""
    folder = tmp_path_factory.mktemp("project") / "concepts"
    for sight in ("whole", "window"):
        params = DualLearningParams(steps=2, rank=4, sight=sight)
        normals = [NormalImage("n", "n.png", plate(9))]
        learning_engine(NAME).learn([hole(0), hole(1)], normals, "hole", params, Context("cpu", folder))
    return folder


def whole_id(folder: Path) -> str:
    return next(c.id for c in checkpoints.list_concepts(folder) if c.config.extra["whole"])


def request(**given: Any) -> Request:
    photo = given.pop("photo", plate(5))
    params = {"steps": 3} | given.pop("params", {})
    have = {"label": "hole", "params": params, "seed": 1, "mask": disc(40, 50, 12)}
    return Request(normal=NormalImage("p", "p.png", photo), **{**have, **given})


def find(asked: Request, folder: Path, **given: Any) -> DualAnoDiffEvidence:
    """The first of a few seeds that gives something, as a batch would take it."""
    chosen = engine(NAME)
    assert isinstance(chosen, DualAnoDiff)
    for seed in range(asked.seed, asked.seed + 6):
        try:
            return chosen.generate_with_evidence(replace(asked, seed=seed), Context("cpu", folder, **given))
        except NoVisibleChange:
            continue
    raise AssertionError("six seeds in a row left nothing")


@pytest.mark.parametrize(
    "params",
    [
        {},
        pytest.param({"start": "noise"}, marks=pytest.mark.thorough),
        pytest.param({"start": "photo", "strength": 0.9}, marks=pytest.mark.thorough),
    ],
)
def test_transplanted_the_photo_is_exact_outside(taught: Path, params: dict[str, Any]) -> None:
    asked = request(params=params, examples=(hole(0),))
    found = find(asked, taught)
    sample = found.sample
    assert scores(asked.normal.pixels, sample)["change_outside"] == 0
    assert sample.mask.any() and not (sample.mask & ~asked.mask).any()
    assert found.sample.recipe.params["start"] == params.get("start", "example")
    assert bool(found.on_photo) == (params.get("start") != "noise")
    again = find(replace(asked, seed=sample.recipe.seed, params=sample.recipe.params), taught)
    assert again.sample.image.tobytes() == sample.image.tobytes()
    assert again.sample.recipe == sample.recipe


def test_a_whole_new_picture_needs_no_mask_and_brings_its_own(taught: Path) -> None:
    params = {"transplant": False, "concept": whole_id(taught)}
    chosen = engine(NAME)
    assert chosen.requires(read_params(chosen, params)) == frozenset()
    assert chosen.requires(read_params(chosen, {})) == {"mask"}
    found = find(request(mask=None, params=params), taught)
    assert found.sample.image.shape == (80, 100, 3)
    assert np.array_equal(found.sample.mask, found.on_photo[found.masks.chosen])
    assert (found.sample.image != plate(5)).any(axis=2)[~found.sample.mask].mean() > 0.5
    assert "change_outside" not in scores(plate(5), found.sample)
    grey = find(request(mask=None, params=params, photo=plate(5, grey=True)), taught).sample.image
    assert (grey == grey[..., :1]).all()


def test_the_recipe_tells_of_the_masks_and_of_the_nearest_example(taught: Path) -> None:
    found = find(request(), taught)
    notes = Recipe.from_json(found.sample.recipe.to_json()).notes
    assert notes["mask_from"] in (found.masks.chosen, "asked") and set(notes["agreement"]) == set(MASK_SOURCES)
    for way, packed in notes["pair_masks"].items():
        assert np.array_equal(rle.unpack(packed, found.pair.part.shape[:2]), found.masks.by_source[way])
    assert 0 <= notes["nearest_example"] <= 1


def test_each_way_to_a_mask_can_be_chosen(taught: Path) -> None:
    for way in MASK_SOURCES:
        try:
            assert find(request(params={"mask": way}), taught).masks.chosen == way
        except AssertionError as error:
            assert "six seeds" in str(error)


def test_what_is_missing_is_said_in_one_line(taught: Path, tmp_path: Path) -> None:
    chosen = engine(NAME)
    assert isinstance(chosen, DualAnoDiff)
    with pytest.raises(NotFound, match="learn PROJECT --engine dual_ano_diff --label hole"):
        chosen.generate_with_evidence(request(), Context("cpu", tmp_path))
    with pytest.raises(InputError, match="sight=whole, or leave transplant on") as caught:
        chosen.generate_with_evidence(request(params={"transplant": False}), Context("cpu", taught))
    assert "\n" not in str(caught.value)
    with pytest.raises(MaskError, match=NAME):
        chosen.generate_with_evidence(request(mask=None), Context("cpu", taught))
    other = write_toy(tmp_path / "other", seed=7)
    with pytest.raises(Unavailable, match="learned on the model 'toy' and does not fit 'other'"):
        chosen.generate_with_evidence(request(params={"backbone": str(other)}), Context("cpu", taught))


def test_stop_is_honoured_within_a_step(taught: Path) -> None:
    steps: list[int] = []
    watch: dict[str, Any] = {"progress": lambda i, n, p: steps.append(i), "cancelled": lambda: bool(steps)}
    with pytest.raises(Cancelled):
        find(request(params={"steps": 16}), taught, **watch)
    assert steps == [1]


def drawn_pair(seed: int, level: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plate with a defect, the defect alone on grey with the ripple of an autoencoder, and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = ((y - 60) / (6 + 3 * seed)) ** 2 + ((x - 50 - 5 * seed) / 16) ** 2 < 1
    whole = np.clip(150 + rng.normal(0, 4, (SIDE, SIDE, 1)) + np.zeros(3), 0, 255)
    whole[mask] = level
    part = 131 + cv2.GaussianBlur(rng.normal(0, 8, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 1.5)
    part[mask] = level
    return whole.astype(np.uint8), np.clip(part, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("level", [40, 220])
def test_the_part_and_the_segmenter_find_what_was_drawn(seed: int, level: int) -> None:
    whole, part, mask = drawn_pair(seed, level)
    by_part = mask_from_part(part)
    assert iou(by_part, mask) > 0.8
    assert iou(mask_from_segmenter(whole, by_part, lambda: False), mask) > 0.7


def test_an_empty_part_gives_no_mask() -> None:
    nothing = np.full((SIDE, SIDE, 3), 131, np.uint8)
    assert not mask_from_part(nothing).any()
    assert not mask_from_segmenter(nothing, mask_from_part(nothing), lambda: False).any()
    assert not mask_from_attention(np.zeros((SIDE, SIDE), np.float32)).any()


def test_the_mask_that_agrees_with_the_others_is_taken() -> None:
    whole, part, mask = drawn_pair(1)
    elsewhere = np.zeros((SIDE, SIDE), np.float32)
    elsewhere[100:120, 90:120] = 1
    found = extract_masks(whole, part, elsewhere, "auto", lambda: False)
    assert found.chosen != "attention" and found.agreement["attention"] < 0.05
    assert iou(found.mask, mask) > 0.7
    assert extract_masks(whole, part, elsewhere, "attention", lambda: False).chosen == "attention"
    nothing = np.full_like(part, 128)
    seen = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4)
    alone = extract_masks(whole, nothing, seen / seen.max(), "auto", lambda: False)
    assert alone.chosen == "attention" and iou(alone.mask, mask) > 0.4


@pytest.mark.parametrize("shape", [(90, 140), (400, 300), (60, 60)])
def test_a_pane_and_back_is_the_photo_again(shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    photo = np.dstack([100 + 50 * np.sin(x / 20), 100 + 50 * np.cos(y / 25), 120 + 0 * x]).astype(np.uint8)
    mask = np.hypot(y - shape[0] * 0.7, x - shape[1] * 0.8) < 8
    for pane in (whole_photo(shape, 128), crop_around(mask, 128, 1.0, 64)):
        back = pane.to_photo(pane.crop_image(photo))
        assert back.shape == (*shape, 3)
        assert np.abs(back - photo)[mask].mean() < 4
        assert iou(pane.mask_to_photo(pane.crop_mask(mask)), mask) > 0.6
    assert (
        np.abs(whole_photo(shape, 128).to_photo(whole_photo(shape, 128).crop_image(photo)) - photo)[8:-8, 8:-8].mean()
        < 5
    )
