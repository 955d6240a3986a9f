"""Writing: PNGs that come back exactly, text in them, thumbnails, and writes that are whole or not at all."""

import io
import os

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ImageError, InputError, StoreError
from core.images import (
    TEMP_PREFIX,
    atomic_write,
    clean_temporary,
    is_grey,
    mask_png_bytes,
    png_bytes,
    read_image,
    read_mask,
    read_png_text,
    thumbnail_bytes,
)

sizes = st.tuples(st.integers(16, 50), st.integers(16, 50))


@settings(deadline=None, max_examples=25)
@given(sizes, st.integers(0, 2**32), st.booleans())
def test_png_round_trip_is_exact(shape: tuple[int, int], seed: int, grey: bool) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    if grey:
        image[:] = image[..., :1]
    data = png_bytes(image, {"recipe": "{}"}, grey=grey)
    assert np.array_equal(read_image(data), image)
    assert PIL.Image.open(io.BytesIO(data)).mode == ("L" if grey else "RGB")
    assert is_grey(image) == grey


@settings(deadline=None, max_examples=25)
@given(sizes, st.integers(0, 2**32), st.floats(0, 1))
def test_mask_round_trip_is_exact(shape: tuple[int, int], seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    data = mask_png_bytes(mask)
    assert np.array_equal(read_mask(data, shape), mask)
    assert set(np.unique(np.asarray(PIL.Image.open(io.BytesIO(data))))) <= {0, 255}


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3000),
        max_size=4,
    )
)
def test_text_round_trip_is_exact_and_other_readers_agree(texts: dict[str, str]) -> None:
    data = png_bytes(np.full((16, 16, 3), 7, np.uint8), texts)
    assert read_png_text(data) == texts
    assert dict(PIL.Image.open(io.BytesIO(data)).text) == texts


def test_text_of_other_writers_is_read() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("plain", "é")
    info.add_text("packed", "x" * 500, zip=True)
    info.add_itxt("wide", "Ω" * 400, zip=True)
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(buffer, "PNG", pnginfo=info)
    assert read_png_text(buffer.getvalue()) == {"plain": "é", "packed": "x" * 500, "wide": "Ω" * 400}


def test_text_of_a_jpeg_is_refused(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(thumbnail_bytes(np.zeros((32, 32, 3), np.uint8)))
    with pytest.raises(ImageError, match="expected a PNG"):
        read_png_text(path)


@pytest.mark.parametrize("key", ["", "x" * 80, "Ω", "a\0b"])
def test_text_keys_are_checked(key: str) -> None:
    with pytest.raises(InputError, match="1 to 79 Latin-1"):
        png_bytes(np.zeros((16, 16, 3), np.uint8), {key: "v"})


def test_colour_is_not_written_as_grey() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[7, 7, 1] = 1
    with pytest.raises(ImageError, match="equal channels"):
        png_bytes(image, grey=True)


@pytest.mark.parametrize(("shape", "small"), [((400, 200), (100, 50)), ((60, 80), (60, 80)), ((17, 3000), (1, 100))])
def test_thumbnails_keep_the_proportions_and_never_grow(shape: tuple[int, int], small: tuple[int, int]) -> None:
    data = thumbnail_bytes(np.full((*shape, 3), 90, np.uint8), side=100)
    assert PIL.Image.open(io.BytesIO(data)).size == small[::-1]


def test_a_hair_thin_mask_shows_in_the_thumbnail() -> None:
    image, mask = np.full((1600, 1600, 3), 90, np.uint8), np.zeros((1600, 1600), np.bool_)
    mask[801, 200:1400] = True
    plain, marked = (
        np.asarray(PIL.Image.open(io.BytesIO(data))).astype(int)
        for data in (thumbnail_bytes(image, 200), thumbnail_bytes(image, 200, mask))
    )
    assert (np.abs(marked - plain).max(axis=2) > 60).any(axis=0).sum() >= 140


def test_atomic_write_replaces_and_leaves_nothing_behind(tmp_path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"old", b"new and longer"):
        atomic_write(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_write_that_fails_half_way_keeps_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.bin"
    atomic_write(path, b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="a.bin: cannot be written .No space left"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]


def test_a_missing_folder_is_one_clear_line(tmp_path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        atomic_write(tmp_path / "no" / "a.bin", b"x")


def test_left_overs_of_a_killed_write_are_removed_and_nothing_else(tmp_path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / f"{TEMP_PREFIX}123-abc").write_bytes(b"half")
    (folder / "whole.png").write_bytes(b"whole")
    assert clean_temporary(tmp_path) == 1
    assert os.listdir(folder) == ["whole.png"]
