"""Whole projects: called otherwise, copied while open, put into the bin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.open_projects import NO_PROJECT
from app.server.callers import Caller
from app.session import Sessions
from core.api import SampleFilter, Workbench
from core.api.projects import bin_project, duplicate_project, project_bytes, rename_project
from core.errors import InputError, StoreError


def test_a_copy_of_an_open_project_is_whole_and_its_own(new_project: Callable[..., Path], tmp_path: Path) -> None:
    source = new_project("caps", samples=2)
    with Workbench.open(source) as bench:
        copy = duplicate_project(source, tmp_path / "caps_2")
        with Workbench.open(copy) as other:
            mine, theirs = (b.review.page(SampleFilter(), 0, 9) for b in (bench, other))
            assert [row.id for row in mine] == [row.id for row in theirs]
            assert all(row.image_path.is_file() and copy in row.image_path.parents for row in theirs)
            other.photos.remove([other.photos.page()[0].id])
            assert bench.photos.count() == other.photos.count() + 1
            rename_project(other.project, "  Caps,  line 2 ")
            assert (other.project.name, bench.project.name) == ("Caps, line 2", "caps")
            with pytest.raises(InputError, match="1 to 80 characters"):
                rename_project(other.project, "  ")
    with pytest.raises(StoreError, match="something is there already"):
        duplicate_project(source, copy)
    assert project_bytes(copy) > 1000 and not list(tmp_path.glob(".*.new"))


def test_a_binned_project_is_closed_everywhere_and_can_be_moved_back(new_project: Callable[..., Path]) -> None:
    sessions, path = Sessions(), new_project("old")
    for sid in ("one", "two"):
        sessions.open(sid, path)
    sessions.close_project(path)
    assert all(sessions.get(f"{sid}.{NO_PROJECT}", Caller()).api is None for sid in ("one", "two"))
    put = bin_project(path)
    assert not path.exists() and put.parent == path.parent / ".bin"
    with pytest.raises(StoreError):
        sessions.open("one", path)
    put.rename(path)
    assert sessions.open("one", path).required_api.photos.count() == 6
    sessions.close()
