"""Masks kept by name in a project and stamped on other photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.api import Workbench
from core.api.mask_library import SETTING, MaskLibrary
from core.errors import InputError, MaskError, NewerFormat


@pytest.fixture
def library(tmp_path: Path) -> Iterator[MaskLibrary]:
    with Workbench.create(tmp_path / "p", "p") as bench:
        yield bench.mask_library


def drawn(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    mask[rows.start, columns.start] = False
    return mask


def test_a_kept_mask_comes_back_as_it_was_and_at_its_own_size_elsewhere(library: MaskLibrary) -> None:
    mask = drawn((60, 100), slice(10, 20), slice(40, 70))
    assert library.keep("  long   scratch ", mask) == "long scratch"
    assert np.array_equal(library.stamp("long scratch", (60, 100)), mask)
    larger = library.stamp("long scratch", (120, 200))
    assert larger.sum() == mask.sum()
    assert np.array_equal(larger[25:35, 95:125], mask[10:20, 40:70]), "the same share of the photo"
    at_the_edge = library.stamp("long scratch", (12, 31))
    assert at_the_edge.sum() == mask.sum(), "moved as far as it takes"
    with pytest.raises(MaskError, match="30x10 pixels, the photo 20x60"):
        library.stamp("long scratch", (60, 20))


def test_names_are_replaced_deleted_and_checked(library: MaskLibrary) -> None:
    library.keep("b", drawn((9, 9), slice(2, 5), slice(2, 5)))
    library.keep("a", drawn((9, 9), slice(2, 5), slice(2, 5)))
    library.keep("a", drawn((9, 9), slice(0, 9), slice(0, 9)))
    assert library.names() == ["a", "b"] and library.stamp("a", (9, 9)).sum() == 80
    library.delete("a")
    assert library.names() == ["b"]
    for wrong in (
        lambda: library.stamp("a", (9, 9)),
        lambda: library.delete("a"),
        lambda: library.keep(" ", np.ones((2, 2), bool)),
    ):
        with pytest.raises(InputError):
            wrong()
    with pytest.raises(MaskError, match="empty"):
        library.keep("c", np.zeros((3, 3), bool))


def test_a_newer_library_is_refused_and_left_alone(tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "p", "p") as bench:
        bench.mask_library.keep("a", np.ones((2, 2), bool))
        stored = bench.project.get_setting(SETTING)
        bench.project.set_setting(SETTING, newer := {**stored, "format": stored["format"] + 1})
        with pytest.raises(NewerFormat):
            bench.mask_library.keep("b", np.ones((2, 2), bool))
        assert bench.project.get_setting(SETTING) == newer


@pytest.mark.parametrize(
    "damaged",
    [
        None, 3, "x", [], {}, {"packed": "", "height": 2, "width": 2, "y": 0.5, "x": 0.5},
        {"packed": "4", "height": -1, "width": 2, "y": 0.5, "x": 0.5},
        {"packed": "4", "height": 2, "width": 2, "y": float("nan"), "x": 0.5},
        {"packed": "4", "height": 2, "width": 2, "y": 1e300, "x": 0.5},
        {"packed": "4", "height": 2**40, "width": 2**40, "y": 0.5, "x": 0.5},
    ],
)  # fmt: skip
def test_one_damaged_mask_is_told_and_keeps_nobody_from_the_others(tmp_path: Path, damaged: object) -> None:
    with Workbench.create(tmp_path / "p", "p") as bench:
        library = bench.mask_library
        library.keep("whole", np.ones((2, 2), bool))
        stored = bench.project.get_setting(SETTING)
        bench.project.set_setting(SETTING, {**stored, "masks": {**stored["masks"], "odd": damaged}})
        assert library.names() == ["odd", "whole"]
        assert library.stamp("whole", (2, 2)).all()
        with pytest.raises((InputError, MaskError)) as told:
            library.stamp("odd", (9, 9))
        assert "\n" not in str(told.value)
        library.keep("another", np.ones((2, 2), bool))
        library.delete("odd")
        assert library.names() == ["another", "whole"]
