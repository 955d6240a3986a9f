"""What each of cut_paste, perlin and poisson owes beyond the common contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.device import numpy_rng
from core.engines.api import Context
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engine
from core.engines.surface.damage_styles import STYLES, choose_style, soft_edge_share
from core.engines.surface.gradient_noise import blurred, depth, fractal, is_thin, perlin, relative_depth
from core.errors import InputError
from core.placement_rules import Placement
from core.quality.scores import seam_contrast
from core.types import AnomalyExample, NormalImage, Request, Sample

PASTING = pytest.mark.parametrize("name", ["cut_paste", "poisson"])
ALL = pytest.mark.parametrize("name", ["cut_paste", "perlin", "poisson"])


def plate(level: float = 130, grain: float = 5, seed: int = 0, side: int = 160) -> np.ndarray:
    """A brushed grey plate, uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    brushed = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 0.8, sigmaY=6)
    image = level + grain * brushed / brushed.std() + np.linspace(-15, 15, side)[None, :]
    return np.repeat(np.clip(image, 0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def disc(cy: float = 80, cx: float = 80, radius: float = 18, side: int = 160) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.hypot(y - cy, x - cx) < radius


def line(width: int = 3, side: int = 160) -> np.ndarray:
    points = np.array([[30, 20], [60, 70], [70, 110], [100, 145]], np.int32)
    return cv2.polylines(np.zeros((side, side), np.uint8), [points], False, 1, width) != 0


def make(name: str, mask: np.ndarray, photo: np.ndarray | None = None, seed: int = 1, **given: Any) -> Sample:
    photo = plate() if photo is None else photo
    have: dict[str, Any] = {"label": "defect", "params": {}}
    request = Request(normal=NormalImage("n", "n.png", photo), seed=seed, mask=mask, **(have | given))
    return next(iter(engine(name).generate(request, Context())))


def shift(sample: Sample, photo: np.ndarray, where: np.ndarray) -> float:
    """Mean change in levels over ``where``."""
    return float((sample.image.astype(float) - photo)[where].mean())


def example(level: int = 20, photo: np.ndarray | None = None, mask: np.ndarray | None = None) -> AnomalyExample:
    photo = plate(seed=7).copy() if photo is None else photo
    mask = disc(50, 100, 15) if mask is None else mask
    photo[mask] = level
    return AnomalyExample("e", "defect", photo, (mask,))


@ALL
def test_a_crack_is_dark_along_its_whole_length(name: str) -> None:
    photo, mask = plate(), line()
    for seed in range(4):
        sample = make(name, mask, photo, seed, label="crack")
        gap = photo[..., 0].astype(float) - sample.image[..., 0]
        for rows in np.array_split(np.arange(20, 146), 6):
            part = mask.copy()
            part[: rows[0]], part[rows[-1] + 1 :] = False, False
            assert gap[part].mean() > 5, f"seed {seed}, rows {rows[0]}..{rows[-1]}"


@ALL
@pytest.mark.parametrize(("tone", "sign"), [("darker", -1), ("brighter", 1)])
def test_tone_decides_the_direction(name: str, tone: str, sign: int) -> None:
    photo = plate()
    params = {"tone": tone} | ({"style": "stain"} if name == "perlin" else {})
    for seed in range(3):
        sample = make(name, disc(), photo, seed, params=params)
        assert sign * shift(sample, photo, disc(radius=8)) > 6


@ALL
def test_no_room_downwards_goes_up(name: str) -> None:
    photo = plate(level=12, grain=2)
    sample = make(name, disc(), photo, label="crack", params={"style": "stain"} if name == "perlin" else {})
    assert shift(sample, photo, sample.mask) > 8


@ALL
def test_least_contrast_is_reached_on_a_flat_surface(name: str) -> None:
    photo = np.full((160, 160, 3), 128, np.uint8)
    params = {"contrast": 60, "tone": "darker"} | ({"style": "burn"} if name == "perlin" else {})
    sample = make(name, disc(), photo, params=params)
    assert shift(sample, photo, disc(radius=5)) < -45


@ALL
def test_two_tone_photos_keep_their_two_tones(name: str) -> None:
    photo = np.full((160, 160, 3), 250, np.uint8)
    photo[40:60], photo[100:130, 30:90] = 5, 5
    for seed, mask in enumerate((disc(80, 120, 8), disc(50, 60, 7), disc(60, 60, 9), line(5))):
        for label in ("defect", "crack", "stain"):
            sample = make(name, mask, photo, seed, label=label)
            assert set(np.unique(sample.image)) == {5, 250}
            assert sample.mask.sum() >= 0.15 * mask.sum()


@PASTING
def test_a_missing_source_is_said_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match="example") as caught:
        make(name, disc(), params={"source": "example"})
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="donor"):
        make(name, disc(), params={"source": "donor"})


@PASTING
@pytest.mark.parametrize("form", ["disc", "line"])
def test_a_real_example_is_carried_over(name: str, form: str) -> None:
    photo, mask = plate(), disc() if form == "disc" else line(5)
    sample = make(name, mask, photo, examples=(example(20),), params={"source": "example"})
    without = make(name, mask, photo, params={"source": "same", "tone": "brighter"})
    core = depth(mask) > 1.5
    assert shift(sample, photo, core) < -40 < shift(without, photo, core)


@PASTING
def test_an_example_is_matched_to_the_light_of_its_new_place(name: str) -> None:
    dim = plate(level=60, grain=3)
    levels = {}
    for light in (60, 120, 200):
        real = plate(level=light, grain=3, seed=7)
        spot = disc(50, 100, 15)
        real[spot] = real[spot] // 2
        params = {"source": "example"} | ({"jitter": 0.0} if name == "cut_paste" else {})
        sample = make(name, disc(), dim, examples=(AnomalyExample("e", "defect", real, (spot,)),), params=params)
        levels[light] = sample.image[disc(radius=8)].mean() / dim[disc(radius=8)].mean()
    assert all(0.3 < ratio < 0.75 for ratio in levels.values()), levels


@PASTING
def test_an_example_is_turned_only_where_its_mask_does_not_lie_as_it_does(name: str) -> None:
    photo, bar = plate(grain=2), np.zeros((160, 160), np.bool_)
    bar[60:100, 50:110] = True
    left, right = bar.copy(), bar.copy()
    left[:, 80:], right[:, :80] = False, False
    real = example(20, plate(grain=2, seed=7), left)
    ways = {}
    for position in ("anywhere", "examples", "surroundings"):
        made = [
            make(name, bar, photo, seed, examples=(replace(real, masks=(bar,)),), params={"source": "example"},
                 placement=Placement(position=position))
            for seed in range(8)
        ]  # fmt: skip
        ways[position] = {shift(s, photo, left) < shift(s, photo, right) for s in made}
    assert ways == {"anywhere": {True, False}, "examples": {True}, "surroundings": {True}}


@PASTING
def test_the_label_picks_among_examples(name: str) -> None:
    dark, bright = example(10), example(240)
    bright = AnomalyExample("b", "glare", bright.pixels, bright.masks)
    for label, sign in (("defect", -1), ("glare", 1)):
        for seed in range(3):
            photo = plate()
            sample = make(name, disc(), photo, seed, label=label, examples=(dark, bright))
            assert sign * shift(sample, photo, disc(radius=8)) > 0


@PASTING
def test_a_donor_is_used(name: str) -> None:
    photo, stripes = plate(), np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::8], stripes[:, 1::8], stripes[:, 2::8] = 255, 255, 255
    donor = NormalImage("d", "d.png", stripes)
    sample = make(name, disc(radius=30), photo, donor=donor, params={"source": "donor"})
    own = make(name, disc(radius=30), photo, donor=donor, params={"source": "same"})
    core = disc(radius=20)
    assert sample.image[core].std() > 2 * own.image[core].std()
    assert sample.recipe.donor_id == "d"


def test_poisson_has_less_seam_than_cut_paste() -> None:
    photo = plate()
    params = {"source": "same", "tone": "darker", "contrast": 40}
    seams = {}
    for name in ("cut_paste", "poisson"):
        extra = {"feather": 0.0} if name == "cut_paste" else {}
        image = make(name, disc(), photo, params=params | extra).image[..., 0].astype(float)
        ring = disc(radius=18) & ~disc(radius=16)
        seams[name] = np.abs(image - photo[..., 0])[ring].mean()
    assert seams["poisson"] < 0.5 * seams["cut_paste"]


def test_mixed_gradients_let_the_texture_through() -> None:
    photo = plate(grain=2)
    photo[:, ::6] = 40
    lines = disc(radius=14) & (np.arange(160)[None, :] % 6 == 0)
    between = disc(radius=14) & (np.arange(160)[None, :] % 6 == 3)
    smooth = NormalImage("d", "d.png", plate(seed=3, grain=1))
    left = {}
    for mixed in (False, True):
        image = make("poisson", disc(), photo, donor=smooth, params={"source": "donor", "mixed": mixed}).image
        left[mixed] = image[between].mean() - image[lines].mean()
    assert left[True] > 40 > left[False]


@pytest.mark.parametrize("style", ["stain", "burn"])
def test_what_fades_leaves_no_step_at_the_edge_of_its_mask(style: str) -> None:
    photo = plate(grain=2)
    for seed in range(3):
        sample = make("perlin", disc(radius=25), photo, seed, params={"style": style, "tone": "darker"})
        assert seam_contrast(photo, sample.image, sample.mask) < 2.5
        assert shift(sample, photo, disc(radius=8)) < -15
    hard = make("perlin", disc(radius=25), photo, params={"style": "pit", "tone": "darker"})
    assert seam_contrast(photo, hard.image, hard.mask) > 4


def test_what_is_wet_runs_out_farther_than_what_has_dried() -> None:
    shares = [soft_edge_share(label, "stain", 0.35) for label in ("oil_stain", "stain", "glue_spot")]
    assert shares == sorted(shares, reverse=True) and len(set(shares)) == 3
    assert soft_edge_share("stain", "stain", 0.1) < shares[1] and soft_edge_share("crack", "crack", 0.35) == 0


def test_every_style_is_its_own() -> None:
    photo, made = plate(), {}
    for style in STYLES:
        made[style] = make("perlin", disc(radius=25), photo, params={"style": style}).image.astype(int)
    names = list(made)
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            gap = np.abs(made[one] - made[two])[disc(radius=25)].mean()
            assert gap > 1.5, f"{one} looks like {two}"


def test_stronger_opacity_changes_more() -> None:
    photo = plate()
    changes = []
    for beta in (0.3, 0.6, 1.0):
        params = {"style": "burn", "opacity_min": beta, "opacity_max": beta, "contrast": 8}
        changes.append(-shift(make("perlin", disc(), photo, params=params), photo, disc(radius=8)))
    assert changes[0] < changes[1] < changes[2]


def test_ragged_outlines_lose_area_and_smooth_ones_keep_it() -> None:
    areas = {}
    for ragged in (0.0, 1.0):
        params = {"style": "stain", "tone": "darker", "ragged": ragged, "opacity_min": 1.0}
        areas[ragged] = int(make("perlin", disc(radius=25), params=params).mask.sum())
    assert areas[1.0] < 0.93 * areas[0.0] and areas[0.0] > 0.9 * disc(radius=25).sum()


def test_a_dent_is_dark_on_one_side_and_bright_on_the_other() -> None:
    photo = np.full((160, 160, 3), 128, np.uint8)
    change = make("perlin", disc(radius=25), photo, params={"style": "dent"}).image[..., 0].astype(float) - 128
    assert change.min() < -12 and change.max() > 12
    y, x = np.mgrid[:160, :160]
    dark, bright = (np.array([(y * w).sum(), (x * w).sum()]) / w.sum() for w in ((-change).clip(0), change.clip(0)))
    assert np.hypot(*(dark - bright)) > 10


@pytest.mark.parametrize(
    ("label", "style"),
    [("crack", "crack"), ("deep_scratch", "scratch"), ("dent", "dent"), ("blowhole", "pit"), ("oil_stain", "stain")],
)
def test_the_label_names_the_style(label: str, style: str) -> None:
    assert choose_style(label, depth(disc()), numpy_rng(0)) == style


def test_without_a_telling_label_the_form_decides() -> None:
    picks = {choose_style("defect", depth(line()), numpy_rng(seed)) for seed in range(20)}
    assert picks == {"crack", "scratch"}
    assert not picks & {choose_style("defect", depth(disc()), numpy_rng(seed)) for seed in range(20)}


def test_colour_photos_get_warm_stains_and_grey_ones_stay_grey() -> None:
    photo = plate()
    warm = (photo * np.array([1.0, 0.96, 0.92])).astype(np.uint8)
    image = make("perlin", disc(), warm, label="rust").image.astype(float)
    ratio = image[..., 2] / np.maximum(image[..., 0], 1)
    assert ratio[disc(radius=12)].mean() < 0.88 < ratio[~disc()].mean()


def test_nothing_changed_names_the_way_out() -> None:
    one = np.zeros((160, 160), np.bool_)
    one[5, 5] = True
    with pytest.raises(NoVisibleChange, match="enlarge the mask"):
        for seed in range(60):
            make("perlin", one, np.full((160, 160, 3), 3, np.uint8), seed, params={"style": "dent"})


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 90), width=st.integers(1, 90), cell=st.floats(1, 200), seed=st.integers(0, 999))
def test_noise_has_its_shape_and_range(height: int, width: int, cell: float, seed: int) -> None:
    field = perlin((height, width), cell, np.random.default_rng(seed))
    assert field.shape == (height, width) and field.dtype == np.float32
    assert np.abs(field).max() <= 1.5
    total = fractal((height, width), cell, np.random.default_rng(seed))
    assert np.isfinite(total).all() and abs(float(total.mean())) < 1e-3


def test_noise_is_as_wide_as_its_cell() -> None:
    changes = []
    for cell in (4, 16, 64):
        field = perlin((256, 256), cell, np.random.default_rng(0))
        changes.append(float((np.diff(np.sign(field), axis=1) != 0).mean()))
    assert changes[0] > 2 * changes[1] > 4 * changes[2] > 0


def test_relative_depth_is_one_along_the_middle_of_any_width() -> None:
    for radius in (2, 8, 40, 70):
        inside = depth(disc(radius=radius))
        rel = relative_depth(inside)
        assert rel[80, 80] > 0.9 and rel.max() <= 1
        assert not rel[~disc(radius=radius)].any()
        assert rel[80, 80 - radius + 1] < 0.7
    assert is_thin(depth(line())) and not is_thin(depth(disc()))


def test_a_wide_blur_on_a_coarse_grid_is_the_same_blur() -> None:
    field = np.random.default_rng(0).random((200, 240)).astype(np.float32)
    field[60:120, 80:160] += 3
    exact = cv2.GaussianBlur(field, (0, 0), 15)
    assert np.abs(blurred(field, 15) - exact).max() < 0.1
