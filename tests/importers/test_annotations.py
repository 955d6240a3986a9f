"""Annotation formats: what tools for drawing masks write."""

from __future__ import annotations

import base64
import io
import json

import cv2
import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as rle

from core.errors import InputError
from core.images import isolated
from core.images.class_map import ClassAreas
from core.images.isolated import class_areas
from core.jobs.import_images import plan_import
from tests.importers.drawn import MASK, SIZE, bad, coded, good, mask, write

AREA = int(MASK.sum())
BOX = [[20.0, 10.0], [40.0, 10.0], [40.0, 30.0], [20.0, 30.0]]
HEIGHT, WIDTH = SIZE


def column_runs(drawn: np.ndarray) -> list[int]:
    flat = drawn.T.reshape(-1).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()


def coco() -> dict:
    packed = rle.encode(np.asfortranarray(MASK.astype(np.uint8)))
    parts = [
        [[v for p in BOX for v in p]],
        {"size": list(SIZE), "counts": column_runs(MASK)},
        {"size": list(SIZE), "counts": packed["counts"].decode()},
    ]
    images = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(4)]
    annotations = [
        {"id": n, "image_id": n, "category_id": 3, "segmentation": part, "area": 9} for n, part in enumerate(parts)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "Deep Scratch"}]}


def test_coco_polygons_and_run_lengths_of_both_kinds(imported, areas) -> None:
    files = {f"images/{n}.png": bad(n) for n in range(3)} | {"images/3.png": good()}
    report = imported(files | {"annotations/instances_default.json": json.dumps(coco())})
    assert report.layout == "coco" and report.normals == ("images/3.png",) and report.problems == ()
    assert areas() == {"0.png": 400, "1.png": AREA, "2.png": AREA}
    assert {label for label, _ in report.examples} == {"deep_scratch"}


def test_a_mask_that_does_not_fit_its_photo_is_one_clear_line(imported) -> None:
    data = coco()
    data["annotations"][1]["segmentation"]["counts"] = [5, 5]
    files = {f"images/{n}.png": bad(n) for n in range(4)}
    report = imported(files | {"annotations/instances_default.json": json.dumps(data)})
    (problem,) = report.problems
    assert problem.path == "images/1.png" and "run lengths sum to 10" in problem.reason


def test_yolo_polygons_boxes_and_photos_without_a_line(imported, areas) -> None:
    line = "1 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in BOX)
    report = imported(
        {"images/train/a.png": bad(1), "images/train/b.png": bad(2), "images/val/c.png": good(3)}
        | {"labels/train/a.txt": line, "labels/train/b.txt": "0 0.5 0.5 0.1 0.1", "labels/val/c.txt": ""}
        | {"data.yaml": "names: {0: dent, 1: scratch}\n"}
    )
    assert report.layout == "yolo-seg" and areas() == {"a.png": 400} and report.normals == ("images/val/c.png",)
    assert report.as_dict()["unmasked"] == {"dent": 1} and any("boxes" in note for note in report.notes)


def test_cvat_segmentation_mask(imported, areas) -> None:
    """Colours of the labelmap, not palettes, and a background that is not black."""
    red = np.zeros((*SIZE, 3), np.uint8)
    red[MASK] = (250, 50, 83)
    report = imported(
        {"JPEGImages/a.png": bad(1), "JPEGImages/b.png": good(2), "SegmentationClass/a.png": coded(red)}
        | {"SegmentationObject/a.png": coded(red), "SegmentationClass/b.png": coded(red * 0)}
        | {"labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:250,50,83::\n"}
        | {"ImageSets/Segmentation/default.txt": "a\nb\n"}
    )
    assert report.layout == "voc" and report.normals == ("JPEGImages/b.png",)
    assert report.as_dict()["examples"] == {"scratch": 1} and areas() == {"a.png": AREA}


def test_voc_palettes_with_objects_and_void(imported, project) -> None:
    classes = MASK.astype(np.uint8) * np.uint8(2)
    objects = MASK.astype(np.uint8)
    objects[:25][MASK[:25]] = 2
    rim = cv2.dilate(MASK.astype(np.uint8), np.ones((3, 3))) > 0
    classes[rim & ~MASK] = objects[rim & ~MASK] = 255

    def palette(values: np.ndarray) -> bytes:
        picture = PIL.Image.fromarray(values)
        picture.putpalette([v for k in range(256) for v in (k * 7 % 256, k, 255 - k)])
        out = io.BytesIO()
        picture.save(out, "PNG")
        return out.getvalue()

    imported(
        {"JPEGImages/a.jpg": bad(1, "JPEG"), "SegmentationClass/a.png": palette(classes)}
        | {"SegmentationObject/a.png": palette(objects), "labelmap.txt": "background:::\ndent:::\nscratch:::\n"}
    )
    (example,) = project.examples()
    assert example.label == "scratch" and len(example.mask_paths) == 2


def test_the_label_is_that_of_the_largest_area(imported) -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    large_first, large_last = ((np.where(columns < edge, 1, 2) * (rows == 20)).astype(np.uint8) for edge in (50, 30))
    report = imported(
        {f"JPEGImages/{n}.png": bad(n) for n in range(2)}
        | {"SegmentationClass/0.png": coded(large_first), "SegmentationClass/1.png": coded(large_last)}
        | {"labelmap.txt": "background:::\ndent:::\nscratch:::\n"}
    )
    assert report.as_dict()["examples"] == {"dent": 1, "scratch": 1}


def test_masks_that_are_alike_are_decoded_once(tmp_path, monkeypatch) -> None:
    """Black masks of good photos are alike; so many may be decoded as are read at the same time."""
    decoded = []

    def counted(data: bytes, name: str) -> ClassAreas:
        decoded.append(name)
        return class_areas(data, name)

    monkeypatch.setattr(isolated, "class_areas", counted)
    black = coded(np.zeros(SIZE, np.uint8))
    files = {f"JPEGImages/{n}.png": good(n) for n in range(40)} | {"JPEGImages/bad.png": bad(1)}
    files |= {f"SegmentationClass/{n}.png": black for n in range(40)} | {"SegmentationClass/bad.png": mask(1)}
    plan = plan_import(write(tmp_path, files | {"labelmap.txt": "background:::\nscratch:::\n"}))
    assert (len(plan.normals), [a.label for a in plan.anomalies]) == (40, ["scratch"])
    assert len(decoded) <= 5 and decoded.count("SegmentationClass/bad.png") == 1


def labelme(shapes: list[dict], name: str) -> str:
    return json.dumps({"version": "5.4", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None})


def test_labelme_shapes(imported, areas) -> None:
    pasted = base64.b64encode(coded((MASK[10:50, 15:40] * 255).astype(np.uint8))).decode()
    shapes = {
        "polygon": {"label": "scratch", "points": BOX, "shape_type": "polygon"},
        "rectangle": {"label": "scratch", "points": [BOX[0], BOX[2]], "shape_type": "rectangle"},
        "circle": {"label": "scratch", "points": [[30, 20], [40, 20]], "shape_type": "circle"},
        "mask": {"label": "scratch", "points": [[15, 10], [39, 49]], "shape_type": "mask", "mask": pasted},
        "line": {"label": "scratch", "points": [[15, 10], [39, 49]], "shape_type": "line"},
    }
    files: dict[str, bytes | str] = {f"s/{k}.jpg": bad(n, "JPEG") for n, k in enumerate(shapes)}
    files |= {f"s/{k}.json": labelme([shape], f"..\\x\\{k}.jpg") for k, shape in shapes.items()}
    report = imported(files | {"s/empty.jpg": good(3, "JPEG"), "s/empty.json": labelme([], "empty.jpg")})
    assert report.layout == "labelme" and report.normals == ("s/empty.jpg",)
    found = areas()
    assert (found["polygon.jpg"], found["rectangle.jpg"], found["mask.jpg"]) == (400, 400, AREA)
    assert found["circle.jpg"] == pytest.approx(np.pi * 100, rel=0.05)
    assert report.as_dict()["unmasked"] == {"scratch": 1}


def brush(drawn: np.ndarray) -> list[int]:
    """Label Studio's packing, written plainly: one run of 8-bit words after another."""
    flat = np.repeat(drawn.reshape(-1).astype(np.uint8) * 255, 4)
    bits = f"{flat.size:032b}" + f"{7:05b}" + "".join(f"{w - 1:04b}" for w in (3, 4, 8, 16))
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    for start, stop in zip(edges, edges[1:], strict=False):
        bits += "1" + "11" + f"{stop - start - 1:016b}" + f"{flat[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_label_studio_brushes_and_polygons(imported, areas) -> None:
    percent = [[x * 100 / WIDTH, y * 100 / HEIGHT] for x, y in BOX]

    def task(file: str, results: list[dict]) -> dict:
        return {"data": {"image": f"/data/upload/1/ab12cd34-{file}"}, "annotations": [{"result": results}]}

    tasks = [
        task("a.png", [{"type": "brushlabels", "value": {"rle": brush(MASK), "brushlabels": ["Scratch"]}}]),
        task("b.png", [{"type": "polygonlabels", "value": {"points": percent, "polygonlabels": ["dent"]}}]),
        task("c.png", [{"type": "rectanglelabels", "value": {"x": 1, "y": 1, "rectanglelabels": ["dent"]}}]),
        task("d.png", []),
    ]
    files = {f"images/{k}.png": bad(n) for n, k in enumerate("abc")} | {"images/d.png": good()}
    report = imported(files | {"project-1.json": json.dumps(tasks)})
    assert report.layout == "label-studio" and report.normals == ("images/d.png",)
    assert areas() == {"a.png": AREA, "b.png": 400} and report.as_dict()["unmasked"] == {"dent": 1}


def test_cvat_xml(imported, areas) -> None:
    ys, xs = np.nonzero(MASK)
    top, left, h, w = ys.min(), xs.min(), np.ptp(ys) + 1, np.ptp(xs) + 1
    flat = MASK[top : top + h, left : left + w].reshape(-1).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    runs = ", ".join(map(str, np.diff([0, *edges, flat.size]).tolist()))
    points = ";".join(f"{x},{y}" for x, y in BOX)
    text = f"""<?xml version="1.0"?><annotations><version>1.1</version><meta/>
    <image id="0" name="a.png">
      <mask label="scratch" rle="{runs}" left="{left}" top="{top}" width="{w}" height="{h}"/></image>
    <image id="1" name="sub/b.png"><polygon label="scratch" points="{points}"/></image>
    <image id="2" name="c.png"><box label="dent" xtl="1" ytl="1" xbr="5" ybr="5"/></image>
    <image id="3" name="d.png"/></annotations>"""
    files = {"images/a.png": bad(0), "images/sub/b.png": bad(1), "images/c.png": bad(2), "images/d.png": good()}
    report = imported(files | {"annotations.xml": text})
    assert report.layout == "cvat-xml" and report.normals == ("images/d.png",)
    assert areas() == {"a.png": AREA, "b.png": 400} and report.as_dict()["unmasked"] == {"dent": 1}


def test_datumaro(imported, areas) -> None:
    packed = rle.encode(np.asfortranarray(MASK.astype(np.uint8)))["counts"].decode()
    shapes = [
        {"type": "mask", "label_id": 0, "rle": {"size": list(SIZE), "counts": packed}},
        {"type": "polygon", "label_id": 0, "points": [v for p in BOX for v in p]},
    ]
    items = [{"id": str(n), "annotations": [s], "image": {"path": f"{n}.png"}} for n, s in enumerate(shapes)]
    items.append({"id": "2", "annotations": [], "image": {"path": "2.png"}})
    data = {"info": {}, "categories": {"label": {"labels": [{"name": "scratch", "parent": ""}]}}, "items": items}
    files = {f"images/default/{n}.png": bad(n) for n in range(2)} | {"images/default/2.png": good()}
    report = imported(files | {"annotations/default.json": json.dumps(data)})
    assert report.layout == "datumaro" and len(report.normals) == 1 and areas() == {"0.png": AREA, "1.png": 400}


def test_hugging_face_imagefolder(imported, areas) -> None:
    rows = [
        {"file_name": "images/a.png", "mask_file_name": "masks/a.png", "label": "scratch"},
        {"file_name": "images/b.png", "mask_file_name": "masks/b.png", "label": "good"},
    ]
    report = imported(
        {"train/images/a.png": bad(), "train/masks/a.png": mask(), "train/images/b.png": good()}
        | {"train/masks/b.png": mask(drawn=False), "train/metadata.jsonl": "\n".join(map(json.dumps, rows))}
    )
    assert report.layout == "imagefolder" and len(report.normals) == 1 and areas() == {"a.png": AREA}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "annotations/instances_default.json",
            '{"images": [{"file_name": 3}], "annotations": [{"supercategory": 1}]}',
        ),
        ("a.json", '{"version": "5", "shapes": [{"label": "x"}], "imagePath": "a.png"}'),
        ("annotations.xml", "<annotations><meta/><image name='a.png'>"),
        ("project.json", '[{"annotations": 3, "data": {}}]'),
        ("metadata.jsonl", '{"file_name": "a.png"\n'),
    ],
)
def test_a_damaged_annotation_is_one_clear_line(imported, name: str, text: str) -> None:
    with pytest.raises(InputError, match=name.rpartition("/")[2]) as caught:
        imported({"images/a.png": good(), name: text})
    assert "\n" not in str(caught.value)
