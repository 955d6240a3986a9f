"""The engine on a toy model that has learned: exact outside, signed, and clear about what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.engines.api import Context, Engine
from core.engines.concept_drawing import brightness_ratios_of, initial_image, toned
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.registry import engine, learning_engine, learning_engines
from core.errors import Cancelled, InputError, MaskError, NotFound, Unavailable
from core.placement_rules import Placement
from core.quality import scores, visible_change
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.learning_settings import AnomalyLearningParams
from core.types import AnomalyExample, NormalImage, Recipe, Request, Sample
from tests.diffusion.toy import write_toy

NAME = "anomaly_diffusion"
SHAPE = (80, 100)


def plate(seed: int, grey: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    grain = rng.normal(0, 5, SHAPE)
    tint = (1.0, 1.0, 1.0) if grey else (1.0, 0.95, 0.85)
    return np.clip(np.dstack([(120 + 0.4 * x + 0.2 * y + grain) * t for t in tint]), 0, 255).astype(np.uint8)


def disc(cy: float, cx: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(y - cy, x - cx) < radius


def hole(seed: int, label: str = "hole") -> AnomalyExample:
    image, mask = plate(seed), disc(40, 30 + 10 * seed, 8)
    image[mask] //= 4
    return AnomalyExample(f"{label}{seed}", label, image, (mask,))


@pytest.fixture(scope="module", autouse=True)
def toy_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from core.diffusion.loading import forget_backbones

    path = write_toy(tmp_path_factory.mktemp("models") / "toy")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLAWSMITH_BACKBONE", str(path))
        yield path
    forget_backbones()


@pytest.fixture(scope="module")
def shelf_folder(tmp_path_factory: pytest.TempPathFactory, toy_backbone: Path) -> Path:
    folder = tmp_path_factory.mktemp("project") / "concepts"
    teach(folder, [hole(0), hole(1)])
    return folder


def teach(folder: Path, examples: list[AnomalyExample], label: str = "hole", **given: Any) -> Concept:
    normals = [NormalImage("n", "n.png", plate(9))]
    return learning_engine(NAME).learn(
        examples, normals, label, AnomalyLearningParams(**{"steps": 2, **given}), Context("cpu", folder)
    )


def request(**given: Any) -> Request:
    photo = given.pop("photo", plate(5))
    # A toy model changes little; near full strength it is seen.
    params = {"steps": 3, "strength": 0.85, "guidance": 3.0} | given.pop("params", {})
    have = {"label": "hole", "params": params, "seed": 1, "mask": disc(40, 50, 12)}
    return Request(normal=NormalImage("p", "p.png", photo), **{**have, **given})


def make(asked: Request, folder: Path, **given: Any) -> Sample:
    return next(iter(engine(NAME).generate(asked, Context("cpu", folder, **given))))


def test_it_is_an_engine_that_learns() -> None:
    assert isinstance(learning_engine(NAME), Engine) and NAME in learning_engines()
    assert engine(NAME).available() is None
    for field in learning_engine(NAME).Learning.model_fields.values():
        assert field.title and field.description
    with pytest.raises(InputError, match="does not learn; those that do: .*anomaly_diffusion"):
        learning_engine("cut_paste")


def line() -> np.ndarray:
    return cv2.line(np.zeros(SHAPE, np.uint8), (5, 70), (95, 8), 1) != 0


@pytest.mark.parametrize("mask", [disc(40, 50, 12), line(), disc(0, 0, 12), disc(20, 20, 5) | disc(60, 80, 5)])
@pytest.mark.parametrize("params", [{}, {"strength": 1.0, "reweighting": "code"}, {"seam": "poisson", "guidance": 1}])
def test_samples_are_exact_outside_true_inside_and_signed(shelf_folder: Path, mask: np.ndarray, params: Any) -> None:
    asked = request(mask=mask, params={"steps": 3, **params})
    sample = make(asked, shelf_folder)
    photo = asked.normal.pixels
    assert scores(photo, sample)["change_outside"] == 0 and not (sample.mask & ~mask).any()
    assert np.array_equal(visible_change(photo, sample.image, mask), sample.mask)
    recipe = Recipe.from_json(sample.recipe.to_json())
    assert (
        recipe.engine == NAME and recipe.params["concept"] == checkpoints.newest_concept(shelf_folder, NAME, "hole").id
    )
    again = make(replace(asked, params=recipe.params), shelf_folder)
    assert again.image.tobytes() == sample.image.tobytes()
    assert make(replace(asked, seed=2), shelf_folder).image.tobytes() != sample.image.tobytes()


def test_several_at_once_are_those_drawn_alone_and_one_that_fails_takes_none_along(
    shelf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = (disc(40, 50, 12), disc(20, 70, 9), line())
    asked = [request(mask=mask, seed=seed, photo=plate(seed)) for seed, mask in enumerate(masks)]
    drawer, ctx = engine(NAME), Context("cpu", shelf_folder)
    assert isinstance(drawer, Engine) and drawer.preferred_batch_size(asked[0].params, "hole", ctx) >= 1
    made = drawer.generate_batch(asked, ctx)
    for sample, one in zip(made, asked, strict=True):
        alone = make(one, shelf_folder)
        assert isinstance(sample, Sample) and sample.recipe == alone.recipe
        assert np.abs(sample.image.astype(int) - alone.image).max() <= 1

    def settled(drawer: Any, one: Request, *drawn: Any, **given: Any) -> Sample:
        if one.seed == 1:
            raise NoVisibleChange("nothing to be seen")
        return finalize_sample(drawer, one, *drawn, **given)

    monkeypatch.setattr("core.methods.anomaly_diffusion.engine.finalize_sample", settled)
    found = drawer.generate_batch(asked, ctx)
    assert [isinstance(one, Sample) for one in found] == [True, False, True]
    with pytest.raises(NoVisibleChange):
        make(asked[1], shelf_folder)


def test_every_reweighting_draws_its_own(shelf_folder: Path) -> None:
    made = {
        how: make(request(params={"steps": 4, "reweighting": how}), shelf_folder).image.tobytes()
        for how in ("off", "flawsmith", "paper", "code")
    }
    assert len(set(made.values())) == 4


def test_grey_photos_stay_grey(shelf_folder: Path) -> None:
    image = make(request(photo=plate(5, grey=True)), shelf_folder).image
    assert (image == image[..., :1]).all()


def test_the_newest_concept_of_the_label_is_taken_and_an_older_one_by_its_id(tmp_path: Path) -> None:
    first = teach(tmp_path, [hole(0)])
    second = teach(tmp_path, [hole(1)], seed=1)
    assert first.id != second.id
    assert make(request(), tmp_path).recipe.params["concept"] == second.id
    older = make(request(params={"steps": 3, "concept": first.id}), tmp_path)
    assert older.recipe.params["concept"] == first.id
    renamed = make(request(label="pit", params={"steps": 3, "concept": first.id}), tmp_path)
    assert renamed.label == "pit"


def test_what_is_missing_is_said_in_one_line(shelf_folder: Path, tmp_path: Path) -> None:
    for folder in (None, tmp_path / "nothing"):
        with pytest.raises(
            NotFound, match="launch.py learn PROJECT --engine anomaly_diffusion --label hole"
        ) as caught:
            list(engine(NAME).generate(request(), Context("cpu", folder)))
        assert "\n" not in str(caught.value)
    with pytest.raises(NotFound, match="'dent'.*learned: hole"):
        make(request(label="dent"), shelf_folder)
    with pytest.raises(NotFound, match="'none' is not in this project"):
        make(request(params={"concept": "none"}), shelf_folder)
    with pytest.raises(MaskError, match=NAME):
        make(replace(request(), mask=None), shelf_folder)
    with pytest.raises(InputError, match="set eta to 0"):
        make(request(params={"sampler": "dpmpp_2m", "eta": 0.5}), shelf_folder)
    with pytest.raises(InputError, match="open a project"):
        learning_engine(NAME).learn([hole(0)], [], "hole", AnomalyLearningParams(), Context("cpu"))
    with pytest.raises(InputError, match="no real anomaly of it"):
        teach(tmp_path, [hole(0)], "dent")


def test_a_concept_of_another_backbone_is_refused(shelf_folder: Path, tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other", seed=7)
    with pytest.raises(Unavailable, match="learned on the model 'toy' and does not fit 'other'") as caught:
        make(request(params={"backbone": str(other)}), shelf_folder)
    assert "\n" not in str(caught.value)


def test_stop_is_honoured_within_a_step(shelf_folder: Path) -> None:
    steps: list[int] = []
    watch: dict[str, Any] = {"progress": lambda i, n, p: steps.append(i), "cancelled": lambda: bool(steps)}
    with pytest.raises(Cancelled):
        make(request(params={"steps": 16}), shelf_folder, **watch)
    assert steps == [1]


def test_below_full_strength_it_starts_from_what_was_asked(shelf_folder: Path) -> None:
    mask, plain = disc(40, 50, 12), plate(5)
    drawn = {}
    for start in ("example", "photo"):
        params = {"start": start, "steps": 20, "strength": 0.1, "guidance": 1.0, "detail": 1.0}
        try:
            drawn[start] = make(request(params=params, examples=(hole(0),)), shelf_folder).image
        except NoVisibleChange:
            drawn[start] = plain
    # The real hole is a quarter as bright as what is around it.
    assert drawn["example"][mask].mean() < 0.7 * plain[mask].mean() < drawn["photo"][mask].mean()
    alone = make(request(params={"steps": 4, "strength": 0.5}), shelf_folder)
    assert alone.recipe.example_ids == ()


@pytest.mark.parametrize("dark", [True, False])
def test_on_a_photo_of_two_tones_nothing_of_the_mask_is_lost_to_its_edge(shelf_folder: Path, dark: bool) -> None:
    level, flaw, mask = (235, 20, line()) if dark else (20, 235, disc(40, 50, 5))
    board = np.full((*SHAPE, 3), level, np.uint8)
    board[:, :12] = flaw
    real = board.copy()
    real[mask] = flaw
    example = AnomalyExample("e", "hole", real, (mask,))
    asked = request(photo=board, mask=mask, examples=(example,), placement=Placement(position="examples"))
    started = initial_image("example", NAME, asked, mask, [], Context())
    changed = mask & (board[..., 0] == level)
    assert (started[changed] == flaw).all()
    params = {"steps": 8, "strength": 0.125, "guidance": 1.0, "detail": 1.0, "feather": 4.0}
    sample = make(replace(asked, params=params), shelf_folder)
    assert set(np.unique(sample.image)) == {20, 235} and sample.mask.sum() >= 0.9 * changed.sum()


def test_the_tone_is_that_of_a_learned_anomaly(shelf_folder: Path) -> None:
    concept = checkpoints.newest_concept(shelf_folder, NAME, "hole")
    tones = brightness_ratios_of(concept, "hole")
    assert len(tones) == 2 and all(0.15 < ratio < 0.45 for tone in tones for ratio in tone)
    photo, mask = plate(5), disc(40, 50, 12)
    painted = toned(photo, mask, tones, np.random.default_rng(0))
    assert (painted[~mask] == photo[~mask]).all()
    core = disc(40, 50, 8)
    assert 0.1 < painted[core].mean() / photo[core].mean() < 0.55
    assert toned(photo, mask, [], np.random.default_rng(0)) is photo


def test_a_one_pixel_mask_is_drawn_or_declined(shelf_folder: Path) -> None:
    mask = np.zeros(SHAPE, np.bool_)
    mask[40, 50] = True
    try:
        sample = make(request(mask=mask), shelf_folder)
    except NoVisibleChange as error:
        assert "nothing visible changed" in str(error)
    else:
        assert np.array_equal(sample.mask, mask)
