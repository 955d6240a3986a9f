"""Learning a word for each component from photos of good parts: sentences, loss, and that only the words change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.errors import Cancelled, FlawsmithError, InputError, Unavailable
from core.methods.comgen.component_prompt import read_prompt
from core.methods.comgen.components import ComponentLearningParams, component_words
from core.methods.comgen.components.sentences import ComponentSentences, make_sentences
from core.methods.comgen.prompt_edits import apply_edits, read_edits
from core.training.checkpoints import list_concepts, load_concept
from core.types import NormalImage, Region
from tests.diffusion.toy import write_toy
from tests.plates import plate

SHAPE = (64, 64)
NUT, BOLT = (18, 18), (44, 44)


def disc(y: float, x: float, radius: float = 9) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - y, columns - x) < radius


def regions(*names: str) -> tuple[Region, ...]:
    return tuple(Region(name, disc(*place)) for name, place in zip(names, (NUT, BOLT, (18, 44)), strict=False))


def photo(seed: int) -> NormalImage:
    pixels = plate(seed, *SHAPE)
    pixels[disc(*NUT)], pixels[disc(*BOLT)] = (220, 180, 60), (60, 60, 90)
    return NormalImage(f"n{seed}", f"{seed}.png", pixels)


def test_a_list_a_number_or_the_regions_say_what_is_learned() -> None:
    listed = make_sentences("a lock nut and two bolts", "a tray", [])
    assert (
        listed.names == ("lock nut", "bolt")
        and listed.base_prompt.without_learned_words.text == "a tray with a lock nut and two bolts"
    )
    assert make_sentences("3", "", []).names == ("part1", "part2", "part3")
    photos = [regions("nut", "bolt"), regions("bolt 1", "bolt 2"), regions("bolt 1", "bolt 2", "cap")]
    usual = make_sentences("", "a tray", photos)
    assert [(c.name, c.count) for c in usual.base_prompt.components] == [("nut", 1), ("bolt", 2), ("cap", 1)]
    assert make_sentences("", "", photos, single=True).names == ("product",)


def test_a_photos_sentence_counts_what_it_shows() -> None:
    sentences = make_sentences("", "a tray", [regions("nut", "bolt 1", "bolt 2")])
    assert sentences.prompt_for(regions("bolt")).text == "a tray with a <part_1>"
    assert sentences.prompt_for(regions("bolt 1", "bolt 2", "nut")).text == "a tray with a <part_0> and two <part_1>"
    assert (
        sentences.prompt_for(()).text
        == sentences.prompt_for(regions("gear")).text
        == "a tray with a <part_0> and two <part_1>"
    )
    assert ComponentSentences(read_prompt("a nut"), single=True).prompt_for(regions("nut")).text == "a <part_0>"
    assert sentences.stands_for("nut", regions("nut 3")[0]) and not sentences.stands_for("nut", regions("bolt")[0])


def test_learned_words_take_the_place_of_names_and_edits_still_know_these() -> None:
    words = component_words(("lock nut", "bolt", "Mutter Größe 8"))
    assert len(set(words.values())) == 3
    prompt = read_prompt("a tray with a lock nut, an old bolt and a gear")
    spoken = prompt.with_learned_words(words)
    assert (
        spoken.text == "a tray with a <part_0>, an old <part_1> and a gear" and spoken.without_learned_words == prompt
    )
    edited = apply_edits(prompt, read_edits("adjective:lock nut=rusty; count:bolt=2")).with_learned_words(words)
    assert edited.after.text == "a tray with a rusty nut, two old <part_1> and a gear"
    assert [c.name for c in spoken.components] == ["lock nut", "old bolt", "gear"]
    assert edited.changed_components() == (0, 1)


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        ("", [], "no photo has named regions"),
        ("a nut, a bolt and two nuts", [], "'nut' is named twice"),
        ("25", [], "at most 24"),
        ("a nut%", [], "is no component"),
    ],
)
def test_what_cannot_be_learned_is_said_in_one_line(names: str, given: Sequence[Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        make_sentences(names, "", given)
    assert "\n" not in str(caught.value)


def test_settings_read_pairs_and_know_their_steps() -> None:
    assert ComponentLearningParams(start_words="bolt=screw, lock nut = ring").start_word_of() == {
        "bolt": "screw",
        "lock nut": "ring",
    }
    with pytest.raises(InputError, match="no pair"):
        ComponentLearningParams(start_words="bolt").start_word_of()
    assert (
        ComponentLearningParams(steps=7).budget(100) == 7
        and ComponentLearningParams(preset="paper").budget(33) == 3 * 6100
    )


def test_the_attention_loss_is_one_minus_dice() -> None:
    import torch

    from core.methods.comgen.components.attention_loss import Wanted, region_attention_loss

    cells = torch.zeros(2, 4, 4)
    cells[0, :2], cells[1, 2:] = 1, 1
    maps = torch.zeros(3, 16, 6)
    maps[0, :, 1], maps[0, :, 4] = cells[0].flatten() * 0.3, cells[1].flatten() * 0.1
    maps[1, :, 1], maps[1, :, 4] = cells[1].flatten(), cells[0].flatten()
    here, nowhere = Wanted(((1,), (4,)), cells), Wanted((), torch.zeros(0, 4, 4))
    assert region_attention_loss(maps, [here, here, nowhere]).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    wide = torch.full((1, 16, 6), 0.2)
    assert region_attention_loss(wide, [here]).tolist() == pytest.approx([1 - 2 * 8 / (16 + 8)])
    logits = torch.zeros(1, 16, 6, requires_grad=True)
    for _ in range(200):
        loss = region_attention_loss(logits.softmax(dim=2), [here]).sum()
        logits = (logits - 2 * torch.autograd.grad(loss, logits)[0]).detach().requires_grad_()
    assert float(loss.detach()) < 0.1


def test_maps_are_judged_by_the_cells_they_fill(tmp_path: Path) -> None:
    from core.methods.comgen.components.attention_maps import attention_sheet, map_iou

    seen = np.zeros((16, 16), np.float32)
    seen[:8] = 1
    top, left = np.zeros((64, 64), np.bool_), np.zeros((64, 64), np.bool_)
    top[:32], left[:, :32] = True, True
    assert map_iou(seen, top) == 1 and map_iou(seen, left) == pytest.approx(1 / 3) and map_iou(seen, ~top) == 0
    page = attention_sheet([photo(1).pixels, photo(2).pixels], [{"nut": seen}, {"nut": seen, "bolt": seen}], side=32)
    assert page.shape == (24 + 2 * 32 + 6, 3 * 32 + 2 * 6, 3)
    lit, blank = page[24:56, 38:70].mean(axis=2), page[24:56, 76:108]
    assert lit[:12].mean() > 3 * lit[20:].mean() and (blank == 255).all()


def test_words_take_the_names_of_what_they_look_at() -> None:
    from core.methods.comgen.components.attention_maps import assign_names

    assert assign_names(np.zeros((3, 3))) == [0, 1, 2]
    assert assign_names(np.array([[0.1, 0.9, 0.0], [0.8, 0.7, 0.0], [0.0, 0.0, 0.0]])) == [1, 0, 2]
    assert assign_names(np.eye(3)[[2, 0, 1]]) == [2, 0, 1]


def test_clusters_propose_a_number() -> None:
    from core.methods.comgen.components.component_proposal import propose_component_count

    rng = np.random.default_rng(0)
    ground = rng.integers(100, 110, (128, 128, 3)).astype(np.uint8)
    two = ground.copy()
    two[:64, :64] = np.kron(rng.integers(0, 2, (16, 16)), np.ones((4, 4)))[..., None] * 255
    assert propose_component_count([two, two[::-1].copy()]) == 1
    assert 1 <= propose_component_count([np.zeros((64, 64, 3), np.uint8)]) <= 8


@pytest.fixture(scope="module")
def photos() -> list[Any]:
    from core.methods.comgen.components.training_samples import ComponentPhoto

    return [ComponentPhoto(photo(seed), regions("nut", "bolt")) for seed in (1, 2)]


def learned(toy: Any, photos: Sequence[Any], folder: Path, callbacks: Any = None, **params: Any) -> Any:
    from core.methods.comgen.components.train import learn_components

    given = ComponentLearningParams(**{"steps": 3, "views": 2, "title": "a metal plate", **params})
    return learn_components(toy, photos, given, engine="comgen", folder=folder, callbacks=callbacks)


def test_only_the_words_are_learned_and_they_are_kept(toy: Any, photos: list[Any], tmp_path: Path) -> None:
    import torch

    from core.diffusion.tokens import encode_text
    from core.methods.comgen.components.component_tokens import apply_concept

    parts = (toy.unet, toy.text_encoder, toy.vae)
    before = [p.detach().clone() for part in parts for p in part.parameters()]
    pictures: list[Any] = []
    from core.training.callbacks import TrainingCallbacks

    callbacks = TrainingCallbacks(progress=lambda done, of, picture: pictures.append(picture))
    concept = learned(toy, photos, tmp_path, callbacks, tokens=2)
    assert all(torch.equal(a, b) for a, b in zip(before, (p for m in parts for p in m.parameters()), strict=True))
    assert [c.id for c in list_concepts(tmp_path, "comgen")] == [concept.id] and not list(tmp_path.glob(".learning/*"))
    assert concept.config.names == ("nut", "bolt") and set(concept.config.map_iou) == {"nut", "bolt"}
    preview = cv2.imread(str(tmp_path / concept.id / "preview.png"))
    given = {"nut": "bolt", "bolt": "nut"}
    assert concept.config.extra["renamed"] in ({}, given)
    assert preview.shape[0] > 2 * 144 and any(p is not None for p in pictures)
    kept, tensors = load_concept(tmp_path / concept.id)
    assert kept == concept and {t.shape for t in tensors.values()} == {(2, 16)}
    plain = encode_text(toy, ["a metal plate with a nut"]).states
    with apply_concept(toy, concept, tensors) as (speaker, words):
        text = encode_text(speaker, [f"a metal plate with a {words['nut']}"]).states
        assert not torch.allclose(text, encode_text(speaker, [f"a metal plate with a {words['bolt']}"]).states)
        assert torch.equal(encode_text(speaker, ["a metal plate with a nut"]).states, plain)
    with pytest.raises(InputError, match="not loaded"):
        encode_text(toy, [words["nut"]])
    again = learned(toy, photos, tmp_path / "again", tokens=2)
    assert again.id == concept.id


def test_the_papers_views_are_drawn_anew_when_each_was_seen(
    toy: Any, photos: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.methods.comgen.components import train

    seen: list[Any] = []

    def keep(*args: Any) -> Any:
        seen.append(encode_photos(*args))
        return seen[-1]

    encode_photos = train.encode_photos
    monkeypatch.setattr(train, "encode_photos", keep)
    learned(toy, photos, tmp_path, preset="paper", steps=3)
    first, *later = [samples.latents for samples in seen]
    assert len(later) == 2 and not any(np.allclose(first, other) for other in later), "a step sees all four views"
    assert not np.allclose(*later)
    learned(toy, photos, tmp_path / "ours", preset="flawsmith", steps=3)
    assert len(seen) == 4, "ours keeps its views"


@pytest.mark.thorough
def test_the_attention_loss_draws_words_to_their_regions(toy: Any, photos: list[Any], tmp_path: Path) -> None:
    losses: dict[float, list[float]] = {}
    for weight in (0.0, 1.0):
        starts = "nut=nut, bolt=bolt"
        concept = learned(toy, photos, tmp_path / str(weight), steps=25, attention=weight, start_words=starts)
        losses[weight] = [loss for _, loss in concept.config.losses]
    assert losses[1.0][0] > losses[0.0][0] + 0.1
    apart = np.subtract(losses[1.0], losses[0.0])
    assert apart[-5:].mean() < apart[:3].mean() - 0.01


@pytest.mark.thorough
def test_words_that_the_model_knows_move_less(toy: Any, photos: list[Any], tmp_path: Path) -> None:
    from core.diffusion.tokens import initial_vectors
    from core.training.checkpoints import load_concept

    moved = []
    for folder, starts in (("known", ""), ("told", "nut=nut, bolt=bolt")):
        concept = learned(toy, photos, tmp_path / folder, steps=20, start_words=starts)
        tensors = load_concept(tmp_path / folder / concept.id)[1]
        moved.append(float((tensors["component.0"] - initial_vectors(toy, "nut", 1)).norm()))
    assert 0 < moved[0] < 0.5 * moved[1], "from its own name a word needs little; from one that was told, more"


def test_a_stop_keeps_what_was_done(toy: Any, photos: list[Any], tmp_path: Path) -> None:
    from core.training.callbacks import TrainingCallbacks

    done = [0]
    callbacks = TrainingCallbacks(
        progress=lambda step, of, picture: done.__setitem__(0, step), cancelled=lambda: done[0] >= 2
    )
    with pytest.raises(Cancelled, match="after 2 steps"):
        learned(toy, photos, tmp_path, callbacks, single=True)
    steps: list[int] = []
    concept = learned(
        toy, photos, tmp_path, TrainingCallbacks(progress=lambda step, of, _: steps.append(step)), single=True
    )
    assert steps == [3] and concept.config.steps == 3
    assert concept.id == learned(toy, photos, tmp_path / "whole", single=True).id


def test_bad_orders_and_other_models_are_refused(toy: Any, photos: list[Any], tmp_path: Path) -> None:
    from core.diffusion.loading import load_backbone
    from core.methods.comgen.components.component_tokens import apply_concept

    bare = [replace(one, regions=()) for one in photos]
    for given, params, said in (
        ([], {}, "no photo of a good part"),
        (bare, {"attention": 1.0, "names": "a nut"}, "needs named regions"),
        (photos, {"start_words": "gear=nut"}, "'gear' is no component"),
    ):
        with pytest.raises(FlawsmithError, match=said) as caught:
            learned(toy, given, tmp_path, **params)
        assert "\n" not in str(caught.value)
    concept = learned(toy, bare, tmp_path, names="a nut", steps=1)
    assert concept.config.map_iou == {}
    other = load_backbone(str(write_toy(tmp_path / "other", seed=1)), "cpu")
    with pytest.raises(Unavailable, match="does not fit"), apply_concept(other, concept, {}):
        pass
