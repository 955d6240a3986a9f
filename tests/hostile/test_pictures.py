"""Broken and harmful pictures: each is read, or refused in one line; none hangs, and none takes the process along."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from core.bench.hostile.pictures import BY_HAND, circle_tiff, flat_png, pictures, sound
from core.errors import ImageError, InputError
from core.images import isolated, read_photo
from core.images.isolated.messages import Budget
from core.images.isolated.process_pool import Pool, pool

FIELDS = {"max_pixels": 200_000_000, "scales": {}, "pixels": True, "keep_depth": False}


@pytest.mark.parametrize("seed", [1, pytest.param(int(time.time()), id="random")])
def test_every_picture_is_read_or_refused_in_one_line(seed: int) -> None:
    for name, data in pictures(np.random.default_rng(seed), len(BY_HAND) + 80):
        try:
            assert isolated.read_photo_file(data, name).width >= 16
        except InputError as error:
            line = str(error)
            assert line.startswith(f"{name}: ") and "\n" not in line and len(line) < 300, (seed, line)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("between", [0, 1, 30])
@pytest.mark.parametrize("bits", [8, 16])
def test_pages_that_go_in_a_circle_are_refused_at_once(order: str, big: bool, between: int, bits: int) -> None:
    with pytest.raises(ImageError, match="circle"):
        read_photo(circle_tiff(bits, order, big, between), "x.tif")


def test_what_is_read_apart_is_what_is_read_in_place() -> None:
    for name, data in sound(np.random.default_rng(3)).items():
        there, here = isolated.read_photo(data, name), read_photo(data, name)
        assert np.array_equal(there.pixels, here.pixels)
        assert (there.data, there.ext, there.notes, there.grey) == (here.data, here.ext, here.notes, here.grey)


def test_masks_and_numbers_come_back_as_they_are() -> None:
    drawn = np.zeros((40, 52), np.uint8)
    cv2.circle(drawn, (20, 20), 9, 255, -1)
    data = cv2.imencode(".png", drawn)[1].tobytes()
    assert np.array_equal(isolated.read_mask(data), drawn > 0)
    assert isolated.mask_top_value(data, "x") == 255
    codes, colours = isolated.class_codes(data, "x")
    assert (np.array_equal(codes, drawn), colours) == (True, False)
    assert isolated.class_areas(data, "x").pixels == {0: int((drawn == 0).sum()), 255: int((drawn > 0).sum())}
    look = isolated.look_at(sound(np.random.default_rng(0))["deep.png"], "x")
    assert (look.print.shape, look.depth is not None and look.depth[0]) == ((768,), "uint16")


def test_a_file_that_takes_too_long_is_refused_and_the_next_is_read() -> None:
    hasty = Pool(1, Budget(seconds=0.05, per_megapixel=0.0))
    with pytest.raises(ImageError, match="x.png: it takes too long"):
        hasty.call("photo", flat_png(9000, 9000), "x.png", FIELDS)
    hasty.close()
    assert isolated.read_photo(flat_png(32, 32)).pixels.shape == (32, 32, 3)


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_is_read() -> None:
    small = Pool(1, Budget(memory=100 << 20))
    with pytest.raises(ImageError, match="more than the 0.0977 GB"):
        small.call("photo", flat_png(9000, 9000), "x.png", FIELDS)
    assert small.call("photo", flat_png(32, 32), "y.png", FIELDS).fields["size"] == [32, 32]
    small.close()


def test_a_decoder_that_breaks_ends_one_read_alone() -> None:
    own = Pool(1)
    before = {child.pid for child in psutil.Process().children()}

    def break_it() -> None:
        while not (fresh := [c for c in psutil.Process().children() if c.pid not in before]):
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(fresh[0].pid, signal.SIGSEGV)

    threading.Thread(target=break_it).start()
    with pytest.raises(ImageError, match="broke the decoder"):
        own.call("photo", flat_png(9000, 9000), "x.png", FIELDS)
    assert own.call("photo", flat_png(32, 32), "y.png", FIELDS).fields["size"] == [32, 32]
    own.close()


def test_a_large_photo_is_refused_by_its_header() -> None:
    with pytest.raises(ImageError, match=r"1,193 MB of pixels are above the limit of 800 MB"):
        read_photo(flat_png(14_100, 14_100, 16), "x.png")


def test_reads_do_not_wait_for_each_other() -> None:
    slow = threading.Thread(target=lambda: isolated.read_photo_file(flat_png(9000, 9000), "slow.png"))
    slow.start()
    small = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    read_photo(small)
    assert slow.is_alive()
    slow.join()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for name, data in pictures(np.random.default_rng(5), 60):
        try:
            isolated.read_photo_file(data, name)
        except InputError:
            pass
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="expected a file, got a (device|pipe|folder)"):
        isolated.read_mask(tmp_path / path)


def test_a_process_that_has_nothing_to_do_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.images.isolated.process_pool.IDLE_S", 0.05)
    own, before = Pool(1), {child.pid for child in psutil.Process().children()}
    own.call("photo", flat_png(32, 32), "y.png", FIELDS)
    assert {child.pid for child in psutil.Process().children()} - before
    deadline = time.monotonic() + 20
    while {child.pid for child in psutil.Process().children()} - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_pool_is_shared() -> None:
    isolated.read_photo(io.BytesIO(flat_png(32, 32)).getvalue())
    assert pool._idle
