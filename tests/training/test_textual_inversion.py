"""Learning end to end on the toy model: it learns, stops, goes on, keeps what it learned and touches nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone
from core.errors import Cancelled, InputError, MaskError, StoreError
from core.training import checkpoints, working_copy
from core.training.apply_concept import apply_concept
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept, load_concept
from core.training.dataset import TrainingExamples, encode_views, split_held_out
from core.training.learning_settings import PRESETS, AnomalyLearningParams
from core.training.textual_inversion import learn_embeddings
from core.training.training_samples import PromptSamples, masked_loss
from core.types import AnomalyExample, NormalImage
from tests.plates import example

FAST = {"steps": 6}


@pytest.fixture
def teach(toy: Backbone, normals: Sequence[NormalImage], tmp_path: Path) -> Any:
    def learn_them(
        examples: Sequence[AnomalyExample],
        folder: Path = tmp_path,
        callbacks: TrainingCallbacks | None = None,
        **given: Any,
    ) -> Concept:
        groups: dict[str, list[AnomalyExample]] = {}
        for one in examples:
            groups.setdefault(one.label, []).append(one)
        params = AnomalyLearningParams(**{**FAST, **given})
        return learn_embeddings(
            toy, groups, normals, params, engine="anomaly_diffusion", folder=folder, callbacks=callbacks
        )

    return learn_them


def state(toy: Backbone) -> dict[str, torch.Tensor]:
    return {k: v.clone() for part in (toy.unet, toy.text_encoder) for k, v in part.state_dict().items()}


def test_it_learns_and_shelves_and_leaves_the_model(toy: Backbone, teach: Any, holes: Any, tmp_path: Path) -> None:
    before = state(toy)
    news: list[tuple[Any, ...]] = []
    points: list[tuple[str, float, float]] = []
    callbacks = TrainingCallbacks(lambda *n: news.append(n), lambda *p: points.append(p))
    concept = teach(holes, callbacks=callbacks)
    assert (concept.label, concept.backbone, concept.config.steps) == ("hole", "toy", 6)
    assert concept.fingerprint == checkpoints.fingerprint(toy) and concept.config.extra["encoder"] == "small"
    found, tensors = load_concept(tmp_path / concept.id)
    assert found == concept and tensors["anomaly.<anomaly0>"].shape == (8, 16)
    assert not any(name.startswith("lora.") for name in tensors)
    assert [n[:2] for n in news] == [(i, 6) for i in range(1, 7)] and any(n[2] is not None for n in news)
    assert [p[1] for p in points if p[0] == "loss"] == list(range(1, 7))
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [concept.id]
    assert not any((tmp_path / ".learning").iterdir()) and (tmp_path / concept.id / "preview.png").is_file()
    after = state(toy)
    assert after.keys() == before.keys() and all(torch.equal(after[k], before[k]) for k in before)


@pytest.mark.thorough
def test_the_learned_words_say_more_than_the_first_ones(toy: Backbone, teach: Any, holes: Any) -> None:
    concept = teach(holes, steps=120)
    losses = [loss for _, loss in concept.config.validation]
    assert min(losses) < losses[0]
    assert len(concept.config.tones["hole"]) == 3 and max(max(t) for t in concept.config.tones["hole"]) < 0.5


@pytest.mark.thorough
def test_without_the_spatial_embedding_the_prompt_does_not_say_where(
    toy: Backbone, teach: Any, holes: Any, tmp_path: Path
) -> None:
    corners = [np.zeros((32, 32), np.bool_) for _ in range(2)]
    corners[0][:8, :8] = corners[1][-8:, -8:] = True
    for spatial in (True, False):
        concept, tensors = load_concept(tmp_path / teach(holes, spatial=spatial).id)
        with apply_concept(toy, concept, tensors) as applied:
            one, other = (applied.conditioning("hole", mask).states for mask in corners)
            assert torch.equal(one, other) is not spatial
            assert len(applied.token_positions) == (12 if spatial else 8)


@pytest.mark.thorough
def test_without_the_masked_loss_all_of_the_view_counts(teach: Any, holes: Any, tmp_path: Path) -> None:
    words = [
        load_concept(tmp_path / teach(holes, masked_loss=masked).id)[1]["anomaly.<anomaly0>"]
        for masked in (True, False)
    ]
    assert not torch.equal(*words)
    out, wanted, mask = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    plain = ((out - wanted) ** 2).flatten(1).mean(1)
    assert torch.allclose(masked_loss(out, wanted, mask, area_weight=False, background=1.0), plain)


@pytest.mark.thorough
def test_same_seed_same_concept_and_another_differs(teach: Any, holes: Any, tmp_path: Path) -> None:
    ids = [teach(holes, tmp_path / str(i), seed=seed, steps=3).id for i, seed in enumerate((0, 0, 1))]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.thorough
@pytest.mark.parametrize("given", [{}, {"adapt": True, "adapt_steps": 3, "rank": 2}])
def test_stopped_anywhere_it_goes_on_to_the_same_concept(teach: Any, holes: Any, tmp_path: Path, given: Any) -> None:
    whole = teach(holes, tmp_path / "whole", **given)
    folder = tmp_path / "parts"
    for at in (60, 71, 79):
        try:
            teach(holes, folder, callbacks=TrainingCallbacks(cancelled=_stop_at(at)), **given)
        except Cancelled as error:
            assert "same settings to go on" in str(error) and "\n" not in str(error)
            assert checkpoints.list_concepts(folder) == []
    assert teach(holes, folder, **given).id == whole.id


@pytest.mark.thorough
@pytest.mark.parametrize("given", [{}, {"adapt": True, "adapt_steps": 3, "rank": 2}])
def test_where_the_gpu_is_small_the_same_is_learned_with_less_kept(
    toy: Backbone, teach: Any, holes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    usual = teach(holes, tmp_path / "usual", steps=5, **given)
    models: list[Backbone] = []
    on: list[bool] = []
    monkeypatch.setattr(working_copy, "_room", lambda backbone: models.append(backbone) or 1e6)
    callbacks = TrainingCallbacks(lambda *news: on.append(models[0].unet.is_gradient_checkpointing))
    thrifty = teach(holes, tmp_path / "thrifty", steps=5, callbacks=callbacks, **given)
    assert len(on) >= 5 and all(on) and not models[0].unet.is_gradient_checkpointing
    some, others = (load_concept(tmp_path / name / c.id)[1] for name, c in (("usual", usual), ("thrifty", thrifty)))
    assert all(torch.allclose(some[name], others[name], atol=1e-5) for name in some)


@pytest.mark.thorough
def test_an_adapter_is_learned_and_worn(toy: Backbone, teach: Any, holes: Any, tmp_path: Path) -> None:
    concept = teach(holes, adapt=True, adapt_steps=4, rank=2)
    tensors = load_concept(tmp_path / concept.id)[1]
    lora = [value for name, value in tensors.items() if name.startswith("lora.") and name.endswith(".b")]
    assert concept.config.extra["adapted"] == 4 and lora and all(float(value.abs().max()) > 0 for value in lora)
    before = state(toy)
    weight = toy.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_q.weight
    own = weight.clone()
    with apply_concept(toy, concept, tensors):
        assert not torch.equal(weight, own)
    assert all(torch.equal(value, before[name]) for name, value in state(toy).items())


def test_labels_are_learned_together_with_one_encoder(toy: Backbone, teach: Any, tmp_path: Path) -> None:
    concept = teach([example(0), example(1), example(2, "dent"), example(3, "dent")])
    tensors = load_concept(tmp_path / concept.id)[1]
    assert concept.label == "" and concept.labels == ("hole", "dent") and concept.title == "hole, dent"
    assert checkpoints.newest_concept(tmp_path, "anomaly_diffusion", "dent") == concept
    mask = example(0).mask
    with torch.no_grad():
        with apply_concept(toy, concept, tensors) as speaker:
            texts = [speaker.conditioning(label, mask).states for label in ("hole", "dent")]
            assert not torch.equal(*texts) and len(speaker.token_positions) == 12
            assert not torch.equal(speaker.conditioning("dent", mask[::-1].copy()).states, texts[1])
            with pytest.raises(InputError, match="hole, dent, not 'crack'"):
                speaker.conditioning("crack", mask)


@pytest.mark.thorough
@pytest.mark.parametrize("preset", ["paper", "code"])
def test_the_published_presets_run_as_they_say(teach: Any, holes: Any, tmp_path: Path, preset: Any) -> None:
    concept = teach(holes[:1], preset=preset, steps=1)
    tensors = load_concept(tmp_path / concept.id)[1]
    assert tensors["anomaly.<anomaly0>"].shape[0] == (8 if preset == "paper" else 4)
    assert "encoder.body.stages.2.0.conv1.weight" in tensors and concept.config.validation == ()


def test_presets_differ_in_what_they_do_to_a_thin_defect(toy: Backbone) -> None:
    line = np.zeros((90, 120), np.bool_)
    line[45, 20:100] = True
    thin = AnomalyExample("t", "scratch", example(0).pixels, (line,))
    kept: dict[str, PromptSamples] = {}
    for name in ("flawsmith", "code"):
        preset = PRESETS[name]  # type: ignore[index]
        material = TrainingExamples.of({"scratch": [thin]}, preset.framing(toy.side))
        prompt = lambda label, rng: "a scratch"  # noqa: E731
        found = list(material.targets["scratch"])
        taught = encode_views(toy, material, found, preset, prompt, (0, 0), (), lambda: False)
        assert len(taught) == len(taught.encoder_masks) == preset.views
        kept[name] = taught
    assert (kept["flawsmith"].masks.sum(dim=(1, 2, 3)) >= 4).all()
    assert (kept["code"].masks.sum(dim=(1, 2, 3)) == 0).all()


def test_enough_examples_lend_some_to_validation() -> None:
    preset = PRESETS["flawsmith"]
    for count, held in ((1, 0), (5, 0), (6, 1), (12, 2), (40, 3)):
        material = TrainingExamples.of({"hole": [example(i) for i in range(count)]}, preset.framing(64))
        learning, holding = split_held_out(material, preset)
        assert (len(learning), len(holding)) == (count - held, held)
    assert preset.budget(3) < preset.budget(10) <= preset.most_steps == preset.budget(10_000)


def test_bad_input_is_one_clear_line(toy: Backbone, teach: Any, holes: Any, tmp_path: Path) -> None:
    def all_over(mask: np.ndarray) -> AnomalyExample:
        return AnomalyExample("x", "hole", example(0).pixels, (mask,))

    with pytest.raises(MaskError, match="covers 100%"):
        teach([all_over(np.ones((90, 120), np.bool_))])
    dot = np.zeros((90, 120), np.bool_)
    dot[4, 4] = True
    with pytest.raises(MaskError, match="1 px"):
        teach([all_over(dot)])
    with pytest.raises(InputError, match="no real anomalies"):
        teach([])
    with pytest.raises(InputError, match="no real anomaly of it"):
        learn_embeddings(toy, {"hole": []}, [], AnomalyLearningParams(), engine="e", folder=tmp_path)
    with pytest.raises(InputError, match="photos of good parts"):
        learn_embeddings(toy, {"hole": holes}, [], AnomalyLearningParams(adapt=True), engine="e", folder=tmp_path)
    assert checkpoints.list_concepts(tmp_path) == []
    single = teach([holes[0], all_over(dot)], steps=2)
    assert any("single example" in note for note in single.notes) and any("1 px" in note for note in single.notes)
    other_sizes = [holes[0], AnomalyExample("b", "hole", *_smaller(holes[1]))]
    assert teach(other_sizes, steps=2, seed=1).config.steps == 2


def _stop_at(number: int) -> Callable[[], bool]:
    """Says stop when it is asked for the ``number``-th time."""
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == number

    return stop


def _smaller(one: AnomalyExample) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    rows, columns = np.nonzero(one.mask)
    part = np.s_[: rows.max() + 3, : columns.max() + 3]
    return one.pixels[part].copy(), (one.mask[part].copy(),)


@pytest.mark.thorough
def test_a_full_disk_loses_nothing(teach: Any, holes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = teach(holes, tmp_path / "whole", steps=4)
    folder = tmp_path / "full"
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save_concept", _full)
        with pytest.raises(StoreError, match="disk is full"):
            teach(holes, folder, steps=4)
    assert checkpoints.list_concepts(folder) == []
    steps: list[int] = []
    again = teach(holes, folder, callbacks=TrainingCallbacks(lambda done, of, p: steps.append(done)), steps=4)
    assert again.id == whole.id and steps == []


def _full(*_: Any) -> None:
    raise StoreError(f"project: the disk is full ({os.strerror(errno.ENOSPC)}); free some space")
