"""Mask alignment, and position, size and shape beside the real anomalies: masks whose numbers are known."""

import numpy as np
import pytest

from core.evaluation.generation.alignment import alignment
from core.evaluation.generation.mask_statistics import MaskShape, compare_shapes, shape_of

GREY = np.full((60, 80, 3), 120, np.uint8)


def box(rows, cols, shape=(60, 80)):
    mask = np.zeros(shape, bool)
    mask[rows, cols] = True
    return mask


def changed(mask, levels=60):
    image = GREY.copy()
    image[mask] += np.uint8(levels)
    return image


def test_a_mask_that_is_what_changed_fits_perfectly():
    mask = box(slice(10, 30), slice(20, 50))
    assert alignment(GREY, changed(mask), mask) == {
        "mask_covered": 1, "mask_iou": 1, "invisible": 0, "change_in_mask": 1
    }  # fmt: skip


def test_a_mask_twice_as_large_as_the_change():
    found = alignment(GREY, changed(box(slice(10, 30), slice(20, 40))), box(slice(10, 30), slice(20, 60)))
    assert found["mask_covered"] == found["mask_iou"] == 0.5 and found["change_in_mask"] == 1


def test_a_mask_half_as_large_as_the_change():
    found = alignment(GREY, changed(box(slice(10, 30), slice(20, 60))), box(slice(10, 30), slice(20, 40)))
    assert found["mask_covered"] == 1 and found["change_in_mask"] == found["mask_iou"] == 0.5


def test_change_elsewhere_and_no_change_at_all():
    mask = box(slice(5, 15), slice(5, 15))
    aside = alignment(GREY, changed(box(slice(40, 50), slice(40, 60))), mask)
    assert aside == {"mask_covered": 0, "mask_iou": 0, "invisible": 1, "change_in_mask": 0}
    assert alignment(GREY, GREY, mask) == {"mask_covered": 0, "mask_iou": 0, "invisible": 1}


def test_what_nobody_sees_is_no_change():
    mask = box(slice(5, 25), slice(5, 25))
    assert alignment(GREY, changed(mask, levels=4), mask)["invisible"] == 1


def test_a_square():
    shape = shape_of(box(slice(0, 30), slice(40, 70), (60, 80)))
    assert (shape.x, shape.y) == pytest.approx((55 / 80, 0.25))
    assert shape.octaves == pytest.approx(np.log2(900 / 4800))
    assert shape.elongation == pytest.approx(0, abs=1e-9) and shape.solidity == 1


@pytest.mark.parametrize("mask", [box(slice(10, 18), slice(5, 69)), box(slice(5, 13), slice(5, 69)).T])
def test_a_bar_eight_times_as_long_as_wide_lies_three_octaves_from_round(mask):
    assert shape_of(mask).elongation == pytest.approx(3) and shape_of(mask).solidity == 1


def test_an_l_fills_its_hull_by_known_share():
    mask = box(slice(10, 40), slice(10, 20)) | box(slice(30, 40), slice(10, 40))
    assert shape_of(mask).solidity == pytest.approx(500 / (900 - 400 / 2))


def test_one_pixel_and_the_whole_photo():
    dot = shape_of(box(slice(3, 4), slice(7, 8), (8, 16)))
    assert (dot.x, dot.y) == (7.5 / 16, 3.5 / 8) and dot.octaves == -7 and dot.elongation == 0 and dot.solidity == 1
    whole = shape_of(np.ones((8, 16), bool))
    assert (whole.x, whole.y, whole.octaves, whole.solidity) == (0.5, 0.5, 0, 1)
    assert whole.elongation == pytest.approx(1)


def test_pieces_are_weighed_by_area():
    two = shape_of(box(slice(0, 20), slice(0, 20)) | box(slice(40, 44), slice(30, 46)))
    assert two.elongation == pytest.approx((400 * 0 + 64 * 2) / 464) and two.solidity == 1


def drawn(n, seed=0, **by):
    rng = np.random.default_rng(seed)
    columns = rng.random((n, 5))
    return [MaskShape(r[0], r[1] + by.get("y", 0), -6 + r[2] + by.get("octaves", 0), r[3], r[4]) for r in columns]


def test_the_same_anomalies_differ_by_nothing_and_vary_as_much():
    found = compare_shapes(drawn(9), drawn(9)[::-1])
    assert all(found[f"{p}_distance"] == pytest.approx(0, abs=1e-7) for p in ("position", "size", "elongation"))
    assert all(v == pytest.approx(1) for k, v in found.items() if k.endswith("_spread")) and len(found) == 8


def test_anomalies_four_times_as_large_are_two_octaves_off_and_nothing_else_is():
    found = compare_shapes(drawn(9, octaves=2), drawn(9))
    assert found["size_distance"] == pytest.approx(2) and found["size_spread"] == pytest.approx(1)
    assert found["position_distance"] == pytest.approx(0, abs=1e-7) and found["solidity_distance"] == 0


def test_position_distance_of_two_points_is_the_root_of_twice_their_gap():
    one = [MaskShape(0.1, 0.1, -5, 0, 1)]
    other = [MaskShape(0.4, 0.5, -5, 0, 1)]
    assert compare_shapes(one, other)["position_distance"] == pytest.approx(np.sqrt(2 * 0.5))


def test_a_generator_that_repeats_itself_has_no_spread():
    found = compare_shapes([drawn(1)[0]] * 5, drawn(9))
    assert [found[f"{p}_spread"] for p in ("position", "size", "elongation", "solidity")] == [0, 0, 0, 0]


def test_spread_is_left_out_where_real_anomalies_do_not_vary_or_one_is_alone():
    assert not [k for k in compare_shapes(drawn(4), [drawn(1)[0]] * 3) if k.endswith("spread")]
    assert not [k for k in compare_shapes(drawn(1), drawn(4)) if k.endswith("spread")]
