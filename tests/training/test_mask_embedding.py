"""Mask shapes: learned as words, drawn anew, framed as large as the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone
from core.errors import Cancelled, NotFound
from core.masks.placement.planner import plan_mask
from core.placement_rules import Placement
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks
from core.training.learned_masks import framed, learned_masks, shapes_picture_name, shapes_png
from core.training.learning_settings import ALL_NORMALS, PRESETS, AnomalyLearningParams
from core.training.mask_embedding import cleaned, largest_piece, learn_shapes
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
    known = {name: (p.shape_steps, p.shape_tokens, p.shape_sampling) for name, p in PRESETS.items()}
    assert known == {
        "flawsmith": (300, 4, (20, 0.0)), "paper": (30_000, 4, (20, 0.0)), "code": (30_000, 16, (100, 1.0)),
    }  # fmt: skip


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
