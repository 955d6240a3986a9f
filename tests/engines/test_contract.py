"""What every engine owes, run over whatever is registered."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.engines.api import NEEDS, Context, Engine, EngineParams, LearningEngine, read_params
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engines, learning_engines
from core.errors import Cancelled, FlawsmithError, InputError, MaskError
from core.images.geometry import dilated
from core.quality import scores, visible_change
from core.quality.visible_change import MIN_VISIBLE_SHARE, RIM_REACH
from core.types import EVERYWHERE, KINDS, AnomalyExample, NormalImage, Recipe, Region, Request, Sample
from core.validation import read_settings

ENGINES = {name: engine for name, engine in engines().items() if engine.available() is None}
each = pytest.mark.parametrize("name", sorted(ENGINES))
masked = pytest.mark.parametrize("name", sorted(n for n, e in ENGINES.items() if "mask" in e.needs))


def part_photo(height: int = 150, width: int = 180, seed: int = 0, grey: bool = False) -> np.ndarray:
    """A mottled, unevenly lit plate with three bright discs, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    plate = 110 + 25 * x / width - 15 * y / height + 10 * grain / grain.std()
    for cy, cx in DISCS:
        plate[np.hypot(y - cy, x - cx) < 13] += 70
    tint = (1.0, 1.0, 1.0) if grey else (1.0, 0.93, 0.8)
    return np.clip(np.dstack([plate * t for t in tint]), 0, 255).round().astype(np.uint8)


DISCS = ((30, 30), (34, 130), (110, 90))


def disc(shape: tuple[int, int], cy: float, cx: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - cy, x - cx) < radius


def blob(shape: tuple[int, int] = (150, 180)) -> np.ndarray:
    return disc(shape, 70, 60, 16) | disc(shape, 78, 74, 12)


def line(shape: tuple[int, int] = (150, 180), width: int = 3) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    points = np.array([[20, 140], [60, 125], [95, 132], [150, 70]], np.int32)
    return cv2.polylines(canvas, [points], False, 1, width) != 0


def request_for(engine: Engine, seed: int = 1, photo: np.ndarray | None = None, **given: Any) -> Request:
    """A request with all that ``engine`` needs, and nothing that it does not."""
    photo = part_photo() if photo is None else photo
    shape = (photo.shape[0], photo.shape[1])
    # Few steps: the contract is not about how well a toy model draws.
    have: dict[str, Any] = {"params": {"steps": 4} if "steps" in engine.Params.model_fields else {}, "label": "defect"}
    if "mask" in engine.needs and "mask" not in given:
        have["mask"] = blob(shape)
    if "regions" in engine.needs and "regions" not in given:
        names = ("nut", "washer", "bolt")
        have["regions"] = tuple(Region(n, disc(shape, *at, 13)) for n, at in zip(names, DISCS, strict=True))
    if "examples" in engine.needs:
        have["examples"] = (real_example(),)
    if "donor" in engine.needs:
        have["donor"] = NormalImage("d", "donor.png", part_photo(seed=9))
    return Request(normal=NormalImage("n", "part.png", photo), seed=seed, **(have | given))


def real_example() -> AnomalyExample:
    photo, mask = part_photo(seed=5), disc((150, 180), 75, 140, 14)
    photo[mask] = photo[mask] // 3
    return AnomalyExample("e", "defect", photo, (mask,))


def make(engine: Engine, request: Request, ctx: Context | None = None) -> list[Sample]:
    return list(engine.generate(request, ctx or context(engine)))


def context(engine: Engine, **given: Any) -> Context:
    """A context in which an engine that learns has learned."""
    return Context("cpu", TAUGHT.get(engine.name), **given)


TAUGHT: dict[str, Path] = {}
"""Where each engine that learns keeps what it was taught here."""


@pytest.fixture(scope="module", autouse=True)
def taught(toy_model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    normals = [NormalImage(f"n{seed}", f"{seed}.png", part_photo(seed=seed)) for seed in (7, 8)]
    for name, learner in learning_engines().items():
        TAUGHT[name] = tmp_path_factory.mktemp(name)
        lesson = read_settings(learner.Learning, {"steps": 2}, name)
        learner.learn([real_example()], normals, "defect", lesson, Context("cpu", TAUGHT[name]))
    yield
    TAUGHT.clear()


def first(engine: Engine, build: Callable[[int], Request], tries: int = 5) -> Sample:
    """The sample of the first seed that gives one, as a batch would take it."""
    for seed in range(1, tries + 1):
        try:
            return make(engine, build(seed))[0]
        except NoVisibleChange:
            continue
    raise AssertionError(f"{engine.name}: {tries} seeds in a row left nothing visible")


def check(sample: Sample, request: Request, engine: Engine, covered: float = 0.8) -> None:
    """Exact outside, true inside, signed."""
    photo = request.normal.pixels
    assert sample.image.shape == photo.shape and sample.mask.any()
    assert sample.label == request.label and sample.kind in KINDS
    found = scores(photo, sample)
    if sample.recipe.feather != EVERYWHERE:
        assert found["change_outside"] == 0
        assert found["mask_covered"] >= covered
        if request.mask is not None:
            seen = visible_change(photo, sample.image, request.mask)
            if engine.fades:
                assert has_soft_rim_at_most(sample.mask, seen)
            else:
                assert np.array_equal(sample.mask, seen)
    recipe = Recipe.from_json(sample.recipe.to_json())
    assert recipe == sample.recipe
    assert (recipe.engine, recipe.seed, recipe.normal_id) == (engine.name, request.seed, request.normal.id)


def has_soft_rim_at_most(mask: np.ndarray, seen: np.ndarray) -> bool:
    """Whether ``mask`` is what is ``seen`` and no more than a rim about it, bool (H, W) both: the rim is narrow, and
    most of the mask is seen."""
    near = dilated(seen, round(RIM_REACH) + 1)
    return not (seen & ~mask).any() and not (mask & ~near).any() and seen.sum() >= MIN_VISIBLE_SHARE * mask.sum()


def test_a_rim_is_narrow_and_about_what_is_seen() -> None:
    seen = disc((80, 80), 40, 40, 30)
    assert has_soft_rim_at_most(seen, seen) and has_soft_rim_at_most(disc((80, 80), 40, 40, 32), seen)
    assert not has_soft_rim_at_most(disc((80, 80), 40, 40, 29), seen), "less than what is seen"
    assert not has_soft_rim_at_most(disc((80, 80), 40, 40, 36), seen), "a third of it unseen"
    assert not has_soft_rim_at_most(seen | disc((80, 80), 4, 4, 2), seen), "far away"


def test_some_engine_is_there() -> None:
    assert {"cut_paste", "perlin", "poisson"} <= set(ENGINES)


@each
def test_it_introduces_itself(name: str) -> None:
    engine = ENGINES[name]
    assert isinstance(engine, Engine) and engine.name == name
    assert engine.title and engine.summary.endswith(".") and engine.kind in KINDS
    assert engine.needs <= NEEDS
    assert issubclass(engine.Params, EngineParams)


FURTHER = {
    "ComGen.generate_with_evidence",
    "DualAnoDiff.generate_with_evidence",
    "DualAnoDiff.crop_for",
    "DualAnoDiff.initial_image",
}
"""Public methods beyond the contract, which benchmarks and tests of one method call."""


@each
def test_it_says_nothing_that_is_not_declared(name: str) -> None:
    """So that a misspelt optional method is found, and none is asked for behind the contract's back."""
    declared = set(dir(LearningEngine if isinstance(ENGINES[name], LearningEngine) else Engine)) | {
        "name", "title", "summary", "kind", "Params", "Learning",
    }  # fmt: skip
    kind = type(ENGINES[name])
    own = {one for c in kind.__mro__ if c.__module__ not in ("abc", "builtins") for one in vars(c)}
    strange = {one for one in own if not one.startswith("_") and one not in declared}
    assert not {f"{kind.__name__}.{one}" for one in strange} - FURTHER


@each
def test_a_mask_with_a_soft_rim_is_declared(name: str) -> None:
    home = Path(inspect.getfile(type(ENGINES[name])))
    files = [home] if home.parent.name == "engines" else sorted(home.parent.rglob("*.py"))
    assert ENGINES[name].fades == any("change_with_rim(" in file.read_text() for file in files)


def test_an_engine_must_generate_something() -> None:
    with pytest.raises(TypeError, match="generate or generate_batch"):
        type("Idle", (Engine,), {})


@each
def test_every_setting_has_a_title_and_help(name: str) -> None:
    for field, info in ENGINES[name].Params.model_fields.items():
        assert info.title and info.description, f"{name}.{field}"
        assert not info.is_required(), f"{name}.{field} has no default"
    json.dumps(ENGINES[name].Params().model_dump(mode="json"))


@each
def test_unknown_and_wrong_settings_are_refused_in_one_line(name: str) -> None:
    engine = ENGINES[name]
    with pytest.raises(InputError, match="strenght") as caught:
        make(engine, request_for(engine, params={"strenght": 3}))
    assert "\n" not in str(caught.value) and name in str(caught.value)
    for field in engine.Params.model_fields:
        with pytest.raises(InputError, match=field):
            read_params(engine, {field: {"not": "this"}})


@each
def test_the_sample_is_true_and_signed(name: str) -> None:
    engine = ENGINES[name]
    request = {}

    def build(seed: int) -> Request:
        request["it"] = request_for(engine, seed)
        return request["it"]

    sample = first(engine, build)
    check(sample, request["it"], engine)
    if request["it"].mask is not None:
        assert not (sample.mask & ~request["it"].mask).any()


@each
def test_same_seed_same_bytes_and_another_differs(name: str) -> None:
    engine = ENGINES[name]
    one, again = (make(engine, request_for(engine, 3))[0] for _ in range(2))
    assert one.image.tobytes() == again.image.tobytes() and np.array_equal(one.mask, again.mask)
    assert one.recipe.to_json() == again.recipe.to_json()
    others = [first(engine, lambda seed, b=base: request_for(engine, b + seed)) for base in (10, 20, 30)]
    assert any(other.image.tobytes() != one.image.tobytes() for other in others)


@each
def test_a_recipes_settings_make_the_same_again(name: str) -> None:
    engine = ENGINES[name]
    request = request_for(engine, 4)
    sample = make(engine, request)[0]
    again = make(engine, replace(request, params=json.loads(sample.recipe.to_json())["params"]))[0]
    assert again.image.tobytes() == sample.image.tobytes()


@each
def test_grey_photos_stay_grey(name: str) -> None:
    engine = ENGINES[name]
    for seed in (1, 2, 3):
        try:
            image = make(engine, request_for(engine, seed, part_photo(grey=True)))[0].image
        except NoVisibleChange:
            continue
        assert (image == image[..., :1]).all()


@each
def test_stop_is_honoured(name: str) -> None:
    engine = ENGINES[name]
    with pytest.raises(Cancelled):
        make(engine, request_for(engine), context(engine, cancelled=lambda: True))


@each
def test_the_photo_and_the_context_are_left_alone(name: str) -> None:
    engine = ENGINES[name]
    request, ctx = request_for(engine, 2), context(engine)
    before = request.normal.pixels.copy()
    sample = make(engine, request, ctx)[0]
    assert np.array_equal(before, request.normal.pixels)
    other = request_for(engine, 2, part_photo(seed=3))
    other = replace(other, normal=NormalImage("other", "b.png", other.normal.pixels))
    shared = make(engine, other, ctx)[0].image.tobytes()
    assert shared == make(engine, other)[0].image.tobytes()
    assert make(engine, request, ctx)[0].image.tobytes() == sample.image.tobytes()


@masked
def test_a_mask_is_asked_for(name: str) -> None:
    engine = ENGINES[name]
    with pytest.raises(MaskError, match=name):
        make(engine, replace(request_for(engine), mask=None))


SHAPE = (150, 180)
FORMS = {
    "line": line(SHAPE),
    "hair": line(SHAPE, 1),
    "corner": disc(SHAPE, 0, 0, 20),
    "edge": disc(SHAPE, 149, 90, 18),
    "all": np.ones(SHAPE, np.bool_),
    "most": ~disc(SHAPE, 75, 90, 40),
    "two": disc(SHAPE, 20, 90, 9) | disc(SHAPE, 130, 30, 9),
    "row": (np.arange(150) == 75)[:, None] & np.ones(SHAPE, np.bool_),
    "nine": disc(SHAPE, 90, 20, 2),
}


@masked
@pytest.mark.parametrize("form", FORMS)
def test_masks_of_every_form(name: str, form: str) -> None:
    engine = ENGINES[name]
    last = {}

    def build(seed: int) -> Request:
        last["it"] = request_for(engine, seed, mask=FORMS[form])
        return last["it"]

    check(first(engine, build), last["it"], engine)


@masked
@pytest.mark.parametrize("at", [(0, 0), (149, 179), (60, 60)])
def test_one_pixel_gives_a_clear_result(name: str, at: tuple[int, int]) -> None:
    engine = ENGINES[name]
    mask = np.zeros(SHAPE, np.bool_)
    mask[at] = True
    for seed in range(4):
        request = request_for(engine, seed, mask=mask)
        try:
            sample = make(engine, request)[0]
        except NoVisibleChange as error:
            assert "nothing visible changed" in str(error)
            continue
        check(sample, request, engine)
        assert np.array_equal(sample.mask, mask)


@masked
def test_untrimmed_masks_stay_as_drawn(name: str) -> None:
    engine = ENGINES[name]
    request = request_for(engine, 1, params={"tighten": False})
    sample = make(engine, request)[0]
    assert request.mask is not None and np.array_equal(sample.mask, request.mask)
    assert scores(request.normal.pixels, sample)["change_outside"] == 0


@each
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_featureless_photo_gives_a_true_sample_or_one_clear_line(name: str, level: int) -> None:
    engine = ENGINES[name]
    request = request_for(engine, 1, np.full((64, 80, 3), level, np.uint8), **small_request(engine))
    try:
        sample = make(engine, request)[0]
    except FlawsmithError as error:
        assert isinstance(error, InputError) and "\n" not in str(error)
    else:
        check(sample, request, engine)


def small_request(engine: Engine) -> dict[str, Any]:
    shape = (64, 80)
    given: dict[str, Any] = {}
    if "mask" in engine.needs:
        given["mask"] = disc(shape, 30, 40, 10)
    if "regions" in engine.needs:
        given["regions"] = (Region("nut", disc(shape, 30, 20, 8)), Region("bolt", disc(shape, 30, 60, 8)))
    return given


@each
@pytest.mark.parametrize("size", [(16, 16), (17, 240)])
def test_small_and_narrow_photos(name: str, size: tuple[int, int]) -> None:
    engine = ENGINES[name]
    photo = part_photo(*size)
    given: dict[str, Any] = {}
    if "mask" in engine.needs:
        given["mask"] = disc(size, 8, 8, 5)
    if "regions" in engine.needs:
        given["regions"] = (Region("nut", disc(size, 8, 8, 4)), Region("bolt", disc(size, 4, 13, 2)))
    request = request_for(engine, 1, photo, **given)
    try:
        sample = make(engine, request)[0]
    except InputError as error:
        assert "\n" not in str(error)
    else:
        check(sample, request, engine, covered=0.3)
