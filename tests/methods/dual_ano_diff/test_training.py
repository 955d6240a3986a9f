"""Both branches learned: worn and taken off without a trace, resumed to the same bits, the same pair again."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone, model_output
from core.diffusion.tokens import encode_text
from core.errors import Cancelled, InputError, Unavailable
from core.images.square_crop import Framing
from core.methods.dual_ano_diff.adapters import dual_model, known_label, load_adapters, make_dual_spec
from core.methods.dual_ano_diff.concept_config import Build
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams
from core.methods.dual_ano_diff.sample import DrawnPair, InitialImage, draw_pair
from core.methods.dual_ano_diff.train import learn_dual
from core.methods.dual_ano_diff.training_samples import (
    DualPairSampler,
    background_image,
    find_backgrounds,
    foreground_segmenter,
    masked_on_grey,
)
from core.stored import read_record
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept
from core.training.example_crops import defect_targets
from core.types import AnomalyExample, NormalImage
from tests.diffusion.toy import write_toy
from tests.plates import example, plate

QUICK: dict[str, Any] = {"steps": 2, "rank": 4}


def outputs(toy: Backbone) -> torch.Tensor:
    with torch.no_grad():
        text = encode_text(toy, ["a metal plate", "damage"])
        return model_output(toy, torch.ones(2, 4, 8, 8) * 0.3, 400, text)


def weights(toy: Backbone) -> dict[str, torch.Tensor]:
    parts = {"unet": toy.unet, "text": toy.text_encoder}
    return {f"{k}.{n}": v.clone() for k, part in parts.items() for n, v in part.state_dict().items()}


def on_ground(seed: int) -> AnomalyExample:
    """A grey disc with a dark spot, on a white ground."""
    y, x = np.mgrid[:96, :96]
    image = np.full((96, 96, 3), 235, np.uint8)
    image[np.hypot(y - 48, x - 48) < 32] = 110
    mask = np.hypot(y - 48, x - 40 - 4 * seed) < 6
    image[mask] = 30
    return AnomalyExample(f"g{seed}", "pit", image, (mask,))


def teach(
    toy: Backbone, folder: Path, callbacks: TrainingCallbacks | None = None, examples: Any = None, **given: Any
) -> Concept:
    found = [example(seed) for seed in range(3)] if examples is None else examples
    groups: dict[str, list[AnomalyExample]] = {}
    for one in found:
        groups.setdefault(one.label, []).append(one)
    good = [NormalImage("n", "n.png", plate(9))]
    params = DualLearningParams(**{**QUICK, **given})
    callbacks = callbacks or TrainingCallbacks(previews=0)
    return learn_dual(toy, groups, good, params, engine="dual_ano_diff", folder=folder, callbacks=callbacks)


@pytest.fixture(scope="module")
def taught(toy: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Concept]:
    """Where a concept is that hardly learned, and its card."""
    folder = tmp_path_factory.mktemp("taught")
    return folder, teach(toy, folder)


def pair(toy: Backbone, folder: Path, concept: Concept, **given: Any) -> DrawnPair:
    tensors = checkpoints.load_concept(folder / concept.id)[1]
    have: dict[str, Any] = {"seed": 3, "steps": 2, "guidance": 2.5} | given
    with load_adapters(toy, concept, tensors) as model:
        return draw_pair(model, concept.labels[0], **have)


@pytest.mark.parametrize("given", [{}, {"preset": "paper"}, {"text_adapter": "on", "saim_zero": "off"}])
def test_worn_and_taken_off_the_model_is_what_it_was(toy: Backbone, given: dict[str, Any]) -> None:
    before, state = outputs(toy), weights(toy)
    names = [n for n, _ in toy.unet.named_modules()]
    build = make_dual_spec(toy, DualLearningParams(rank=2, **given), ["dent", "hole"], bcm=True)
    with dual_model(toy, build, 0) as model, torch.no_grad():
        for value in model.parameters.values():
            value.add_(0.05)
        changed = model.predict(torch.ones(2, 12, 8, 8), torch.tensor([3, 500]), model.conditioning(["hole", "dent"]))
        assert torch.isfinite(changed).all()
    assert torch.equal(outputs(toy), before)
    assert [n for n, _ in toy.unet.named_modules()] == names
    after = weights(toy)
    assert after.keys() == state.keys() and all(torch.equal(after[n], v) for n, v in state.items())


def test_from_zero_each_branch_is_the_model_itself(toy: Backbone) -> None:
    build = make_dual_spec(toy, DualLearningParams(rank=2), ["dent"], bcm=False)
    x = torch.randn(1, 8, 8, 8)
    with dual_model(toy, build, 0) as model, torch.no_grad():
        text = model.conditioning(["dent"])
        together = model.predict(x, 200, text)
    with torch.no_grad():
        alone = [model_output(toy, x[:, 4 * k : 4 * k + 4], 200, text.rows([k])) for k in (0, 1)]
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-5)


def test_each_branch_wears_its_own_adapter(toy: Backbone) -> None:
    build = make_dual_spec(toy, DualLearningParams(rank=2, saim=False), ["dent"], bcm=False)
    x = torch.randn(2, 8, 8, 8)
    with dual_model(toy, build, 0) as model, torch.no_grad():
        text = model.conditioning(["dent", "dent"])
        before = model.predict(x, 200, text)
        for name, value in model.parameters.items():
            if name.startswith("part.") and name.endswith(".b"):
                value.fill_(0.5)
        after = model.predict(x, 200, text)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().max() > 1e-3


def test_prompts_are_nested_and_words_learned_where_the_vocabulary_lacks_them(toy: Backbone) -> None:
    build = make_dual_spec(toy, DualLearningParams(), ["dent"], bcm=False)
    assert build.prompts["dent"] == ("a <vfx> with <sks>", "<sks>") and build.words == {"<vfx>": 4, "<sks>": 4}
    known = make_dual_spec(
        toy, DualLearningParams(preset="paper", object_word="plate", anomaly_word="dent"), ["d"], bcm=False
    )
    assert known.prompts["d"] == ("a plate with dent", "dent") and known.words == {}
    two = make_dual_spec(toy, DualLearningParams(), ["dent", "hole"], bcm=True)
    assert two.prompts["dent"][0] != two.prompts["hole"][0] and two.prompts[""] == ("a <vfx>", "")
    flat = make_dual_spec(toy, DualLearningParams(nested=False), ["deep_dent"], bcm=False)
    assert flat.prompts["deep_dent"] == ("deep dent", "deep dent")
    assert read_record(Build, asdict(two), "build") == two and two.group == 3
    with pytest.raises(ValueError, match="beginning with a letter"):
        DualLearningParams(anomaly_word="<sks>")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"saim": False, "nested": False},
        {"preset": "paper", "batch": 1},
        {"preset": "code", "batch": 1, "checkpointing": True},
    ],
)
def test_a_concept_kept_and_read_back_draws_the_same(toy: Backbone, tmp_path: Path, given: dict[str, Any]) -> None:
    before = outputs(toy)
    concept = teach(toy, tmp_path, **given)
    assert torch.equal(outputs(toy), before)
    assert (
        concept.label == "hole"
        and concept.config.steps == 2
        and "without background" in concept.notes[0]
        and (tmp_path / concept.id / "preview.png").is_file()
    )
    one, again = (pair(toy, tmp_path, concept) for _ in range(2))
    assert one.whole.shape == one.part.shape == (64, 64, 3) and one.attention.shape == (64, 64)
    assert np.array_equal(one.whole, again.whole) and np.array_equal(one.part, again.part)
    assert not np.array_equal(one.whole, pair(toy, tmp_path, concept, seed=4).whole)
    assert torch.equal(outputs(toy), before)


@pytest.mark.thorough
def test_the_background_is_learned_from_where_there_is_one(toy: Backbone, tmp_path: Path) -> None:
    found = [on_ground(seed) for seed in range(3)]
    concept = teach(toy, tmp_path, examples=found, preset="paper", batch=1)
    assert concept.config.extra["build"]["bcm"] and any(
        "bcm." in n for n in checkpoints.load_concept(tmp_path / concept.id)[1]
    )
    one = pair(toy, tmp_path, concept, background=None)
    around = masked_on_grey(np.full((64, 64, 3), 235, np.uint8), np.ones((64, 64), np.bool_))
    assert not np.array_equal(one.attention, pair(toy, tmp_path, concept, background=around).attention)
    off = teach(toy, tmp_path / "off", examples=found, bcm=False)
    assert not off.config.extra["build"]["bcm"] and not off.notes


@pytest.mark.thorough
def test_below_full_strength_a_pair_stays_near_what_it_begins_with(
    toy: Backbone, taught: tuple[Path, Concept]
) -> None:
    folder, concept = taught
    start = example(5)
    begun = InitialImage(start.pixels[:64, :64], start.mask[:64, :64], 0.1)
    near = pair(toy, folder, concept, begin=begun, steps=20, guidance=1.0)
    assert near.reconstructed is not None
    far = pair(toy, folder, concept, steps=5, guidance=1.0)
    gap = lambda a: float(np.abs(a.whole.astype(int) - near.reconstructed).mean())  # noqa: E731
    assert gap(near) < gap(far)


@pytest.mark.thorough
def test_stopped_and_taken_up_again_it_ends_in_the_same_bits(toy: Backbone, tmp_path: Path) -> None:
    whole = teach(toy, tmp_path / "a", steps=4)
    done: list[int] = []
    callbacks = TrainingCallbacks(lambda i, n, p: done.append(i), cancelled=lambda: len(done) >= 2, previews=0)
    with pytest.raises(Cancelled, match="stopped after 2 steps"):
        teach(toy, tmp_path / "b", callbacks, steps=4)
    assert done == [1, 2] and not checkpoints.list_concepts(tmp_path / "b")
    assert teach(toy, tmp_path / "b", steps=4).id == whole.id
    assert not list((tmp_path / "b" / ".learning").glob("*"))


def test_drawing_stops_within_a_step(toy: Backbone, taught: tuple[Path, Concept]) -> None:
    folder, concept = taught
    steps: list[int] = []
    with pytest.raises(Cancelled):
        pair(toy, folder, concept, steps=9, progress=lambda i, n: steps.append(i), cancelled=lambda: bool(steps))
    assert steps == [1]


def test_labels_together_have_a_word_each(toy: Backbone, tmp_path: Path) -> None:
    concept = teach(toy, tmp_path, examples=[example(0), example(1, "dent")])
    assert concept.labels == ("hole", "dent") and concept.label == ""
    tensors = checkpoints.load_concept(tmp_path / concept.id)[1]
    assert {"word.<vfx>", "word.<sks0>", "word.<sks1>"} <= set(tensors)
    with pytest.raises(InputError, match="it knows hole, dent, not 'pit'"):
        known_label(concept, "pit")


def test_another_model_and_other_weights_are_refused_in_one_line(
    toy: Backbone, taught: tuple[Path, Concept], tmp_path: Path
) -> None:
    from core.diffusion.loading import load_backbone

    folder, concept = taught
    tensors = checkpoints.load_concept(folder / concept.id)[1]
    other = load_backbone(str(write_toy(tmp_path / "other", seed=7)), "cpu")
    for model, given in ((other, tensors), (toy, {n: v for n, v in tensors.items() if "saim" not in n})):
        with pytest.raises(Unavailable) as caught, load_adapters(model, concept, given):
            pass
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no real anomal"):
        teach(toy, tmp_path, examples=[])


@pytest.mark.parametrize("name", ["flawsmith", "paper", "code"])
def test_whole_lessons_show_the_defect_where_it_is_or_flipped(name: Any) -> None:
    """Of a photo with its part off the middle, neither is moved: no mirror image, no second part."""
    preset = replace(PRESETS[name], whole=True)
    for y, x in ((0.28, 0.28), (0.7, 0.31), (0.31, 0.72)):
        mask = np.zeros((120, 120), np.bool_)
        mask[round(120 * y) - 4 : round(120 * y) + 4, round(120 * x) - 4 : round(120 * x) + 4] = True
        one = AnomalyExample("e", "hole", np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), (mask,))
        (target,) = defect_targets(one, preset.framing(64, 0.0, True))
        views = DualPairSampler(64, 120, preset.augmentation_of_crops, True, {"e": one.pixels})
        places = set()
        for rng in (None, *map(np.random.default_rng, range(12))):
            shown = views.draw_anomaly(target, rng)
            at_y, at_x = (np.argwhere(shown.mask).mean(axis=0) + 0.5) / 64
            assert min(abs(at_x - x), abs(at_x - (1 - x))) < 0.02
            assert min(abs(at_y - y), abs(at_y - (1 - y))) < 0.02
            places.add((round(at_y, 1), round(at_x, 1)))
            assert shown.background is not None and np.array_equal(shown.background, shown.image)
        assert len(places) == (4 if preset.flips.flip_rows else 2)


def test_the_papers_epochs_become_steps() -> None:
    """5,000 passes over the anomalies in batches of four, 2,000 where there is a background; the code's are steps."""
    paper, code = PRESETS["paper"], PRESETS["code"]
    assert (paper.budget(8), paper.budget(9), paper.budget(8, bcm=True)) == (10_000, 15_000, 4_000)
    assert code.budget(8) == code.budget(8, bcm=True) == 5_000 and code.batch_with_bcm == 2
    assert DualLearningParams(preset="paper", bcm=False).budget(8) == 10_000


def test_views_move_picture_and_background_together() -> None:
    one = on_ground(1)
    backgrounds = find_backgrounds([one], foreground_segmenter("foreground")[1], lambda: None)
    preset = PRESETS["flawsmith"]
    views = DualPairSampler(64, 64, preset.augmentation, False, backgrounds)
    target = defect_targets(one, Framing(64, 0.5, 64))[0]
    for seed in range(4):
        shown = views.draw_anomaly(target, np.random.default_rng(seed))
        assert shown.background is not None and shown.mask.any()
        ground = (shown.background != 128).any(axis=2) & (shown.image > 225).all(axis=2)
        assert ground.sum() > 0.7 * (shown.image > 225).all(axis=2).sum()
        assert (shown.part[~shown.mask] == 128).all() and np.array_equal(
            shown.part[shown.mask], shown.image[shown.mask]
        )
    good = views.draw_normal(NormalImage("n", "n.png", plate(3)), np.random.default_rng(0))
    assert good.label == "" and not good.mask.any() and (good.part == 128).all()
    assert background_image(one.pixels, np.ones((96, 96), np.bool_)) is None
    assert find_backgrounds([example(0)], foreground_segmenter("foreground")[1], lambda: None) == {}


def test_a_salient_object_network_that_is_not_there_is_named(
    toy: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    assert foreground_segmenter("auto")[0] == "foreground"
    with pytest.raises(Unavailable, match="U²-Net") as caught:
        teach(toy, tmp_path, objects="u2net")
    assert "\n" not in str(caught.value)
