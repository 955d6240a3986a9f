"""Regions carried to other photos whose truth is known."""

import cv2
import numpy as np
import pytest

from core.errors import InputError, Unavailable
from core.features import extract
from core.segmentation.propagation import Propagator, propagate
from core.segmentation.segmenter import iou
from core.types import Region

SIZE = 224


def part(kind, image, truth, centre, turn, rng):
    """Draw one part and return its mask."""
    x, y = centre
    mask = np.zeros((SIZE, SIZE), np.uint8)
    if kind == "ring":
        cv2.circle(mask, (x, y), 26, 1, -1)
        cv2.circle(mask, (x, y), 11, 0, -1)
        colour = (190, 190, 196)
    elif kind == "plate":
        cv2.fillPoly(mask, [cv2.boxPoints(((x, y), (56, 24), turn)).astype(np.int32)], 1)
        colour = (50, 70, 160)
    else:
        a = np.deg2rad(turn) + np.arange(6) * np.pi / 3
        cv2.fillPoly(mask, [np.stack([x + 25 * np.cos(a), y + 25 * np.sin(a)], 1).astype(np.int32)], 1)
        colour = (205, 170, 70)
    inside = mask > 0
    image[inside] = np.array(colour) + rng.normal(0, 3, (int(inside.sum()), 3))
    truth[kind] = inside


def scene(seed, moved=False, without=()):
    rng = np.random.default_rng(seed)
    surface = cv2.GaussianBlur(np.random.default_rng(99).normal(0, 1, (SIZE, SIZE)).astype(np.float32), (0, 0), 2) * 40
    image = np.array((75.0, 85.0, 80.0)) + surface[..., None] + rng.normal(0, 2, (SIZE, SIZE, 3))
    cv2.rectangle(image, (4, 4), (SIZE - 5, SIZE - 5), (30, 30, 32), 2)
    cv2.line(image, (SIZE // 2, 4), (SIZE // 2, SIZE - 5), (30, 30, 32), 2)
    truth = {}
    homes = {"ring": (56, 60), "plate": (166, 60), "hex": (60, 164)}
    for kind, (x, y) in homes.items():
        if kind in without:
            continue
        dx, dy, turn = (
            (int(rng.integers(-14, 15)), int(rng.integers(-14, 15)), float(rng.uniform(0, 180)))
            if moved
            else (0, 0, 20.0)
        )
        part(kind, image, truth, (x + dx, y + dy), turn, rng)
    return np.clip(image, 0, 255).astype(np.uint8), truth


def named(truth):
    return [Region(name, mask) for name, mask in truth.items()]


def test_fixed_camera_with_shift_turn_and_other_light():
    image, truth = scene(0)
    other, _ = scene(1)
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), 3.0, 1.02)
    matrix[:, 2] += (6.4, -4.7)
    moved = cv2.warpAffine(other, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    ramp = np.linspace(0.75, 1.15, SIZE)[None, :, None]
    target = np.clip(moved * ramp + 8, 0, 255).astype(np.uint8)
    found = propagate(image, named(truth), target, use_features=False)
    assert [r.name for r in found] == list(truth)
    for region in found:
        want = cv2.warpAffine(truth[region.name].astype(np.uint8), matrix, (SIZE, SIZE)) > 0
        assert iou(region.mask, want) > 0.8, region.name
        assert region.source == "propagated" and 0.5 < region.confidence <= 1


def test_fixed_camera_an_absent_part_is_not_invented():
    image, truth = scene(0)
    target, left = scene(2, without=("plate",))
    found = {r.name: r for r in propagate(image, named(truth), target, use_features=False)}
    assert set(found) == set(left)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_parts_that_moved_and_turned_are_found_again(seed):
    image, truth = scene(0)
    target, want = scene(seed, moved=True, without=("hex",) if seed == 4 else ())
    found = {r.name: r for r in propagate(image, named(truth), target, use_features=False)}
    assert set(found) == set(want)
    for name, region in found.items():
        assert iou(region.mask, want[name]) > 0.8, name


def test_a_worse_find_has_less_confidence():
    image, truth = scene(0)
    same = propagate(image, named(truth), scene(1)[0], use_features=False)
    moved = propagate(image, named(truth), scene(3, moved=True)[0], use_features=False)
    assert min(r.confidence for r in same) > max(r.confidence for r in moved if r.name != "ring")


def test_several_annotated_photos_complete_each_other():
    first, truth = scene(0)
    second, more = scene(6, moved=True)
    one = [r for r in named(truth) if r.name == "ring"]
    two = [r for r in named(more) if r.name == "plate"]
    target, want = scene(7, moved=True)
    found = {r.name: r for r in Propagator([(first, one), (second, two)], use_features=False).propagate_to(target)}
    assert set(found) == {"ring", "plate"}
    assert all(iou(found[n].mask, want[n]) > 0.8 for n in found)


def test_another_photo_size_is_fine():
    image, truth = scene(0)
    target = cv2.resize(scene(1)[0], (336, 336), interpolation=cv2.INTER_AREA)
    for region in propagate(image, named(truth), target, use_features=False):
        want = cv2.resize(truth[region.name].astype(np.uint8), (336, 336), interpolation=cv2.INTER_NEAREST) > 0
        assert iou(region.mask, want) > 0.8


def test_no_region_named_says_so():
    with pytest.raises(InputError, match="name one"):
        Propagator([(scene(0)[0], [])])


def test_it_works_when_the_features_cannot_be_loaded(monkeypatch):
    def gone(*args, **kwargs):
        raise Unavailable("no torch")

    monkeypatch.setattr(extract, "patch_features", gone)
    image, truth = scene(0)
    target, want = scene(3, moved=True)
    assert {r.name for r in propagate(image, named(truth), target)} == set(want)


def test_patch_features_are_unit_vectors_that_move_with_the_photo():
    pytest.importorskip("torch")
    if (reason := extract.available()) is not None:
        pytest.skip(reason)
    image, _ = scene(0)
    for stride, cells in ((4, 56), (8, 28), (16, 14)):
        got = extract.patch_features(image, stride)
        assert got.shape == (cells, cells, extract.CHANNELS) and got.dtype == np.float32
        assert np.allclose(np.linalg.norm(got, axis=2), 1, atol=1e-4)
    shifted = np.roll(image, 32, axis=1)
    a, b = extract.patch_features(image, 16), extract.patch_features(shifted, 16)
    moved = np.einsum("ijk,ijk->ij", a[3:-3, 3:-5], b[3:-3, 5:-3]).mean()
    still = np.einsum("ijk,ijk->ij", a[3:-3, 3:-5], b[3:-3, 3:-5]).mean()
    assert moved > 0.97 and moved > still + 0.1
    assert extract.patch_features(image[:50, :71], 8).shape == (7, 9, extract.CHANNELS)
