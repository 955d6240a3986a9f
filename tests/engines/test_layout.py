"""The layout engine on drawn scenes whose truth is known: what lies under each part, and where its shadow falls."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from core.engines.api import Context
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engine
from core.errors import Cancelled, InputError
from core.types import NormalImage, Region, Request, Sample

SIDE = 192


@dataclass(frozen=True)
class Disc:
    name: str
    y: float
    x: float
    radius: float
    colour: tuple[int, int, int]


DISCS = (
    Disc("washer", 50, 50, 20, (205, 200, 190)),
    Disc("washer_2", 52, 140, 20, (200, 200, 195)),
    Disc("nut", 138, 60, 24, (190, 150, 70)),
)


def surface(side: int = SIDE, noise: float = 5.0, grey: bool = False) -> np.ndarray:
    """A lit, mottled surface: float32 (side, side, 3)."""
    rng = np.random.default_rng(5)
    ys, xs = np.mgrid[:side, :side].astype(np.float32) / side
    mottle = cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), 1.5)
    base = 120 + 14 * xs - 10 * ys + noise * mottle / mottle.std()
    tint = (1.0, 1.0, 1.0) if grey else (0.95, 1.0, 1.08)
    return np.stack([base * t for t in tint], 2)


def disc_alpha(disc: Disc, side: int = SIDE) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side].astype(np.float32)
    return np.clip(disc.radius + 0.5 - np.hypot(ys - disc.y, xs - disc.x), 0, 1)


def shadow_of(disc: Disc, side: int = SIDE) -> np.ndarray:
    move = np.array([[1, 0, 2.5], [0, 1, 2.0]], np.float32)
    moved = cv2.warpAffine(disc_alpha(disc, side), move, (side, side))
    return 1 - 0.5 * cv2.GaussianBlur(moved, (0, 0), 2.5)


def draw(discs: tuple[Disc, ...] = DISCS, side: int = SIDE, noise: float = 5.0, grey: bool = False) -> np.ndarray:
    """The photo, uint8: surface, soft shadows, then discs with a shading and a dark mark off their middle."""
    photo = surface(side, noise, grey)
    ys, xs = np.mgrid[:side, :side].astype(np.float32)
    for disc in discs:
        photo = photo * shadow_of(disc, side)[..., None]
    for disc in discs:
        shading = 1 + 0.12 * (disc.x - xs) / disc.radius
        mark = np.hypot(ys - disc.y + 0.5 * disc.radius, xs - disc.x) < 0.2 * disc.radius
        colour = np.mean(disc.colour) * np.ones(3) if grey else np.array(disc.colour)
        body = np.where(mark, 0.6, 1.0)[..., None] * shading[..., None] * colour
        alpha = disc_alpha(disc, side)[..., None]
        photo = alpha * body + (1 - alpha) * photo
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)


def regions_of(discs: tuple[Disc, ...] = DISCS, side: int = SIDE) -> tuple[Region, ...]:
    return tuple(Region(d.name, disc_alpha(d, side) > 0.5) for d in discs)


def run(
    photo: np.ndarray | None = None, regions: tuple[Region, ...] | None = None, seed: int = 0, **params: object
) -> Sample:
    photo = draw() if photo is None else photo
    normal = NormalImage("id", "tray.png", photo)
    request = Request(normal, "odd", params, seed, regions=regions_of() if regions is None else regions)
    (sample,) = engine("layout").generate(request, Context())
    assert np.array_equal(sample.image[~sample.mask], photo[~sample.mask])
    return sample


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("noise", [0.0, 5.0])
@pytest.mark.parametrize("index", range(3))
def test_removed_part_leaves_the_surface(index: int, noise: float) -> None:
    photo, truth = draw(noise=noise), draw(DISCS[:index] + DISCS[index + 1 :], noise=noise)
    sample = run(photo, op="remove", region=DISCS[index].name, instance=1 if index == 0 else 0)
    gone = disc_alpha(DISCS[index]) > 0
    assert psnr(sample.image[gone], truth[gone]) > (36 if noise == 0 else 27)


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_removed_part_takes_its_shadow_along(noise: float) -> None:
    photo, truth = draw(noise=noise), draw(DISCS[:2], noise=noise)
    sample = run(photo, op="remove", region="nut")
    shade = shadow_of(DISCS[2])
    ring = (shade < 0.98) & (disc_alpha(DISCS[2]) == 0)
    before = np.mean(np.abs(photo[ring].astype(float) - truth[ring]))
    smooth = cv2.GaussianBlur(sample.image.astype(np.float32) - truth, (0, 0), 3)
    assert before > 12
    assert np.abs(smooth[ring]).mean() < 2.5
    # The grain that is drawn anew moves the mean a little from seed to seed.
    again = [sample, *(run(photo, op="remove", region="nut", seed=seed) for seed in (1, 2))]
    assert np.abs(np.mean([one.image[ring].astype(float) - truth[ring] for one in again])) < 1.5


def test_mask_of_a_removal_covers_part_and_visible_shadow() -> None:
    photo, truth = draw(noise=0), draw(DISCS[:2], noise=0)
    mask = run(photo, op="remove", region="nut").mask
    changed = np.abs(photo.astype(int) - truth).max(2)
    assert mask[changed > 8].mean() > 0.99
    assert not mask[changed == 0].any() or mask[changed == 0].mean() < 0.01


def test_moved_part_is_the_same_part_elsewhere() -> None:
    photo = draw()
    sample = run(photo, op="move", region="nut", dx=70, dy=-4)
    core = disc_alpha(Disc("", 138, 60, 22, (0, 0, 0))) > 0.5
    old = photo[core].astype(float)
    new = sample.image[np.roll(core, (-4, 70), (0, 1))].astype(float)
    gain = new.sum() / old.sum()
    assert 0.85 < gain < 1.15
    assert np.abs(new - gain * old).max() < 3
    assert sample.mask[core].mean() > 0.98
    assert sample.mask[np.roll(core, (-4, 70), (0, 1))].mean() > 0.98
    assert len(sample.instances) == 2
    assert np.array_equal(np.logical_or(*sample.instances), sample.mask)
    assert not (sample.instances[0] & sample.instances[1]).any()


def test_moved_part_looks_as_if_drawn_there() -> None:
    moved = Disc("nut", 134, 130, 24, (190, 150, 70))
    photo, truth = draw(noise=0), draw((*DISCS[:2], moved), noise=0)
    sample = run(photo, op="move", region="nut", dx=70, dy=-4)
    error = np.abs(sample.image.astype(float) - truth)
    halo = (disc_alpha(moved) < 1) & (shadow_of(moved) < 0.99)
    assert error[halo].mean() < 4
    assert psnr(sample.image, truth) > 34


def test_a_part_at_the_frames_border_brings_no_more_than_its_shadow() -> None:
    cap, extra = (Disc("cap", 96, x, 20, (60, 60, 62)) for x in (SIDE - 21, 90))
    photo, truth = draw((cap,), noise=0), draw((cap, extra), noise=0)
    sample = run(photo, regions_of((cap,)), op="duplicate", region="cap", dx=90 - (SIDE - 21), dy=0)
    beside = (disc_alpha(extra) == 0) & sample.mask
    assert np.abs(sample.image[beside].astype(float) - truth[beside]).mean() < 4
    changed = np.abs(photo.astype(int) - truth).max(2) > 6
    assert (sample.mask & changed).sum() / (sample.mask | changed).sum() > 0.9


def test_what_is_dark_on_the_lit_side_of_a_part_stays_there() -> None:
    cap, extra = (Disc("cap", y, 90, 20, (200, 196, 190)) for y in (60, 130))
    photo, truth = draw((cap,), noise=0), draw((cap, extra), noise=0)
    photo[58:63, 55:71] = truth[58:63, 55:71] = 60
    sample = run(photo, regions_of((cap,)), op="duplicate", region="cap", dx=0, dy=70)
    lit = np.s_[126:136, 55:65]
    assert np.abs(sample.image[lit].astype(int) - truth[lit]).max() < 4


def test_shadow_keeps_its_side_when_the_part_turns() -> None:
    photo = draw(noise=0)
    sample = run(photo, op="rotate", region="nut", angle=180)
    disc = DISCS[2]
    right = sample.image[138, 88].astype(float).mean()
    left = sample.image[138, 32].astype(float).mean()
    plain = draw(DISCS[:2], noise=0)
    assert plain[138, 88].mean() - right > 10
    assert plain[138, 32].mean() - left < 6
    mark_before, mark_after = photo[126, 60].astype(float).mean(), sample.image[150, 60].astype(float).mean()
    assert abs(mark_before - mark_after) < 6
    assert sample.image[126, 60].mean() > 1.2 * mark_after
    assert sample.mask[int(disc.y) + 12, int(disc.x)]


def test_rotation_by_a_full_turn_changes_nothing() -> None:
    with pytest.raises(InputError, match="360 degrees changes nothing"):
        run(op="rotate", region="nut", angle=360)


def test_a_part_that_looks_the_same_when_turned_is_no_anomaly() -> None:
    plain = surface()
    alpha = disc_alpha(DISCS[2])[..., None]
    photo = np.clip(alpha * 200 + (1 - alpha) * plain * shadow_of(DISCS[2])[..., None], 0, 255).astype(np.uint8)
    with pytest.raises(NoVisibleChange, match="'nut' looks the same"):
        run(photo, regions_of(DISCS[2:]), op="rotate")


def test_a_flip_mirrors_marks_and_no_light() -> None:
    photo = draw(noise=0)
    sample = run(photo, op="flip", region="nut", axis="vertical")
    assert sample.image[150, 60].mean() < 0.75 * 150
    # Its one mark lies on the axis: what is left is the light, which does not turn.
    with pytest.raises(NoVisibleChange, match="looks the same"):
        run(photo, op="flip", region="nut", axis="horizontal")


def test_a_round_part_that_turns_keeps_its_bright_side() -> None:
    photo = draw(noise=0)
    sample = run(photo, op="rotate", region="nut", angle=180)
    left, right = np.s_[134:142, 40:46], np.s_[134:142, 75:81]
    before, after = (float(image[left].mean()) - image[right].mean() for image in (photo, sample.image))
    assert before > 15
    assert abs(after - before) < 4


def test_the_dark_end_of_a_long_part_turns_along() -> None:
    photo = draw((), noise=0)
    bar = np.zeros((SIDE, SIDE), np.bool_)
    bar[80:100, 40:140] = True
    photo[bar] = 200
    photo[80:100, 90:140] = 90
    sample = run(photo, (Region("bar", bar),), op="rotate", region="bar", angle=180)
    assert abs(float(sample.image[85:95, 120:135].mean()) - 200) < 6
    assert abs(float(sample.image[85:95, 45:60].mean()) - 90) < 6


def test_flipped_twice_is_nearly_the_photo() -> None:
    photo = draw()
    once = run(photo, op="flip", region="nut", axis="vertical")
    twice = run(once.image, op="flip", region="nut", axis="vertical")
    inside = disc_alpha(DISCS[2]) > 0.99
    assert np.abs(twice.image[inside].astype(float) - photo[inside]).mean() < 1.5
    assert np.abs(once.image[inside].astype(float) - photo[inside]).mean() > 3


def test_swapped_twice_is_nearly_the_photo() -> None:
    photo = draw()
    once = run(photo, op="swap", region="nut", partner="washer_2")
    nut, washer = DISCS[2], DISCS[1]
    exchanged = (
        DISCS[0],
        Disc("washer_2", nut.y, nut.x, washer.radius, washer.colour),
        Disc("nut", washer.y, washer.x, nut.radius, nut.colour),
    )
    assert np.abs(once.image[52, 140].astype(float) - nut.colour).mean() < 25
    twice = run(once.image, regions_of(exchanged), op="swap", region="nut", partner="washer_2")
    for disc in (nut, washer):
        inside = disc_alpha(disc) > 0.99
        assert np.abs(twice.image[inside].astype(float) - photo[inside]).mean() < 4
    assert np.abs(twice.image.astype(float) - photo).mean() < 2
    assert len(once.instances) == 2


def test_replace_puts_a_copy_of_another_part_there() -> None:
    photo = draw()
    sample = run(photo, op="replace", region="nut", partner="washer", partner_instance=1)
    here, there = sample.image[138, 60].astype(float), photo[50, 50].astype(float)
    assert np.abs(here - there * here.sum() / there.sum()).max() < 4
    assert np.array_equal(sample.image[50, 50], photo[50, 50])


def test_recolour_changes_colour_and_keeps_texture() -> None:
    photo = draw()
    sample = run(photo, op="recolour", region="nut", hue=90)
    inside = disc_alpha(Disc("", 138, 60, 21, (0, 0, 0))) > 0.5
    old, new = photo[inside].astype(float), sample.image[inside].astype(float)
    assert np.abs(new.mean(0) - old.mean(0)).max() > 25
    assert np.corrcoef(old.mean(1), new.mean(1))[0, 1] > 0.95
    assert not sample.mask[disc_alpha(Disc("", 138, 60, 26, (0, 0, 0))) == 0].any()


def test_recolour_gives_a_grey_part_a_colour() -> None:
    sample = run(op="recolour", region="washer_2", hue=80, saturation=35)
    red, green, blue = sample.image[58, 140].astype(int)
    assert red > blue + 30 and green > blue + 30


@pytest.mark.parametrize("op", ["remove", "duplicate", "move", "rotate", "flip", "swap", "replace", "recolour"])
def test_grey_stays_grey_and_seeds_repeat(op: str) -> None:
    photo = draw(grey=True)
    first, again = (run(photo, seed=3, op=op) for _ in range(2))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert first.recipe == again.recipe
    assert (np.ptp(first.image.astype(int), axis=2) == 0).all()
    assert first.kind == "logical" and first.mask.any()
    assert first.recipe.params["op"] == op and first.recipe.params["tighten"] is True


def test_seeds_differ() -> None:
    photo = draw()
    masks = [run(photo, seed=s, op="duplicate", region="nut").mask for s in range(6)]
    assert len({m.tobytes() for m in masks}) > 2


@pytest.mark.parametrize("op", ["duplicate", "move"])
@pytest.mark.parametrize("seed", range(12))
def test_random_places_are_free_and_inside(op: str, seed: int) -> None:
    photo, regions = draw(noise=0), regions_of()
    sample = run(photo, seed=seed, op=op, region="washer", instance=1)
    size = disc_alpha(DISCS[0]).sum()
    for region in regions[1:]:
        # Only a shadow may fall on another part: it stays brighter than half of what it was.
        inside = cv2.erode(region.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (sample.image[inside].astype(float) > 0.45 * photo[inside] - 2).all()
        assert np.abs(sample.image[inside].astype(float) - photo[inside]).mean() < 12
    bright = (sample.image.astype(int).mean(2) > 175) & ~regions[1].mask & ~regions[2].mask
    whole = 2 if op == "duplicate" else 1
    assert bright.sum() > 0.7 * whole * size


def test_object_mask_bounds_random_places() -> None:
    photo = draw(DISCS[:1])
    part = np.zeros((SIDE, SIDE), bool)
    part[:110, :110] = True
    for seed in range(5):
        request = Request(
            NormalImage("id", "x", photo),
            "odd",
            {"op": "move", "shadow": False},
            seed,
            regions=regions_of(DISCS[:1]),
            object_mask=part,
        )
        (sample,) = engine("layout").generate(request, Context())
        assert not sample.mask[114:].any() and not sample.mask[:, 114:].any()


def test_no_free_place_is_said_in_one_line() -> None:
    big = (Disc("plate", 96, 96, 80, (200, 200, 200)),)
    with pytest.raises(InputError, match="no free place for region 'plate'") as error:
        run(draw(big), regions_of(big), op="duplicate")
    assert "\n" not in str(error.value)


def test_a_region_of_most_of_the_photo_cannot_be_lifted() -> None:
    mask = np.ones((SIDE, SIDE), bool)
    mask[:10] = False
    with pytest.raises(InputError, match="'all' covers 95% of the photo"):
        run(regions=(Region("all", mask),), op="remove")
    assert run(regions=(Region("all", mask),), op="recolour", lightness=-20).mask.mean() > 0.9


def test_unknown_region_names_those_there_are() -> None:
    with pytest.raises(InputError, match="'bolt' is not on photo 'tray.png' .*nut, washer, washer_2"):
        run(op="remove", region="bolt")


def test_no_regions_says_what_to_do() -> None:
    with pytest.raises(InputError, match="no regions; segment"):
        run(regions=(), op="remove")


def test_swap_needs_a_second_region() -> None:
    with pytest.raises(InputError, match="needs a region apart from 'nut'"):
        run(regions=regions_of()[2:], op="swap")


def test_instances_are_told_apart() -> None:
    middles = {(50, 50): 0, (52, 140): 0}
    for seed in range(10):
        mask = run(seed=seed, op="remove", region="washer").mask
        assert not mask[138, 60]
        for middle in middles:
            middles[middle] += int(mask[middle])
    assert all(count > 0 for count in middles.values()) and sum(middles.values()) == 10
    assert run(op="remove", region="washer", instance=2).mask[52, 140]
    assert run(op="remove", region="washer_2").mask[52, 140]
    with pytest.raises(InputError, match="instance 3 of 'washer'"):
        run(op="remove", region="washer", instance=3)


def test_a_list_of_names_is_a_choice() -> None:
    hits = {run(seed=s, op="remove", region="nut, washer_2").mask[138, 60] for s in range(8)}
    assert hits == {True, False}


@pytest.mark.parametrize("op", ["remove", "rotate", "move", "flip", "recolour"])
def test_region_cut_by_the_frame(op: str) -> None:
    discs = (Disc("nut", 186, 4, 24, (190, 150, 70)), DISCS[1])
    sample = run(draw(discs), regions_of(discs), op=op, region="nut", angle=40 if op == "rotate" else None)
    assert sample.mask.any()


def test_a_part_dragged_half_out_is_cut_and_wholly_out_refused() -> None:
    sample = run(op="move", region="nut", dx=-60, dy=0)
    assert sample.mask[138, :15].all()
    with pytest.raises(InputError, match="outside the 192x192 photo"):
        run(op="move", region="nut", dx=-400, dy=0)


def test_dragging_onto_another_part_is_allowed() -> None:
    sample = run(op="move", region="nut", dx=-10, dy=-88)
    assert np.abs(sample.image[50, 50].astype(float) - DISCS[2].colour).mean() < 30


def test_a_part_on_another_is_not_in_its_own_way() -> None:
    tray = np.zeros((SIDE, SIDE), bool)
    tray[10:-10, 10:120] = True
    sample = run(regions=(*regions_of(), Region("slot", tray)), op="move", region="nut", dx=5, dy=0)
    assert sample.mask[138, 40]


def test_whole_place_is_masked_when_not_tightened() -> None:
    tight = run(op="remove", region="nut").mask
    loose = run(op="remove", region="nut", tighten=False).mask
    assert (tight & ~loose).sum() == 0 and loose.sum() > tight.sum()


def test_cancel_stops_it() -> None:
    request = Request(NormalImage("id", "x", draw()), "odd", {}, 0, regions=regions_of())
    with pytest.raises(Cancelled):
        list(engine("layout").generate(request, Context(cancelled=lambda: True)))


@pytest.mark.parametrize("op", ["remove", "move"])
def test_a_soft_lens_leaves_no_rim(op: str) -> None:
    def soft(discs: tuple[Disc, ...]) -> np.ndarray:
        return cv2.GaussianBlur(draw(discs, noise=0), (0, 0), 2.0)

    nut = Disc("nut", 138, 60, 40, (190, 150, 70))
    photo, truth = soft((DISCS[1], nut)), soft(DISCS[1:2])
    sample = run(photo, regions_of((DISCS[1], nut)), op=op, region="nut", dx=70 if op == "move" else None)
    left = np.s_[90:186, 10:80]
    assert np.abs(photo[left].astype(int) - truth[left]).max() > 60
    assert np.abs(sample.image[left].astype(int) - truth[left]).max() < 12
