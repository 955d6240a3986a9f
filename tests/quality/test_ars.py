"""The anomaly region score: what it means, that it tells defects from good parts, and its file."""

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import Cancelled, ImageError, InputError, MaskError, NotFound
from core.quality.ars import (
    Discriminator,
    anomaly_region_score,
    region_score,
    train_discriminator,
)


@pytest.fixture(scope="module")
def trained(part_photos):
    return train_discriminator(part_photos, 0)


@pytest.fixture(scope="module")
def spot(part_photos):
    image, mask = part_photos[0].copy(), np.zeros(part_photos[0].shape[:2], bool)
    cv2.circle(image, (64, 74), 11, (235, 60, 30), -1)
    mask[63:86, 53:76] = True
    return image, mask


def test_region_score_is_the_mean_over_the_mask():
    scores = np.array([[0.0, 0.2], [0.6, 1.0]], np.float32)
    assert region_score(scores, np.array([[False, True], [True, False]])) == pytest.approx(0.4)
    assert region_score(np.ones((3, 4), np.float32), np.eye(3, 4, dtype=bool)) == 1.0


def test_what_lies_outside_the_mask_does_not_count():
    mask = np.zeros((8, 8), bool)
    mask[2:5, 2:5] = True
    low, high = np.zeros((8, 8), np.float32), np.where(mask, 0, 1).astype(np.float32)
    assert region_score(low, mask) == region_score(high, mask) == 0.0


def test_a_visible_anomaly_scores_high_and_none_low(trained, part_photos, spot):
    image, mask = spot
    seen = anomaly_region_score(trained, image, mask)
    assert seen > 0.8
    assert anomaly_region_score(trained, part_photos[0], mask) < 0.2
    # The score is where the spot is, not everywhere.
    assert trained.score_map(image)[~mask].mean() < seen / 2


def test_the_score_grows_with_how_visible_the_anomaly_is(trained, part_photos, spot):
    image, mask = spot
    scores = [
        anomaly_region_score(trained, cv2.addWeighted(part_photos[0], 1 - share, image, share, 0), mask)
        for share in (0.0, 0.1, 1.0)
    ]
    assert scores == sorted(scores) and scores[2] - scores[0] > 0.5


def test_a_wrong_mask_scores_low(trained, spot):
    image, mask = spot
    assert anomaly_region_score(trained, image, np.roll(mask, (-50, -40), (0, 1))) < 0.4


@pytest.mark.parametrize("shape", [(96, 128), (97, 131), (1000, 640), (33, 200)])
def test_a_map_has_the_photo_s_size_and_lies_in_0_to_1(trained, shape):
    scores = trained.score_map(np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8))
    assert scores.shape == shape and scores.dtype == np.float32
    assert scores.min() >= 0 and scores.max() <= 1


def test_same_seed_same_bytes_from_files_and_from_arrays(tmp_path, trained, part_photos):
    paths = []
    for k, photo in enumerate(part_photos):
        paths.append(tmp_path / f"{k}.png")
        cv2.imwrite(str(paths[-1]), photo[..., ::-1])
    again = train_discriminator(paths, 0)
    assert trained.save(tmp_path / "a").read_bytes() == again.save(tmp_path / "b").read_bytes()
    other = train_discriminator(part_photos[:1], 1)
    assert not np.array_equal(other.hidden, again.hidden)


def test_saved_and_loaded_scores_the_same(tmp_path, trained, spot):
    loaded = Discriminator.load(trained.save(tmp_path / "deep" / "ars.safetensors"))
    assert np.array_equal(loaded.score_map(spot[0]), trained.score_map(spot[0]))


def test_progress_runs_to_its_total_and_a_stop_stops(part_photos):
    seen = []
    train_discriminator(part_photos[:2], 0, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] and len({t for _, t in seen}) == 1
    with pytest.raises(Cancelled):
        train_discriminator(part_photos, 0, cancelled=lambda: len(seen) > 0)


def test_bad_input_says_what_to_do(tmp_path, trained):
    with pytest.raises(InputError, match="no photos of good parts"):
        train_discriminator([])
    with pytest.raises(MaskError, match="empty"):
        region_score(np.zeros((4, 4), np.float32), np.zeros((4, 4), bool))
    with pytest.raises(MaskError, match="4x4"):
        region_score(np.zeros((4, 4), np.float32), np.ones((5, 4), bool))
    with pytest.raises(ImageError, match="32"):
        trained.score_map(np.zeros((20, 200, 3), np.uint8))
    with pytest.raises(NotFound, match="no such file"):
        Discriminator.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("not a tensor")
    with pytest.raises(InputError, match="train it again"):
        Discriminator.load(tmp_path / "text")
    save_file({"mean": np.zeros(3, np.float32)}, tmp_path / "other")
    with pytest.raises(InputError, match="something else"):
        Discriminator.load(tmp_path / "other")
