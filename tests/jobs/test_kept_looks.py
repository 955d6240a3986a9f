"""An import that was stopped goes on where it was: what it saw and wrote is kept; what changed since is read anew."""

from __future__ import annotations

import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import Cancelled
from core.importers.corrections import Corrections
from core.jobs.import_draft import ImportDraft
from core.jobs.import_images import import_images, plan_import
from core.jobs.kept_looks import KeptLooks
from core.store import Project
from tests.importers.drawn import bad, good, mask, write

PHOTOS = {f"ok/{n}.png": good(n) for n in range(6)}
PAIRED = {f"images/{n}.jpg": good(n, "JPEG") for n in range(3)} | {
    f"masks/{n}.png": mask(drawn=False) for n in range(3)
}
SCRATCHED = {"ng/scratch/7.png": bad(7), "ng/scratch/7_mask.png": mask()}


def packed(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def stop_before_adding(project: Project, source: Path) -> None:
    """All photos are looked at, and none is added."""
    looked = []

    def looking(done: int, total: int) -> None:
        if done == total:
            looked.append(done)

    with pytest.raises(Cancelled):
        import_images(project, source, looking=looking, cancelled=lambda: bool(looked))


@pytest.mark.parametrize("files", [PHOTOS | SCRATCHED, PAIRED])
def test_a_stopped_import_goes_on_without_looking_again(
    project, tmp_path: Path, decoded: Counter[str], files: dict[str, bytes]
) -> None:
    source = write(tmp_path / "in", files)
    stop_before_adding(project, source)
    decoded.clear()
    report = import_images(project, source)
    assert not decoded
    with Project.create(tmp_path / "at once") as other:
        told = import_images(other, source)
        assert (report.normals, report.examples, report.notes) == (told.normals, told.examples, told.notes)
        assert [row.id for row in project.normals()] == [row.id for row in other.normals()]


def test_what_changed_since_is_looked_at_again(project, tmp_path: Path, decoded: Counter[str]) -> None:
    source = write(tmp_path / "in", PAIRED)
    stop_before_adding(project, source)
    decoded.clear()
    (source / "images" / "1.jpg").write_bytes(good(9, "JPEG"))
    (source / "masks" / "2.png").write_bytes(mask())
    report = import_images(project, source)
    assert set(decoded) == {"images/1.jpg", "images/2.jpg"}
    assert len(report.normals) == 2 and [name for _, name in report.examples] == ["images/2.jpg"]


def test_a_zip_is_known_by_its_content_wherever_it_lies(project, tmp_path: Path, decoded: Counter[str]) -> None:
    stop_before_adding(project, packed(tmp_path / "a.zip", PHOTOS))
    decoded.clear()
    report = import_images(project, packed(tmp_path / "again" / "b.zip", PHOTOS))
    assert not decoded and len(report.normals) == 6


def test_a_look_before_an_import_is_kept_too(project, tmp_path: Path, decoded: Counter[str]) -> None:
    plan = plan_import(write(tmp_path / "in", PHOTOS))
    for _ in range(2):
        with closing(KeptLooks.of(project)) as looks:
            ImportDraft(plan).apply(Corrections(), looks=looks)
    assert decoded == dict.fromkeys(PHOTOS, 1)


def test_an_import_that_is_whole_leaves_nothing_behind(project, tmp_path: Path) -> None:
    import_images(project, write(tmp_path / "in", PHOTOS))
    assert not list(project.cache_dir.glob("import-looks*"))


@pytest.mark.parametrize("found", [b"no database at all" * 99, b""])
def test_a_damaged_file_of_looks_is_done_without(project, tmp_path: Path, found: bytes) -> None:
    (project.cache_dir / "import-looks.db").write_bytes(found)
    report = import_images(project, write(tmp_path / "in", PHOTOS))
    assert len(report.normals) == 6
