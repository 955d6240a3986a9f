"""Mask shapes: learned as words, drawn anew, framed as large as the real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone
from core.errors import Cancelled, NotFound
from core.masks.placement.planner import plan_mask
from core.placement_rules import Placement
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks
from core.training.learned_masks import (
    framed,
    learned_masks,
    learned_with_place,
    shapes_picture_name,
    shapes_png,
    stretched,
)
from core.training.learning_settings import ALL_NORMALS, PRESETS, AnomalyLearningParams
from core.training.mask_embedding import cleaned, largest_piece, learn_shapes, whole_mask, whole_picture
from core.training.textual_inversion import learn_embeddings


def bar(shape: tuple[int, int] = (90, 120), length: int = 40) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[40:46, 30 : 30 + length] = True
    return mask


@pytest.mark.thorough
def test_the_model_is_as_before_and_the_words_have_moved(toy: Backbone) -> None:
    before = {k: v.clone() for k, v in toy.unet.state_dict().items()}
    done: list[int] = []
    made = learn_shapes(toy, {"bar": [bar()], "box": [bar(length=8)]}, steps=3, count=3, rank=2, progress=done.append)
    after = toy.unet.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[k], before[k]) for k in before)
    assert done[-1] == 3 + 2 * 3 and done == sorted(done)
    assert set(made.drawn) == {"bar", "box"} and {"shape.<shape0>", "shape.<shape1>"} <= set(made.tensors)
    assert any(name.startswith("shape.lora.") and bool(v.any()) for name, v in made.tensors.items())
    alone = learn_shapes(toy, {"bar": [bar()]}, steps=2, count=1, rank=0)
    assert not any("lora" in name for name in alone.tensors)
    with pytest.raises(Cancelled):
        learn_shapes(toy, {"bar": [bar()]}, steps=2, count=1, cancelled=lambda: True)


def test_a_drawn_picture_becomes_one_shape() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    assert cleaned(picture) is None and cleaned(picture + 255) is None
    picture[100:110, 40:120] = picture[100:110, 124:200] = picture[20:26, 20:26] = 240
    mask = cleaned(picture)
    assert mask is not None and mask[105, 122] and not mask[22, 22] and mask[105, 45] and mask[105, 195]
    assert not largest_piece(np.zeros((9, 9), np.bool_), 2).any()


def test_framed_it_is_as_large_as_a_real_one() -> None:
    shape, like = np.zeros((128, 128), np.bool_), bar()
    shape[50:70, 10:118] = True
    for seed in range(5):
        mask = framed(shape, like, np.random.default_rng(seed))
        assert mask.shape == like.shape and 0.65 < mask.sum() / like.sum() < 1.5
    assert framed(shape, np.pad(np.ones((2, 2), np.bool_), 3), np.random.default_rng(0)).any()


def test_each_preset_learns_shapes_as_it_was_published() -> None:
    known = {name: (p.shape_steps, p.shape_tokens, p.shape_sampling, p.shape_view) for name, p in PRESETS.items()}
    assert known == {
        "flawsmith": (300, 4, (20, 0.0), "window"), "paper": (30_000, 4, (20, 0.0), "whole"),
        "code": (30_000, 16, (100, 1.0), "whole"),
    }  # fmt: skip


def two_pieces(shape: tuple[int, int] = (90, 120)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[60:70, 80:90] = mask[60:68, 100:110] = True
    return mask


def test_a_whole_mask_is_shown_and_drawn_with_all_its_pieces_where_they_lie() -> None:
    shown = whole_picture(two_pieces(), 64)
    drawn = whole_mask(shown)
    assert drawn is not None and cv2.connectedComponents(drawn.astype(np.uint8))[0] - 1 == 2
    back = stretched(drawn, two_pieces(), np.random.default_rng(0))
    assert (back & two_pieces()).sum() > 0.7 * (back | two_pieces()).sum()
    hair = np.zeros((640, 640), np.bool_)
    hair[100:102, 50:600] = True
    assert whole_picture(hair, 64).any(), "a hairline is not lost"
    speck = shown.copy()
    speck[5, 5] = 255
    assert np.array_equal(whole_mask(speck), drawn) and whole_mask(np.zeros_like(shown)) is None


def test_whole_masks_are_placed_where_they_were_drawn(toy: Backbone, holes: Any, tmp_path: Path) -> None:
    preset = replace(PRESETS["flawsmith"], shape_view="whole")
    params = AnomalyLearningParams(steps=2, shapes=2, rank=2, shape_steps=2)
    kept = learn_embeddings(
        toy, {"hole": holes}, [], params, engine="anomaly_diffusion", folder=tmp_path, preset=preset
    )
    assert not learned_with_place(tmp_path / "none", "hole")
    whole = whole_picture(two_pieces(), 64)[..., 0] > 0
    (tmp_path / kept.id / f"{shapes_picture_name(0)}.png").write_bytes(shapes_png([whole], "whole"))
    assert learned_with_place(tmp_path, "hole")
    (found,) = learned_masks(tmp_path, "hole", [two_pieces()])
    rules = Placement(source="learned", position="examples")
    for seed in range(5):
        placed = plan_mask(
            rules, "hole", (90, 120), np.random.default_rng(seed), (), np.ones((90, 120), np.bool_), [found]
        )
        assert cv2.connectedComponents(placed.astype(np.uint8))[0] - 1 == 2
        off = np.argwhere(placed).mean(axis=0) - np.argwhere(two_pieces()).mean(axis=0)
        assert np.abs(off).max() < 25


def test_published_presets_learn_from_all_good_photos_and_a_person_may_say_how_many() -> None:
    assert [AnomalyLearningParams(preset=name).max_normals for name in ("flawsmith", "paper")] == [64, ALL_NORMALS]
    assert AnomalyLearningParams(preset="paper", normals=9).max_normals == 9


def test_they_are_kept_with_the_concept_and_placed(toy: Backbone, holes: Any, tmp_path: Path) -> None:
    params = AnomalyLearningParams(steps=2, shapes=2, rank=2, shape_steps=3)
    news: list[tuple[int, int]] = []
    callbacks = TrainingCallbacks(lambda done, of, picture: news.append((done, of)))
    concept = learn_embeddings(
        toy, {"hole": holes}, [], params, engine="anomaly_diffusion", folder=tmp_path, callbacks=callbacks
    )
    assert any(name.startswith("shape.") for name in checkpoints.load_concept(tmp_path / concept.id)[1])
    assert {of for _, of in news} == {2 + 5} and [done for done, _ in news] == sorted(done for done, _ in news)
    like = [e.mask for e in holes]
    # A toy's drawings may be no shapes at all.
    (tmp_path / concept.id / f"{shapes_picture_name(0)}.png").write_bytes(
        shapes_png([bar((128, 128)), bar((128, 128), 90)])
    )
    found = learned_masks(tmp_path, "hole", like)
    assert len(found) == 2 and all(m.shape == like[0].shape for m in found)
    placed = plan_mask(Placement(source="learned"), "hole", (90, 120), np.random.default_rng(0), (),
                       np.ones((90, 120), np.bool_), found)  # fmt: skip
    assert placed.any()
    with pytest.raises(NotFound, match="--param shapes=24"):
        learned_masks(tmp_path, "dent", like)
