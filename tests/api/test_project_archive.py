"""A project as one file: the same on the other side, written and read whole or not at all."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import run
from core.api import SampleFilter, Workbench
from core.api.project_archive import MANIFEST, open_archive, pack_project, packed_name, start_packing, unused_folder
from core.errors import Cancelled, FlawsmithError, InputError, StoreError
from core.types import Image


@pytest.fixture
def packed(project: Path, tmp_path: Path) -> Path:
    return pack_project(project, tmp_path / "out" / "caps.flawsmith").path


@pytest.fixture
def project(tmp_path: Path, photo_folder: Path) -> Path:
    (tmp_path / "out").mkdir()
    path = tmp_path / "caps"
    assert run(["new", str(path), "--normal", str(photo_folder), "--name", "Caps, line 3"]) == 0
    assert run(["generate", str(path), "--engine", "perlin", "--count", "2", "--seed", "1"]) == 0
    return path


def rewritten(file: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other entries."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return target


def test_the_project_is_the_same_on_the_other_side(project: Path, packed: Path, tmp_path: Path) -> None:
    assert packed_name(packed) == "Caps, line 3"
    assert unused_folder(packed, tmp_path) == tmp_path / "Caps_line_3"
    (project / "cache").mkdir(exist_ok=True)
    (project / "cache" / "big").write_bytes(b"0" * 1000)
    opened = open_archive(packed, tmp_path / "there" / "caps")
    with Workbench.open(project) as here, Workbench.open(opened.path) as there:
        mine, theirs = (b.review.page(SampleFilter(), 0, 9) for b in (here, there))
        assert len(mine) == 2 and [row.id for row in mine] == [row.id for row in theirs]
        assert [row.image_path.read_bytes() for row in mine] == [row.image_path.read_bytes() for row in theirs]
        assert there.photos.count() == here.photos.count() and there.project.name == "Caps, line 3"
    assert not (opened.path / "cache" / "big").exists()
    assert opened.path.stat().st_mode == opened.path.parent.stat().st_mode


def test_an_open_project_is_packed_with_what_it_has_now(project: Path, tmp_path: Path) -> None:
    with Workbench.open(project) as bench:
        bench.photos.remove([bench.photos.page()[0].id])
        left = bench.photos.count()
        job = start_packing(bench.project, bench.jobs)
        assert bench.jobs.wait(job).status == "done"
        file = Path(str(bench.jobs.result(job)["path"]))
        assert file.parent.parent == bench.project.cache_dir
    with Workbench.open(open_archive(file, tmp_path / "again").path) as other:
        assert other.photos.count() == left


def test_the_command_line_packs_and_opens(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_PROJECTS", str(tmp_path / "projects"))
    file = tmp_path / "caps.flawsmith"
    assert run(["pack", str(project), str(file)]) == 0
    assert run(["pack", str(project), str(file)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["open", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert Path(told["path"]) == tmp_path / "projects" / "Caps_line_3" and told["files"] > 5
    assert run(["open", str(file)]) == 0 and (tmp_path / "projects" / "Caps_line_3_2").is_dir()


def _cut(entries: dict[str, bytes]) -> None:
    name = next(n for n in entries if n.endswith(".png"))
    entries[name] = entries[name][:-1]


def _flip(entries: dict[str, bytes]) -> None:
    name = next(n for n in entries if n.endswith(".png"))
    entries[name] = entries[name][:-1] + bytes([entries[name][-1] ^ 1])


def _without_one(entries: dict[str, bytes]) -> None:
    del entries[next(n for n in entries if n.endswith(".png"))]


def _with_one_more(entries: dict[str, bytes]) -> None:
    entries["../../evil"] = b"x"


def _without_manifest(entries: dict[str, bytes]) -> None:
    del entries[MANIFEST]


def _manifest(change: Callable[[dict], object]) -> Callable[[dict[str, bytes]], None]:
    def changed(entries: dict[str, bytes]) -> None:
        told = json.loads(entries[MANIFEST])
        change(told)
        entries[MANIFEST] = json.dumps(told).encode()

    return changed


def _outside(entries: dict[str, bytes]) -> None:
    entries["../evil"] = b"x"
    _manifest(lambda told: told["files"].update({"../evil": [1, "0"]}))(entries)


def _other_database(entries: dict[str, bytes]) -> None:
    import hashlib

    data = b"SQLite format 3\0" + bytes(5000)
    entries["project.db"] = data
    digest = hashlib.sha256(data).hexdigest()
    _manifest(lambda told: told["files"].update({"project.db": [len(data), digest]}))(entries)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_cut, "not as it was packed"),
        (_flip, "not as it was packed"),
        (_without_one, "does not hold the files"),
        (_with_one_more, "does not hold the files"),
        (_outside, "damaged"),
        (_without_manifest, "no manifest.json"),
        (_manifest(lambda told: told.update(format=99)), "newer"),
        (_manifest(lambda told: told.update(files=[])), "damaged"),
        (_manifest(lambda told: told["files"].update({"project.db": "x"})), "damaged"),
        (_other_database, "the project in it cannot be opened"),
    ],
)
def test_a_changed_file_is_one_clear_line_and_leaves_nothing(
    packed: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], said: str
) -> None:
    bad, room = tmp_path / "bad.flawsmith", tmp_path / "room"
    room.mkdir()
    rewritten(packed, bad, change)
    with pytest.raises(FlawsmithError, match=said) as told:
        open_archive(bad, room / "p")
    assert "\n" not in str(told.value)
    assert not list(room.iterdir()) and not (tmp_path / "evil").exists()


def test_what_is_no_archive_is_said(packed: Path, project: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.flawsmith"
    half.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    for file, said in ((half, "cut short"), (tmp_path / "none.flawsmith", "there is none")):
        with pytest.raises(InputError, match=said):
            open_archive(file, tmp_path / "p")
    with pytest.raises(StoreError, match="something is there already"):
        open_archive(packed, project)
    with pytest.raises(InputError, match="ends in .flawsmith"):
        pack_project(project, tmp_path / "caps.zip")
    with pytest.raises(StoreError, match="not a Flawsmith project"):
        pack_project(tmp_path, tmp_path / "empty.flawsmith")
    with pytest.raises(StoreError, match="could not be written"):
        pack_project(project, tmp_path / "no such folder" / "caps.flawsmith")


def test_a_stop_leaves_nothing(packed: Path, project: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
        if done == 3:
            raise Cancelled("stopped")

    room = tmp_path / "room"
    room.mkdir()
    with pytest.raises(Cancelled):
        pack_project(project, room / "caps.flawsmith", progress=stop)
    with pytest.raises(Cancelled):
        open_archive(packed, room / "p", stop)
    assert not list(room.iterdir())


def test_a_project_that_cannot_be_written_is_packed(project: Path, tmp_path: Path) -> None:
    frozen = tmp_path / "frozen"
    shutil.copytree(project, frozen)
    frozen.chmod(0o500)
    try:
        file = pack_project(frozen, tmp_path / "frozen.flawsmith").path
    finally:
        frozen.chmod(0o700)
    opened = open_archive(file, tmp_path / "thawed").path
    with sqlite3.connect(opened / "project.db") as db:
        assert db.execute("select count(*) from samples").fetchone() == (2,)
