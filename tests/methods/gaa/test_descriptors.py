"""What a region is seen as: its window, its rim, its parts."""

import cv2
import numpy as np
import pytest

from core.errors import InputError, MaskError
from core.methods.gaa.clustering.descriptors import describe_region, features_name
from core.methods.gaa.clustering.region_crop import SIDE, crop_region
from core.methods.gaa.clustering.rim_descriptor import RIM_SIZE, rim_likeness, rim_spectrum


def board(kind, ink=20, paper=230, turn=0):
    """A photo with a defect 12 pixels across, and its mask: an island, a bump on an edge, or a bridge."""
    image = np.full((128, 128, 3), paper, np.uint8)
    mask = np.zeros((128, 128), bool)
    mask[58:70, 58:70] = True
    if kind in ("bump", "bridge"):
        image[70:100] = ink
    if kind == "bridge":
        image[28:58] = ink
    image[mask] = ink
    return np.rot90(image, turn).copy(), np.rot90(mask, turn).copy()


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("ink, paper", [(20, 230), (230, 20)])
def test_the_rim_tells_island_bump_and_bridge(ink, paper, turn):
    island, bump, bridge = (
        rim_spectrum(crop_region(*board(kind, ink, paper, turn))) for kind in ("island", "bump", "bridge")
    )
    assert island.shape == (RIM_SIZE,) and island.max() < 0.05
    assert bump[1] > 1.5 * bump[2] and 0.1 < bump[0] < 0.5
    assert bridge[2] > 3 * bridge[1] and bridge[0] > 1.5 * bump[0]


def test_the_rim_does_not_depend_on_polarity_or_turning():
    here = rim_spectrum(crop_region(*board("bump")))
    for other in (board("bump", 230, 20), board("bump", turn=1), board("bump", turn=2)):
        assert rim_spectrum(crop_region(*other)) == pytest.approx(here, abs=0.08)


def test_likeness_is_a_share():
    for kind in ("island", "bump", "bridge"):
        walk = rim_likeness(crop_region(*board(kind)))
        assert walk.min() >= 0 and walk.max() <= 1 and len(walk) > 20


def test_a_window_scales_with_its_region():
    image = np.zeros((300, 400, 3), np.uint8)
    for half in (16, 40, 120):
        mask = np.zeros((300, 400), bool)
        mask[150 - half : 150 + half, 200 - half : 200 + half] = True
        window = crop_region(image, mask)
        assert window.image.shape == (SIDE, SIDE, 3)
        assert window.mask.mean() == pytest.approx(0.25, abs=0.02)
        assert window.scale == pytest.approx(SIDE / (4 * half))
        assert not (window.mask & window.ring).any() and window.ring.any()


def test_a_hair_on_a_large_photo_is_still_seen():
    mask = np.zeros((900, 900), bool)
    mask[450, 20:880] = True
    assert np.count_nonzero(crop_region(np.zeros((900, 900, 3), np.uint8), mask).mask) >= 80


def test_the_ring_stays_on_the_photo():
    image = np.full((100, 100, 3), 200, np.uint8)
    mask = np.zeros((100, 100), bool)
    mask[:20, 40:60] = True
    image[mask] = 10
    window = crop_region(image, mask)
    assert window.ring.any() and window.image[window.ring].min() > 150
    whole = crop_region(image, np.ones((100, 100), bool))
    assert not whole.ring.any() and np.isfinite(rim_spectrum(whole)).all()


def test_one_pixel_is_a_region():
    mask = np.zeros((64, 64), bool)
    mask[63, 0] = True
    window = crop_region(np.zeros((64, 64, 3), np.uint8), mask)
    assert window.mask.any() and np.isfinite(rim_spectrum(window)).all()


def test_errors_say_what_is_wrong():
    image, empty = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), bool)
    with pytest.raises(MaskError, match="empty"):
        crop_region(image, empty)
    for preset in ("paper", "flawsmith"):
        with pytest.raises(MaskError, match="empty"):
            describe_region(image, empty, preset)
    with pytest.raises(InputError, match="expected one of paper, flawsmith"):
        features_name("best")


@pytest.mark.parametrize("preset", ["paper", "flawsmith"])
def test_parts_have_fixed_sizes_and_repeat(preset):
    pytest.importorskip("efficientnet_lite_pytorch")
    image, mask = board("bump")
    first, again = describe_region(image, mask, preset), describe_region(image.copy(), mask, preset)
    sizes = {name: part.shape for name, part in first.items()}
    own = {"lab": (6,), "lbp": (28,)} if preset == "paper" else {"rim": (RIM_SIZE,)}
    assert sizes == {"layer_1": (24,), "layer_2": (40,), "layer_3": (112,), **own}
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert features_name("paper") != features_name("flawsmith")


def test_colour_and_texture_are_the_mask_s_own():
    pytest.importorskip("efficientnet_lite_pytorch")
    image, mask = board("island")
    before = describe_region(image, mask, "paper")
    outside = image.copy()
    outside[:40] = (200, 20, 20)
    after = describe_region(outside, mask, "paper")
    assert np.array_equal(before["lab"], after["lab"]) and np.array_equal(before["lbp"], after["lbp"])
    assert before["lbp"][:10].sum() == pytest.approx(1) and before["lbp"][10:].sum() == pytest.approx(1)
    grey = cv2.cvtColor(np.full((1, 1, 3), 20, np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    assert before["lab"][:3] == pytest.approx(grey, abs=1e-3)
