import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, NotFound
from core.masks.morphology import components
from core.masks.placement.mask_template import long_axis
from core.masks.shapes import SHAPES, draw_shape, shape_for_label


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2**32 - 1), st.floats(8, 9000))
def test_area_is_as_asked_and_the_shape_is_in_one_piece(name, seed, area):
    mask = draw_shape(name, (300, 220), area, np.random.default_rng(seed))
    assert mask.shape == (300, 220)
    assert abs(mask.sum() - area) <= max(1, 0.15 * area)
    if name != "pits":
        assert len(components(mask)) == 1
    rows, cols = np.nonzero(mask)
    assert abs(rows.min() + rows.max() - 299) <= 2 and abs(cols.min() + cols.max() - 219) <= 2
    assert np.array_equal(mask, draw_shape(name, (300, 220), area, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", ["crack", "scratch"])
@pytest.mark.parametrize("angle", [0.0, 0.6, 1.5, 2.5])
def test_lines_are_long_and_run_where_asked(name, angle):
    for seed in range(6):
        mask = draw_shape(name, (500, 500), 500, np.random.default_rng(seed), angle)
        off = abs((long_axis(mask) - angle + np.pi / 2) % np.pi - np.pi / 2)
        assert off < 0.5
        rows, cols = np.nonzero(mask)
        assert np.hypot(np.ptp(rows), np.ptp(cols)) > 3 * np.sqrt(500)


def test_spots_are_round_and_chips_are_not():
    def fill(name: str) -> float:
        shares = []
        for seed in range(20):
            mask = draw_shape(name, (200, 200), 1500, np.random.default_rng(seed))
            rows, cols = np.nonzero(mask)
            far = np.hypot(rows - rows.mean(), cols - cols.mean()).max()
            shares.append(1500 / (np.pi * far**2))
        return float(np.mean(shares))

    assert fill("spot") > 0.6 > fill("chip") > fill("crack")


def test_pits_are_several():
    counts = [len(components(draw_shape("pits", (200, 200), 600, np.random.default_rng(s)))) for s in range(10)]
    assert min(counts) >= 2 and max(counts) >= 5


@pytest.mark.parametrize(
    ("label", "shape"),
    [
        ("crack", "crack"), ("hair_crack_2", "crack"), ("scratch_head", "scratch"), ("cut", "scratch"),
        ("dent", "spot"), ("blowhole", "spot"), ("mousebite", "spot"), ("pin_hole", "spot"), ("stain", "stain"),
        ("oil", "stain"), ("chip", "chip"), ("break", "chip"), ("fray", "chip"), ("pitting", "pits"),
        ("zzz", "blob"),
    ],
)  # fmt: skip
def test_words_of_a_label_choose_the_shape(label, shape):
    assert shape_for_label(label) == shape


def test_bad_names_and_areas_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(NotFound, match="there are crack"):
        draw_shape("star", (50, 50), 30, rng)
    for area in (0, 2501):
        with pytest.raises(InputError, match="1 to 2500"):
            draw_shape("spot", (50, 50), area, rng)
