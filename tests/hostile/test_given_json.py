"""JSON beside models, exports and projects that strangers give: refused in one line, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.api.recent import recent_projects, state_folder
from core.diffusion.model_folders import problems_of
from core.errors import FlawsmithError, InputError
from core.exporters.atomic_folder import MARKER_FILE, is_export
from core.exporters.export import detect_format, read_dataset
from core.given_files import MAX_TEXT, given_json
from core.segmentation.onnx_sam import onnx_folders
from core.segmentation.sam_family import FamilySegmenter, family_folders


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_TEXT + 1)


WRITERS: dict[str, Callable[[Path], object]] = {
    "nested": lambda path: path.write_text("[" * 100_000),
    "pipe": os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir,
    "too large": too_large,
    "a folder": Path.mkdir,
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "a long number": lambda path: path.write_text("9" * 10_000),
    "cut": lambda path: path.write_text('{"model_type": "sam'),
}
"""What lies where a JSON should; none of it is one."""
NO_OBJECTS = {**WRITERS, "a list": lambda path: path.write_text("[1]"), "null": lambda path: path.write_text("null")}


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_no_json_is_one_line(tmp_path: Path, kind: str) -> None:
    WRITERS[kind](tmp_path / "x.json")
    with pytest.raises(InputError) as told:
        given_json(tmp_path / "x.json")
    assert str(told.value).startswith("x.json: ") and "\n" not in str(told.value)
    with pytest.raises(InputError, match="no such file|No such file"):
        given_json(tmp_path / "none.json")


@pytest.mark.parametrize("kind", NO_OBJECTS)
def test_a_models_folder_with_such_a_file_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(os.environ, "FLAWSMITH_MODELS", str(tmp_path))
    for name in ("odd", "sound"):
        (tmp_path / name).mkdir()
    (tmp_path / "sound" / "config.json").write_text('{"model_type": "sam"}')
    NO_OBJECTS[kind](tmp_path / "odd" / "config.json")
    NO_OBJECTS[kind](tmp_path / "odd" / "model_index.json")
    assert [folder.name for folder in family_folders()] == ["sound"]
    assert onnx_folders() == []
    assert "config.json" in str(FamilySegmenter(tmp_path / "odd").available())
    assert any("model_index.json" in line for line in problems_of(tmp_path / "odd"))


@pytest.mark.parametrize("kind", NO_OBJECTS)
def test_a_dataset_with_such_a_marker_is_none_of_ours(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "set" / MARKER_FILE
    marker.parent.mkdir(parents=True)
    NO_OBJECTS[kind](marker)
    assert not is_export(tmp_path / "set")
    detect_format(tmp_path / "set")
    with pytest.raises(FlawsmithError) as told:
        read_dataset(tmp_path / "set")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", NO_OBJECTS)
def test_a_damaged_list_of_recent_projects_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(os.environ, "FLAWSMITH_STATE", str(tmp_path))
    NO_OBJECTS[kind](state_folder() / "recent.json")
    assert recent_projects() == []
