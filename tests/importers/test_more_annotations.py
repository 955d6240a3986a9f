"""VIA, Supervisely, and run lengths in a table, as their tools and contests write them."""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.images import read_mask
from core.jobs.import_images import plan_import
from core.masks.annotation_shapes import column_runs_mask
from tests.importers.drawn import MASK, SIZE, bad, coded, good, write

AREA = int(MASK.sum())
POLYGON = {"name": "polygon", "all_points_x": [20, 40, 40, 20], "all_points_y": [10, 10, 30, 30]}
ELLIPSE = {"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 5, "theta": np.pi / 2}
CIRCLE = {"name": "circle", "cx": 40, "cy": 30, "r": 10}
RECT = {"name": "rect", "x": 20, "y": 10, "width": 20, "height": 20}
PHOTOS = {"p.png": bad(1), "e.png": bad(2), "c.png": bad(3), "r.png": bad(4), "g.png": good()}
SHAPES = {"p.png": [POLYGON], "e.png": [ELLIPSE], "c.png": [CIRCLE], "r.png": [RECT], "g.png": []}


def via_image(file: str, shapes: list[dict], told: dict) -> dict:
    regions = [{"shape_attributes": shape, "region_attributes": told} for shape in shapes]
    return {"filename": file, "size": 99, "regions": regions, "file_attributes": {}}


def via_images(told: dict) -> dict:
    return {f"{file}99": via_image(file, shapes, told) for file, shapes in SHAPES.items()}


def via_project() -> str:
    kind = {"type": "radio", "description": "", "options": {"1": "Deep scratch", "2": "dent"}, "default_options": {}}
    attributes = {"region": {"remark": {"type": "text"}, "type": kind}, "file": {}}
    data = via_images({"remark": "by hand", "type": "1"})
    return json.dumps({"_via_settings": {}, "_via_img_metadata": data, "_via_attributes": attributes})


def via_1() -> str:
    """Version 1 numbers the regions of a photo."""
    data = via_images({"label": "deep scratch"})
    return json.dumps({k: v | {"regions": dict(enumerate(v["regions"]))} for k, v in data.items()})


def via_csv(start: str) -> str:
    out = io.StringIO()
    rows = csv.writer(out)
    out.write(
        f"{start}filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    )
    for file, shapes in SHAPES.items():
        for shape in shapes or [{}]:
            rows.writerow(
                [file, 99, "{}", len(shapes), 0, json.dumps(shape), json.dumps({"d": {"deep scratch": True}})]
            )
    return out.getvalue()


@pytest.mark.parametrize(
    "table",
    [
        ("via_project.json", via_project()),
        ("via_region_data.json", via_1()),
        ("via.csv", via_csv("#")),
        ("a.csv", via_csv("")),
    ],
    ids=["project", "version 1", "CSV of version 1", "CSV of version 2"],
)
def test_via_polygons_circles_and_turned_ellipses(imported, areas, table: tuple[str, str]) -> None:
    report = imported(PHOTOS | dict([table]) | {"new.png": good(9), "ok/7.png": good(7)})
    assert report.layout == "via" and set(report.normals) == {"g.png", "ok/7.png"}
    assert report.unmasked == (("deep_scratch", "r.png"),) and [p.path for p in report.odd] == ["new.png"]
    assert {label for label, _ in report.examples} == {"deep_scratch"}
    found = areas()
    assert found["p.png"] == 400 and abs(found["c.png"] - 314) < 8 and abs(found["e.png"] - 314) < 8


def test_a_turned_ellipse_of_via_stands(imported, project) -> None:
    imported({"e.png": bad(), "via.json": json.dumps({"e.png1": via_image("e.png", [ELLIPSE], {})})})
    (row,) = project.examples()
    rows, columns = np.nonzero(read_mask(row.mask_paths[0]))
    assert np.ptp(rows) >= 38 and np.ptp(columns) <= 10 and row.label == "defect"


def bitmap() -> dict:
    """The scratch as Supervisely packs it: cut to its box, as a palette of one bit."""
    rows, columns = np.nonzero(MASK)
    top, left = int(rows.min()), int(columns.min())
    part = MASK[top : rows.max() + 1, left : columns.max() + 1]
    packed = base64.b64encode(zlib.compress(coded(part))).decode()
    return {"classTitle": "Deep scratch", "geometryType": "bitmap", "bitmap": {"data": packed, "origin": [left, top]}}


def annotated(*objects: dict, tags: tuple[str, ...] = ()) -> str:
    size = {"height": SIZE[0], "width": SIZE[1]}
    return json.dumps({"description": "", "tags": [{"name": t} for t in tags], "size": size, "objects": list(objects)})


def supervisely(root: str) -> dict[str, bytes | str]:
    ring = [[20, 10], [40, 10], [40, 30], [20, 30]]
    hole = [[25, 15], [35, 15], [35, 25], [25, 25]]
    holed = {"classTitle": "dent", "geometryType": "polygon", "points": {"exterior": ring, "interior": [hole]}}
    box = {"classTitle": "dent", "geometryType": "rectangle", "points": {"exterior": ring[::2], "interior": []}}
    told = {"a.png": annotated(bitmap()), "b.png": annotated(holed), "c.png": annotated(box), "g.png": annotated()}
    told["t.png"] = annotated(tags=("train", "defect"))
    files: dict[str, bytes | str] = {f"{root}ds/ann/{name}.json": data for name, data in told.items()}
    files |= {f"{root}ds/img/{name}": good(n) if name == "g.png" else bad(n) for n, name in enumerate(told)}
    return files | {f"{root}meta.json": json.dumps({"classes": [{"title": "dent", "shape": "any"}], "tags": []})}


@pytest.mark.parametrize("root", ["", "project/"])
def test_supervisely_bitmaps_and_polygons_with_holes(imported, areas, root: str) -> None:
    report = imported(supervisely(root) | {f"{root}ds/masks_human/a.png": coded(MASK)}, check=not root)
    assert report.layout == "supervisely" and len(report.normals) == 1 and report.normals[0].endswith("ds/img/g.png")
    assert areas() == {"a.png": AREA, "b.png": 300}
    assert {label for label, _ in report.examples} == {"deep_scratch", "dent"}
    assert sorted(label for label, _ in report.unmasked) == ["defect", "dent"]
    assert any("masks_human" in problem.path for problem in report.problems)


def test_a_bitmap_that_is_none_is_one_clear_line(imported) -> None:
    broken = bitmap() | {"bitmap": {"data": "bm8gbWFzaw==", "origin": [1, 2]}}
    report = imported({"ds/img/a.png": bad(), "ds/ann/a.png.json": annotated(broken), "meta.json": "{}"})
    (problem,) = report.problems
    assert problem.path == "ds/img/a.png" and "packed PNG" in problem.reason


def runs_down_the_columns(drawn: np.ndarray) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], drawn.T.reshape(-1).astype(np.int8), [0]))))
    return " ".join(f"{a + 1} {b - a}" for a, b in edges.reshape(-1, 2))


RUNS = runs_down_the_columns(MASK)
SEVERSTAL = {f"train_images/{n}.jpg": bad(n, "JPEG") for n in range(2)} | {
    f"train_images/{n}.jpg": good(n, "JPEG") for n in range(2, 5)
}


def test_severstal_as_it_is_now_leaves_good_steel_out(imported, areas) -> None:
    table = f"ImageId,ClassId,EncodedPixels\n0.jpg,1,{RUNS}\n1.jpg,3,{RUNS}\n1.jpg,4,1 3\n"
    report = imported(
        SEVERSTAL
        | {"train.csv": table, "sample_submission.csv": "ImageId,EncodedPixels,ClassId\n9.jpg,1 1,1\n"}
        | {"test_images/9.jpg": good(9, "JPEG")}
    )
    assert report.layout == "run-length-table" and len(report.normals) == 3
    assert areas() == {"0.jpg": AREA, "1.jpg": AREA + 3}
    assert sorted(label for label, _ in report.examples) == ["class_1", "class_3"]
    assert [problem.path for problem in report.odd] == ["test_images/9.jpg"]


def test_severstal_as_it_was_names_every_photo(imported, areas) -> None:
    rows = [f"{n}.jpg_{k},{RUNS if n < 2 and k == 2 else ''}" for n in range(4) for k in range(1, 5)]
    report = imported(SEVERSTAL | {"train.csv": "ImageId_ClassId,EncodedPixels\n" + "\n".join(rows)})
    assert len(report.normals) == 2 and areas() == {"0.jpg": AREA, "1.jpg": AREA}
    assert [problem.path for problem in report.odd] == ["train_images/4.jpg"]
    assert {label for label, _ in report.examples} == {"class_2"}


def test_other_contests_have_one_class_and_do_not_name_good_photos_by_leaving_them_out(imported, areas) -> None:
    report = imported(
        {"a.png": bad(), "b.png": good(), "c.png": good(3), "t.csv": f"ImageId,EncodedPixels\na.png,{RUNS}\nb.png,\n"}
    )
    assert report.normals == ("b.png",) and areas() == {"a.png": AREA} and [p.path for p in report.odd] == ["c.png"]


def test_run_lengths_that_do_not_fit_are_one_clear_line(imported, tmp_path: Path) -> None:
    report = imported({"a.png": bad(), "t.csv": "ImageId,EncodedPixels\na.png,4790 99\n"})
    assert "do not fit a photo of 80x60" in report.problems[0].reason
    with pytest.raises(InputError, match="line 2: expected run lengths"):
        plan_import(write(tmp_path / "words", {"a.png": bad(), "t.csv": "ImageId,EncodedPixels\na.png,one two\n"}))


def test_runs_go_down_the_columns_from_one() -> None:
    assert column_runs_mask([2, 3], (2, 3)).tolist() == [[False, True, False], [True, True, False]]
