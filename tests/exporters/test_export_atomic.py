"""An export is there whole, or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Cancelled, ExportError
from core.exporters import FORMATS, DatasetItem, atomic_folder, export, read_dataset

REAL_FLUSH = atomic_folder._flush


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("after", [0, 5, 15])
def test_cancel_leaves_nothing(name: str, after: int, kit, tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(Cancelled):
        export(
            kit.items(),
            tmp_path / "set",
            name,
            progress=lambda done, total: calls.append(done),
            cancelled=lambda: len(calls) >= after,
        )
    assert len(calls) == after and not list(tmp_path.iterdir())


def test_progress_counts_every_image(kit, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    export(kit.items(), tmp_path / "set", "coco", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 16) for i in range(1, 17)]


def test_a_full_disk_leaves_nothing(kit, tmp_path: Path, monkeypatch) -> None:
    write, left = Path.write_bytes, [7]

    def full(self: Path, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match="the disk is full, nothing was written"):
        export(kit.items(), tmp_path / "set", "voc")
    assert not list(tmp_path.iterdir())


def test_an_export_is_replaced_only_when_asked(kit, tmp_path: Path) -> None:
    out = tmp_path / "set"
    export(kit.items(10, 6), out, "mvtec-ad", {"category": "old"})
    before = kit.tree(out)
    with pytest.raises(ExportError, match="there is an export already; allow overwriting"):
        export(kit.items(10, 3), out, "coco")
    assert kit.tree(out) == before
    export(kit.items(10, 3), out, "coco", overwrite=True)
    assert len(read_dataset(out)) == 13 and not (out / "old").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_a_failed_replacement_keeps_the_old_one(kit, tmp_path: Path) -> None:
    out = tmp_path / "set"
    export(kit.items(), out, "coco")
    before = kit.tree(out)
    with pytest.raises(ExportError):
        export([*kit.items(), DatasetItem("gone", tmp_path / "gone.png")], out, "coco", overwrite=True)
    with pytest.raises(Cancelled):
        export(kit.items(), out, "voc", overwrite=True, cancelled=lambda: True)
    assert kit.tree(out) == before and [p.name for p in tmp_path.iterdir()] == ["set"]


def test_replacing_without_an_exchange_of_folders(kit, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(atomic_folder, "_exchange", lambda a, b: False)
    for name in ("coco", "voc"):
        export(kit.items(), tmp_path / "set", name, overwrite=True)
    assert (tmp_path / "set" / "JPEGImages").is_dir() and not (tmp_path / "set" / "annotations").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_an_export_can_be_rewritten_from_itself(kit, tmp_path: Path) -> None:
    export(kit.items(), tmp_path / "set", "mvtec-ad")
    given = read_dataset(tmp_path / "set")
    wanted = {i.name: kit.pixels(i).tobytes() for i in given}
    export(given, tmp_path / "set", "yolo-seg", overwrite=True)
    assert {i.name: kit.pixels(i).tobytes() for i in read_dataset(tmp_path / "set")} == wanted


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_peoples_folders_and_files_are_safe(overwrite: bool, kit, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name, line in (("mine", "holds other files"), ("file", "there is a file of this name")):
        with pytest.raises(ExportError, match=line):
            export(kit.items(), tmp_path / name, "coco", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ExportError, match="not a whole drive"):
        export(kit.items(), Path("/"), "coco", overwrite=overwrite)


def test_an_empty_folder_and_missing_parents_are_fine(kit, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export(kit.items(), tmp_path / "empty", "coco")
    export(kit.items(), tmp_path / "a" / "b" / "c", "coco")
    assert len(read_dataset(tmp_path / "empty")) == len(read_dataset(tmp_path / "a" / "b" / "c")) == 16


def test_two_exports_into_one_folder_at_once(kit, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        if done == 3:
            with pytest.raises(ExportError, match="another export into this folder is running"):
                export(kit.items(), tmp_path / "set", "voc")

    export(kit.items(), tmp_path / "set", "coco", progress=second)
    assert len(read_dataset(tmp_path / "set", "coco")) == 16


def test_a_parent_that_is_a_file(kit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="cannot write"):
        export(kit.items(), tmp_path / "file" / "set", "coco")


def test_everything_is_on_disk_before_the_name_appears(kit, tmp_path: Path, monkeypatch) -> None:
    flush, seen = REAL_FLUSH, []

    def watched(folder: Path) -> None:
        flush(folder)
        seen.append(((tmp_path / "set").exists(), (folder / atomic_folder.MARKER_FILE).is_file()))

    monkeypatch.setattr(atomic_folder, "_flush", watched)
    export(kit.items(), tmp_path / "set", "coco")
    monkeypatch.setattr(sys, "platform", "elsewhere")
    export(kit.items(), tmp_path / "set", "coco", overwrite=True)
    assert seen == [(False, True), (True, True)]


def test_sources_are_copies(kit, tmp_path: Path) -> None:
    """Writing into an export must never reach the project it came from."""
    from core.images import png_bytes

    source = tmp_path / "photo.png"
    source.write_bytes(png_bytes(kit.noise(1)))
    export([*kit.items(), DatasetItem("photo", source)], tmp_path / "set", "mvtec-ad")
    copied = next(i.image for i in read_dataset(tmp_path / "set") if i.name == "photo")
    assert copied.read_bytes() == source.read_bytes() and copied.stat().st_ino != source.stat().st_ino


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from core.exporters import DatasetItem, export
mask = np.zeros((32, 32), bool)
mask[4:9] = True
image = np.zeros((32, 32, 3), np.uint8)
items = [DatasetItem(str(i), image) for i in range(30)] + [DatasetItem("x", image, "crack", None, (mask,))]
die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 9 else None
export(items, Path(sys.argv[1]), "coco", overwrite=True, progress=die)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("earlier", [False, True])
def test_kill_9_leaves_no_half_export_and_the_next_one_tidies_up(earlier: bool, kit, tmp_path: Path) -> None:
    out = tmp_path / "set"
    if earlier:
        export(kit.items(), out, "voc")
    before = kit.tree(out) if earlier else None
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", KILLED, str(out)], cwd=root, check=False, capture_output=True)
    assert run.returncode == -9, run.stderr
    assert out.exists() == earlier and (not earlier or kit.tree(out) == before)
    assert len(list(tmp_path.glob(".set.*.partial"))) == 1
    export(kit.items(), out, "coco", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["set"] and len(read_dataset(out)) == 16
