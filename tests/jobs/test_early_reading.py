"""An import at one go decodes each photo once, and gives what an import after a look gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.images.source_depth import deep_png_bytes
from core.importers.corrections import Corrections
from core.jobs.early_reading import EarlyReading
from core.jobs.import_draft import ImportDraft
from core.jobs.import_images import import_images, plan_import, run_plan
from core.jobs.import_reading import THREADS
from core.jobs.kept_looks import KeptLooks
from core.store import Project
from tests.importers.drawn import bad, good, mask, write
from tests.jobs.test_source_depth import deep

PHOTOS = {f"ok/{n}.png": good(n) for n in range(3)} | {"ok/3.bmp": good(3, "BMP")}
SCRATCHED = {"ng/scratch/0.png": bad(), "ng/scratch/0_mask.png": mask()}
KOLEKTOR = {"a.jpg": good(7, "JPEG"), "a_label.bmp": mask(form="BMP", drawn=False)}
DEEP = {f"{n}.png": deep_png_bytes(deep(n)) for n in range(3)}


@pytest.mark.parametrize("files", [PHOTOS | SCRATCHED, KOLEKTOR | {"b.jpg": bad(8, "JPEG"), "b_label.bmp": mask()}])
def test_each_photo_is_decoded_once(project, tmp_path: Path, decoded, files: dict[str, bytes]) -> None:
    report = import_images(project, write(tmp_path / "in", files))
    photos = {name for name in files if "mask" not in name and "label" not in name}
    assert len(report.normals) + len(report.examples) == len(photos)
    assert {name: decoded[name] for name in photos} == dict.fromkeys(photos, 1)


def test_photos_above_8_bits_are_decoded_again_until_their_scale_is_known(project, tmp_path: Path, decoded) -> None:
    import_images(project, write(tmp_path / "in", {f"{n}.png": deep_png_bytes(deep(n)) for n in range(20)}))
    assert decoded.total() <= 20 + THREADS  # but for the first few their scale is expected rightly
    decoded.clear()
    import_images(project, write(tmp_path / "more", {"20.png": deep_png_bytes(deep(20))}))
    with Project.create(tmp_path / "said") as other:
        import_images(other, tmp_path / "in", said=Corrections.parse((), (), ["uint16=0..4095"]))
    assert set(decoded.values()) == {1}


@pytest.mark.parametrize("files", [PHOTOS | SCRATCHED, KOLEKTOR, DEEP | SCRATCHED])
def test_both_ways_give_the_same_project(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = write(tmp_path / "in", files)
    with Project.create(tmp_path / "at once") as one, Project.create(tmp_path / "looked") as two:
        told = import_images(one, source)
        draft = ImportDraft(plan_import(source))
        draft.apply(Corrections())
        said = run_plan(two, draft.plan, draft.scales, EarlyReading(two, {}, KeptLooks.of(two)))
        assert (told.normals, told.examples, told.problems) == (said.normals, said.examples, said.problems)
        for a, b in zip([*one.normals(), *one.examples()], [*two.normals(), *two.examples()], strict=True):
            assert a.id == b.id and a.path.read_bytes() == b.path.read_bytes()


def test_a_file_that_was_swept_before_its_row_came_is_written_again(project, tmp_path: Path) -> None:
    def sweep(done: int, total: int) -> None:
        if done == total:
            project.sweep(older_than_s=-1)

    report = import_images(project, write(tmp_path / "in", PHOTOS | SCRATCHED), looking=sweep)
    assert len(report.normals) == 4 and all(row.path.is_file() for row in project.normals())
    (example,) = project.examples()
    assert example.path.is_file() and all(path.is_file() for path in example.mask_paths)
