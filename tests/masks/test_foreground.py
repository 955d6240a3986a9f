import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from core.masks.foreground import object_mask
from core.masks.morphology import components


def grey(image):
    return np.repeat(np.asarray(image, np.uint8)[..., None], 3, axis=2)


def scene(side, ground, part, seed=0, slope=25.0):
    """A hexagonal nut with a shadow on an unevenly lit table, and its true mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5

    def nut(dx, dy):
        u, v = x - dx, y - dy
        hexagon = np.maximum(abs(u), np.maximum(abs(u / 2 + 0.866 * v), abs(u / 2 - 0.866 * v))) < 0.3
        return hexagon & (np.hypot(u, v) > 0.12)

    image = np.ones((side, side, 3)) * ground + (slope * (x + 0.6 * y))[..., None]
    image *= 1 - 0.3 * ndimage.gaussian_filter(nut(0.02, 0.03).astype(float), side * 0.02)[..., None]
    truth = nut(0, 0)
    texture = np.kron(rng.normal(0, 10, (side // 8, side // 8)), np.ones((8, 8)))
    image[truth] = (np.array(part) + texture[..., None])[truth]
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("side", [160, 640])
@pytest.mark.parametrize(
    ("ground", "part"),
    [((205, 200, 190), (90, 60, 40)), ((40, 40, 44), (170, 170, 175)), ((150, 110, 70), (190, 190, 200))],
)
def test_a_part_on_a_table_is_found_without_its_shadow(side, ground, part):
    image, truth = scene(side, ground, part)
    found = object_mask(image)
    assert (found & truth).sum() / (found | truth).sum() > 0.93


def test_coins_are_found():
    image = data.coins()
    found = object_mask(grey(image))
    assert 0.2 < found.mean() < 0.5
    assert image[found].mean() > image[~found].mean() + 50
    assert 18 <= sum(part.sum() > 300 for part in components(found)) <= 30


def test_a_part_that_fills_the_photo_is_everything():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:200, :260]
    plain = np.full((200, 260), 120.0) + 20 * x / 260 + rng.normal(0, 4, (200, 260))
    brushed = 130 + ndimage.gaussian_filter(rng.normal(0, 60, (200, 260)), (12, 0.7))
    vignette = 150 * np.exp(-(((x - 130) / 200) ** 2) - ((y - 100) / 160) ** 2)
    weave = 120 + 50 * np.sin(x / 3) * np.sin(y / 3)
    tracks = np.where((x // 24) % 2 == 0, 30, 220)
    for photo in (plain, brushed, vignette, weave, tracks, data.brick(), data.grass(), data.gravel()):
        assert object_mask(grey(np.clip(photo, 0, 255))).all()


def test_a_scratch_is_not_a_part():
    image = np.full((200, 200, 3), 150, np.uint8)
    image[98:101, 30:170] = 40
    assert object_mask(image).all()


@pytest.mark.parametrize("shape", [(16, 16), (16, 900), (700, 20)])
def test_never_empty_whatever_the_size(shape):
    rng = np.random.default_rng(0)
    for image in (rng.integers(0, 256, (*shape, 3)), np.zeros((*shape, 3))):
        found = object_mask(image.astype(np.uint8))
        assert found.shape == shape and found.any()
