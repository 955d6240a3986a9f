"""Near-duplicates: what lies close, and how samples are grouped."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.quality import descriptor, group_near_duplicates, nearest_distance


def spot(y: int, x: int, radius: float, level: int, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[:side, :side]
    mask = np.hypot(rows - y, cols - x) <= radius
    image = np.full((side, side, 3), 128, np.uint8)
    image[mask] = level
    return image, mask


def gap(one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]) -> float:
    return nearest_distance(descriptor(*one), [descriptor(*two)])


def test_the_same_again_is_close_and_another_is_not() -> None:
    base = spot(40, 40, 10, 60)
    assert gap(base, base) == 0
    again = max(gap(base, spot(41, 40, 10, 62)), gap(base, spot(40, 41, 11, 58)))
    others = [
        spot(90, 90, 10, 60),
        spot(40, 40, 25, 60),
        spot(40, 40, 10, 230),
        (base[0], np.flip(np.tri(128, dtype=np.bool_) & base[1], 0).copy()),
    ]
    assert again < 0.05 < 0.1 < min(gap(base, other) for other in others)


def line(*points: tuple[int, int], width: int = 2, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    canvas = np.zeros((side, side), np.uint8)
    cv2.polylines(canvas, [np.array(points, np.int32)], False, 1, width)
    image = np.full((side, side, 3), 128, np.uint8)
    image[canvas > 0] = 60
    return image, canvas > 0


def test_two_thin_cracks_are_not_the_same_because_both_are_thin() -> None:
    base = line((30, 30), (60, 80), (90, 90))
    again = max(gap(base, line((31, 30), (61, 80), (91, 90))), gap(base, line((30, 30), (60, 80), (90, 90), width=3)))
    others = [
        line((30, 90), (60, 80), (90, 30)),
        line((30, 30), (80, 40), (90, 90)),
        line((30, 30), (35, 85), (90, 90)),
    ]
    assert again < 0.08 < min(gap(base, other) for other in others)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_distances_stay_between_0_and_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = []
    for _ in range(2):
        mask = np.zeros((40, 50), np.bool_)
        y, x = rng.integers(0, 30), rng.integers(0, 40)
        mask[y : y + rng.integers(1, 10), x : x + rng.integers(1, 10)] = True
        vectors.append(descriptor(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), mask))
    assert all(v.dtype == np.float32 and np.isfinite(v).all() and v.shape == (60,) for v in vectors)
    assert 0 <= nearest_distance(vectors[0], vectors[1:]) <= 1


def test_nothing_kept_yet_and_empty_masks() -> None:
    assert nearest_distance(descriptor(*spot(40, 40, 10, 60)), []) == 1.0
    empty = descriptor(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.bool_))
    assert not empty.any()
    full = descriptor(np.full((20, 20, 3), 9, np.uint8), np.ones((20, 20), np.bool_))
    assert np.isfinite(full).all()


def test_groups_are_numbered_by_first_appearance() -> None:
    a, b, c = np.zeros(60, np.float32), np.full(60, 0.5, np.float32), np.full(60, 2.0, np.float32)
    assert group_near_duplicates([a, b, a + 1e-4, c, b], 0.1) == [0, 1, 0, 2, 1]
    assert group_near_duplicates([], 0.1) == []
    assert group_near_duplicates([a], 0.1) == [0]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.02, 0.6), block=st.sampled_from([1, 3, 64]))
def test_members_lie_near_their_leader_and_leaders_apart(seed: int, threshold: float, block: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.random((60, 4)).astype(np.float32)
    groups = group_near_duplicates(vectors, threshold, block)
    leaders: dict[int, int] = {}
    for index, group in enumerate(groups):
        leaders.setdefault(group, index)
    assert list(leaders) == list(range(len(leaders)))
    for index, group in enumerate(groups):
        assert np.linalg.norm(vectors[index] - vectors[leaders[group]]) <= threshold + 1e-3
    heads = vectors[list(leaders.values())]
    apart = np.linalg.norm(heads[:, None] - heads[None], axis=2) + 9 * np.eye(len(heads))
    assert apart.min() > threshold - 1e-3


def test_ten_thousand_samples_are_grouped_as_drawn() -> None:
    rng = np.random.default_rng(0)
    centres = rng.random((400, 60)).astype(np.float32)
    owner = rng.integers(0, 400, 10_000)
    noise = rng.normal(0, 0.001, (10_000, 60)).astype(np.float32)
    groups = np.array(group_near_duplicates(centres[owner] + noise, 0.1))
    pairs = {(int(o), int(g)) for o, g in zip(owner, groups, strict=True)}
    assert len(pairs) == len(set(owner.tolist())) == groups.max() + 1
