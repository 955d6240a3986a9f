"""The nearest normal photo is the nearest, however it is found; and how far a sample is from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from core.errors import Cancelled, InputError
from core.features.extract import scale_features
from core.features.index import (
    INDEX_KIND,
    VECTOR_SIZE,
    FeatureIndex,
    build_index,
    embed,
    load_index,
    save_index,
    ssim_distance,
)

PARTS = np.cumsum([64 * 24, 64 * 40])


def drawn(count: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = 5 + spread * rng.normal(size=(count, VECTOR_SIZE))
    return rows.astype(np.float16).astype(np.float32)


def gaps(asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Eq. 5 as it stands, in float64."""
    pairs = zip(np.split(asked, PARTS, axis=1), np.split(rows, PARTS, axis=1), strict=True)
    return sum(cdist(a.astype(np.float64), b.astype(np.float64)) for a, b in pairs)


def named(count: int) -> tuple[str, ...]:
    return tuple(f"n{i}" for i in range(count))


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_the_nearest_are_those_of_the_plain_sum(spread: float) -> None:
    rows, asked = drawn(60, spread=spread), drawn(5, 1, spread)
    found = FeatureIndex(named(60), rows).nearest(asked, k=4)
    truth = gaps(asked, rows)
    for row, neighbours in zip(truth, found, strict=True):
        assert [n.id for n in neighbours] == [f"n{i}" for i in np.argsort(row, kind="stable")[:4]]
        assert [n.distance for n in neighbours] == pytest.approx(sorted(row)[:4], rel=1e-5)


def test_a_photo_of_the_memory_is_its_own_neighbour_unless_left_out() -> None:
    rows = drawn(9)
    memory = FeatureIndex(named(9), rows)
    assert [(n[0].id, n[0].distance) for n in memory.nearest(rows)] == [(i, 0.0) for i in named(9)]
    assert memory.nearest(rows[3], without={"n3"})[0][0].id != "n3"


def test_too_few_photos_and_foreign_vectors_are_refused_in_one_line() -> None:
    memory = FeatureIndex(named(2), drawn(2))
    for wrong in (lambda: memory.nearest(drawn(1), k=3), lambda: memory.nearest(np.zeros((1, 7), np.float32))):
        with pytest.raises(InputError) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        FeatureIndex(("a", "a"), drawn(2))


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    memory = FeatureIndex(named(3), drawn(3))
    save_index(tmp_path / "deep" / "memory.npz", memory)
    again = load_index(tmp_path / "deep" / "memory.npz")
    assert again is not None and again.ids == memory.ids and again.kind == INDEX_KIND
    assert np.array_equal(again.vectors, memory.vectors)
    save_index(tmp_path / "other.npz", FeatureIndex(memory.ids, memory.vectors, "of another network"))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and then nothing")
    assert load_index(tmp_path / "other.npz") is None
    assert load_index(tmp_path / "broken.npz") is None
    assert load_index(tmp_path / "absent.npz") is None


def test_only_new_photos_are_read_and_a_stop_keeps_what_was_done(
    tmp_path: Path, part_photos: list[np.ndarray]
) -> None:
    path, read = tmp_path / "memory.npz", []

    def reader(one: str) -> np.ndarray:
        read.append(one)
        return part_photos[int(one)]

    with pytest.raises(Cancelled):
        build_index(path, ["0", "1", "2"], reader, cancelled=lambda: len(read) == 2)
    assert load_index(path).ids == ("0", "1")  # type: ignore[union-attr]
    news: list[tuple[int, int]] = []
    memory = build_index(path, ["2", "0", "3"], reader, lambda *at: news.append(at))
    assert read == ["0", "1", "2", "3"] and news == [(1, 2), (2, 2)] and memory.ids == ("2", "0", "3")
    assert memory.nearest(embed(part_photos[3]))[0][0].id == "3"


def test_the_distance_is_none_to_itself_symmetric_and_grows_with_the_change(part_photos: list[np.ndarray]) -> None:
    photo = part_photos[0]
    spot, gone = photo.copy(), photo.copy()
    spot[40:46, 30:36] = 20
    gone[30:66, 18:56] = 160
    base, little, much = (scale_features(p) for p in (photo, spot, gone))
    assert ssim_distance(base, base) == 0.0
    assert ssim_distance(base, much) == pytest.approx(ssim_distance(much, base))
    assert 0 < ssim_distance(little, base) < ssim_distance(much, base) < 6
    flat = tuple(np.zeros_like(s) for s in base)
    assert ssim_distance(flat, flat) == 0.0  # type: ignore[arg-type]


def test_the_vector_is_the_mean_over_cells(part_photos: list[np.ndarray]) -> None:
    scales = scale_features(part_photos[1])
    assert [s.shape for s in scales] == [(64, 64, 24), (32, 32, 40), (16, 16, 112)]
    vector = embed(scales)
    assert vector.shape == (VECTOR_SIZE,) and vector.dtype == np.float32
    first = scales[0].reshape(8, 8, 8, 8, 24).mean(axis=(1, 3)).ravel()
    assert vector[: first.size] == pytest.approx(first, abs=float(np.abs(first).max()) / 1000)
    with pytest.raises(ValueError, match="multiple of 16"):
        scale_features(part_photos[1], 100)
