"""Trees of the kinds that people have, each with its right answer: how many are good, what is a defect, what is asked.

The answers were written down before the trees were tried. A photo of a defect is never among the good.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.jobs.import_images import preview_import
from tests.importers.drawn import MASK, bad, coded, good, mask, photo, write
from tests.importers.test_annotations import BOX

Files = dict[str, bytes | str]
Labels = dict[str, tuple[int, int]]
"""Photos with and without masks by label."""


def goods(folder: str, count: int = 3, name: str = "{}.png") -> Files:
    return {f"{folder}/{name.format(n)}".lstrip("/"): good(n) for n in range(count)}


def bads(folder: str, count: int = 2, name: str = "{}.png") -> Files:
    return {f"{folder}/{name.format(n)}".lstrip("/"): bad(50 + n) for n in range(count)}


def masks(folder: str, count: int = 2, name: str = "{}.png") -> Files:
    return {f"{folder}/{name.format(n)}".lstrip("/"): mask() for n in range(count)}


BLACK = mask(drawn=False)
LINE = "0 " + " ".join(f"{x / MASK.shape[1]} {y / MASK.shape[0]}" for x, y in BOX)

TWO_FOLDERS = {
    "Swedish": ("godkända", "underkända", "underkanda"),
    "Danish": ("fejlfri", "fejl", "fejl"),
    "Finnish": ("hyvät", "vialliset", "vialliset"),
    "Dutch": ("goedgekeurd", "afgekeurd", "afgekeurd"),
    "Polish": ("dobre", "uszkodzone", "uszkodzone"),
    "Russian": ("Годные", "Не годные", None),
    "Vietnamese": ("tốt", "lỗi", "loi"),
    "Thai": ("ดี", "เสีย", None),
    "Arabic": ("سليم", "معيب", None),
    "Indonesian": ("baik", "cacat", "cacat"),
    "Greek": ("καλά", "ελαττωματικά", None),
    "Romanian": ("bune", "defecte", "defecte"),
    "Portuguese": ("aprovado", "reprovado", "reprovado"),
    "Spanish": ("aprobadas", "reprobadas", "reprobadas"),
    "Italian": ("conformi", "non conformi", "non_conformi"),
    "French": ("pièces conformes", "pièces non conformes", "pieces_non_conformes"),
    "accepted": ("accepted", "rejected", "rejected"),
    "crack": ("no_crack", "crack", "crack"),
    "cracked": ("Uncracked", "Cracked", "cracked"),
    "yes": ("defect_no", "defect_yes", "defect_yes"),
    "rust": ("rust-free", "rust", "rust"),
    "hyphen": ("defect-free", "defective", "defective"),
}


@pytest.mark.parametrize("case", TWO_FOLDERS)
def test_two_folders_of_good_and_bad_parts(tmp_path: Path, case: str) -> None:
    ok, ng, label = TWO_FOLDERS[case]
    report = preview_import(write(tmp_path, goods(ok) | bads(ng)))
    assert len(report.normals) == 3 and len(report.unmasked) == 2 and report.odd == ()
    assert label is None or {label for label, _ in report.unmasked} == {label}


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def labelme_dataset(folder: str, names: str = "_background_\nscratch\n") -> Files:
    """What labelme_json_to_dataset leaves of a photo."""
    drawn = coded(MASK.astype(np.uint8))
    return {
        f"{folder}/img.png": bad(),
        f"{folder}/label.png": drawn,
        f"{folder}/label_viz.png": bad(3),
        f"{folder}/label_names.txt": names,
    }


def labelme_json(file: str, label: str = "scratch") -> str:
    shape = {"label": label, "points": BOX, "shape_type": "polygon"}
    return json.dumps({"version": "5.1", "shapes": [shape], "imagePath": file, "imageData": None})


def roboflow(split: str, start: int) -> Files:
    images = [{"id": n, "file_name": f"{start + n}_jpg.rf.0a1b.jpg", "height": 60, "width": 80} for n in range(2)]
    shape = [v for point in BOX for v in point]
    table = {
        "images": images,
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "segmentation": [shape], "area": 400}],
        "categories": [{"id": 0, "name": "defects"}, {"id": 1, "name": "Scratch"}],
    }
    made: Files = {f"{split}/_annotations.coco.json": json.dumps(table)}
    return made | {f"{split}/{images[n]['file_name']}": (bad, good)[n](start + n, form="JPEG") for n in range(2)}


def voc_xml(file: str, *labels: str) -> str:
    boxes = "".join(f"<object><name>{label}</name><bndbox><xmin>1</xmin></bndbox></object>" for label in labels)
    return f"<annotation><filename>{file}</filename>{boxes}</annotation>"


def board(seed: int, broken: bool = False) -> bytes:
    pixels = np.zeros((96, 128), np.uint8)
    pixels[4 + seed :: 12] = pixels[:, 5 + seed :: 16] = 255
    pixels[5 + seed :: 12] = 255
    if broken:
        pixels[40:52, 40:60] = 0
    return coded(pixels)


def workbook(text: str) -> bytes:
    return zipped({"xl/sharedStrings.xml": f"<sst><si><t>{text}</t></si></sst>", "[Content_Types].xml": "<x/>"})


TREES: dict[str, tuple[Files, int, Labels, int]] = {
    "a folder per day": (
        goods("good") | bads("images/2025-03-01") | masks("masks/2025-03-01"),
        3, {"defect": (2, 0)}, 0,
    ),
    "a folder per lot": (
        goods("lot 12/OK") | bads("lot 12/NG") | goods("lot 13/OK") | bads("lot 13/NG"),
        6, {"ng": (0, 4)}, 0,
    ),
    "a camera below good and bad": (
        goods("good/cam1") | bads("bad/cam1") | bads("bad/cam2"), 3, {"bad": (0, 4)}, 0,
    ),
    "a month above the defect": (
        goods("OK/2024-01") | bads("NG/2024-01/scratch") | bads("NG/2024-02/dent"),
        3, {"scratch": (0, 2), "dent": (0, 2)}, 0,
    ),
    "only folders of defects": (
        bads("scratch") | bads("crack") | goods("parts"), 3, {"scratch": (0, 2), "crack": (0, 2)}, 0,
    ),
    "defects in German": (goods("Gutteile") | bads("Kratzer") | bads("Riss"), 3,
                          {"kratzer": (0, 2), "riss": (0, 2)}, 0),
    "files by defect": (
        goods("", 3, "good_{}.png") | bads("", 2, "scratch_{}.png"), 3, {"scratch": (0, 2)}, 0,
    ),
    "numbers for classes": (goods("0") | bads("1"), 0, {}, 5),
    "class numbers": (goods("train/class_0") | bads("train/class_1"), 0, {}, 5),
    "a folder per photo": (
        goods("good") | {"7/image.png": bad(), "7/mask.png": mask(), "8/image.png": bad(2), "8/mask.png": mask()},
        3, {"defect": (2, 0)}, 0,
    ),
    "a folder per photo with several masks": (
        {f"{id}/images/{id}.png": bad(n) for n, id in enumerate(("00ae65", "0a7d30"))}
        | {f"{id}/masks/{n}f0.png": mask() for id in ("00ae65", "0a7d30") for n in range(2)},
        0, {"defect": (2, 0)}, 0,
    ),
    "labelme to dataset": (goods("good") | labelme_dataset("a_json") | labelme_dataset("b_json"),
                           3, {"scratch": (2, 0)}, 0),
    "labelme beside its dataset": (
        labelme_dataset("set/a_json") | {"set/a.jpg": bad(form="JPEG"), "set/a.json": labelme_json("a.jpg")},
        0, {"scratch": (1, 0)}, 0,
    ),
    "labelme of another machine": (
        {"a.png": bad(), "a.json": labelme_json("C:\\bilder\\a.png", "Riß"), "b.png": good()}, 0, {"riss": (1, 0)}, 1,
    ),
    "Roboflow's COCO": (roboflow("train", 0) | roboflow("valid", 10) | {"README.roboflow.txt": "x"},
                        2, {"scratch": (2, 0)}, 0),
    "Roboflow's YOLO": (
        {"train/images/a.jpg": bad(form="JPEG"), "train/labels/a.txt": LINE, "valid/images/b.jpg": good(form="JPEG")}
        | {"valid/labels/b.txt": "", "data.yaml": "train: ../train/images\nnc: 1\nnames: ['Scratch']\n"},
        1, {"scratch": (1, 0)}, 0,
    ),
    "Roboflow's masks": (
        {"train/a_jpg.rf.1.jpg": bad(form="JPEG"), "train/a_jpg.rf.1_mask.png": mask(1)}
        | {"train/b_jpg.rf.2.jpg": good(form="JPEG"), "train/b_jpg.rf.2_mask.png": BLACK}
        | {"train/_classes.csv": "Pixel Value, Class\n0, background\n1, scratch\n"},
        1, {"scratch": (1, 0)}, 0,
    ),
    "YOLO without names": ({"images/a.png": bad(), "labels/a.txt": LINE, "images/b.png": good(), "labels/b.txt": ""},
                           1, {"class_0": (1, 0)}, 0),
    "YOLO with nothing on it": (
        goods("images") | {f"labels/{n}.txt": "" for n in range(3)} | {"data.yaml": "names: [scratch]\n"}, 3, {}, 0,
    ),
    "YOLO with a header of a tool": (
        {"obj_train_data/a.png": bad(), "obj_train_data/a.txt": LINE, "obj.names": "scratch\n"}
        | {"obj.data": "classes = 1\nnames = data/obj.names\n", "train.txt": "data/obj_train_data/a.png\n"},
        0, {"scratch": (1, 0)}, 0,
    ),
    "COCO cut off": (
        {"images/a.png": bad(), "images/b.png": good()}
        | {"annotations/x.json": '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 1, "ima'},
        1, {}, 1,
    ),
    "COCO of more photos than there are": (
        roboflow("train", 0) | {"train/extra.png": good(9)}, 1, {"scratch": (1, 0)}, 0,
    ),
    "NEU-DET": (
        {f"train/images/crazing/crazing_{n}.jpg": bad(n, form="JPEG") for n in range(2)}
        | {f"train/annotations/crazing_{n}.xml": voc_xml(f"crazing_{n}.jpg", "crazing") for n in range(2)},
        0, {"crazing": (0, 2)}, 0,
    ),
    "NEU-CLS": (
        {f"NEU/{code}_{n}.bmp": bad(n, "BMP") for code in ("Cr", "In", "Pa", "PS", "RS", "Sc") for n in (1, 2)},
        0,
        {label: (0, 2) for label in ("crazing", "inclusion", "patches", "pitted_surface", "rolled_in_scale",
                                     "scratches")},
        0,
    ),
    "names that begin like one of NEU-CLS": (goods("", 3, "PS_{}.png"), 3, {}, 0),
    "SDNET2018": (
        {f"{part}/C{part}/7001-{n}.jpg": bad(n, "JPEG") for part in "DPW" for n in range(2)}
        | {f"{part}/U{part}/7001-{n}.jpg": good(n, "JPEG") for part in "DPW" for n in range(2)},
        6, {"crack": (0, 6)}, 0,
    ),
    "GC10-DET": (
        {f"images/images/0{n}/img_0{n}.jpg": bad(n, form="JPEG") for n in range(2)}
        | {f"lable/lable/img_0{n}.xml": voc_xml(f"img_0{n}.jpg", "1_chongkong") for n in range(2)},
        0, {"1_chongkong": (0, 2)}, 0,
    ),
    "HRIPCB": (
        {"images/Missing_hole/01_missing_hole_01.jpg": bad(form="JPEG"), "PCB_USED/01.JPG": good(form="JPEG")}
        | {"Annotations/Missing_hole/01_missing_hole_01.xml": voc_xml("01_missing_hole_01.jpg", "missing_hole")},
        0, {"missing_hole": (0, 1)}, 1,
    ),
    "DeepPCB": (
        {f"group0/000/{n}_temp.png": board(n) for n in range(4)}
        | {f"group0/000/{n}_test.png": board(n, True) for n in range(4)}
        | {f"group0/000_not/{n}.txt": "40 40 60 52 1\n" for n in range(4)},
        4, {"defect": (4, 0)}, 0,
    ),
    "magnetic tiles": (
        {f"MT_Blowhole/Imgs/exp1_{n}.jpg": bad(n, form="JPEG") for n in range(2)}
        | {f"MT_Blowhole/Imgs/exp1_{n}.png": mask() for n in range(2)}
        | {f"MT_Free/Imgs/exp2_{n}.jpg": good(n, form="JPEG") for n in range(3)}
        | {f"MT_Free/Imgs/exp2_{n}.png": BLACK for n in range(3)},
        3, {"mt_blowhole": (2, 0)}, 0,
    ),
    "CrackForest": (
        bads("image", 2, "00{}.png") | {f"groundTruth/00{n}.mat": b"MATLAB 5.0 MAT-file" for n in range(2)}, 0, {}, 2,
    ),
    "arrays for masks": (bads("images") | {f"masks/{n}.npy": b"\x93NUMPY" for n in range(2)}, 0, {}, 2),
    "castings": (
        goods("train/ok_front") | bads("train/def_front") | goods("test/ok_front", 2) | bads("test/def_front"),
        3, {"def_front": (0, 4)}, 0,
    ),
    "MVTec AD without its masks": (goods("train/good") | bads("test/bent"), 3, {"bent": (0, 2)}, 0),
    "MVTec AD twice deep": (
        goods("data/bottle/train/good") | bads("data/bottle/test/bent")
        | masks("data/bottle/ground_truth/bent", 2, "{}_mask.png"),
        3, {"bent": (2, 0)}, 0,
    ),
    "MVTec AD with a split in it": (
        goods("train/good") | goods("validation/good", 2) | bads("test/bent/set1")
        | masks("ground_truth/bent/set1", 2, "{}_mask.png"),
        5, {"bent": (2, 0)}, 0,
    ),
    "masks beside the folder": (goods("normal") | bads("anomaly") | masks("anomaly_mask"), 3, {"anomaly": (2, 0)}, 0),
    "truth beside positives": (goods("negatives") | bads("positives") | masks("positives_gt"),
                               3, {"positives": (2, 0)}, 0),
    "several masks by number": (
        goods("OK") | {"NG/a.png": bad(), "NG/a_mask_1.png": mask(), "NG/a_mask_2.png": mask()}, 3, {"ng": (1, 0)}, 0,
    ),
    "names with brackets": (
        goods("gut", 3, "Foto ({}).png")
        | {"Kratzer/Foto (1).png": bad(), "Kratzer/Foto (1) Maske.png": mask()}, 3, {"kratzer": (1, 0)}, 0,
    ),
    "capitals": (goods("GOOD", 3, "{}.PNG") | {"BAD/A.JPG": bad(form="JPEG"), "BAD/A_MASK.PNG": mask()},
                 3, {"bad": (1, 0)}, 0),
    "TIFF for photo and mask": (
        {"images/1.tif": bad(1, "TIFF"), "labels/1.tif": mask(form="TIFF"), "good/2.tif": good(2, "TIFF")},
        1, {"defect": (1, 0)}, 0,
    ),
    "black masks for good parts": (
        bads("images", 2, "b{}.png") | goods("images", 3, "g{}.png") | masks("masks", 2, "b{}.png")
        | {f"masks/g{n}.png": BLACK for n in range(3)},
        3, {"defect": (2, 0)}, 0,
    ),
    "a table of labels, masks by name": (
        goods("photos", 2, "g{}.png") | bads("photos", 2, "b{}.png") | masks("masks", 2, "b{}.png")
        | {"labels.csv": "file,label\ng0.png,good\ng1.png,good\nb0.png,scratch\nb1.png,scratch\n"},
        2, {"scratch": (2, 0)}, 0,
    ),
    "a table without a header": (
        {"a.png": good(), "b.png": bad(), "verdicts.csv": "a.png,0\nb.png,1\n"}, 0, {}, 2,
    ),
    "a workbook": ({"a.png": bad(), "b.png": good(), "verdicts.xlsx": workbook("a.png")}, 1, {}, 1),
    "depth beside colour": (
        goods("rgb") | goods("depth") | goods("ir"), 3, {}, 6,
    ),
    "raw beside JPEG": (goods("", 3, "{}.jpg") | {f"{n}.nef": b"MM\0*" + bytes(99) for n in range(3)}, 3, {}, 0),
    "phone photos": (goods("", 3) | {"IMG_1.heic": b"\0\0\0\x18ftypheic" + bytes(99)}, 3, {}, 0),
    "one that is cut off": (goods("OK") | {"OK/cut.jpg": good(9, "JPEG")[:300]}, 3, {}, 0),
    "a film of the line": (goods("OK") | {"OK/line.mp4": b"\0\0\0\x18ftypmp42" + bytes(99)}, 3, {}, 0),
    "a zip with a Mac's leavings": (
        {"set.zip": zipped(goods("set/OK") | bads("set/NG") | {"__MACOSX/set/._0.png": b"x"})}, 3, {"ng": (0, 2)}, 0,
    ),
    "results of a detector": (
        goods("good") | bads("bad") | {"results/heatmaps/0.png": coded(photo(3)), "results/scores.csv": "x,1\n"},
        3, {"bad": (0, 2)}, 1,
    ),
    "Chinese, nested": (
        goods("训练集/正常") | bads("测试集/异常/划痕") | masks("测试集/异常/划痕_掩码"), 3, {"x": (2, 0)}, 0,
    ),
    "Japanese lots": (
        goods("ロット1/良品") | bads("ロット1/不良品/キズ") | goods("ロット2/良品"), 6, {"x": (0, 2)}, 0,
    ),
    "Korean": (goods("정상") | bads("불량/스크래치") | masks("불량/스크래치_마스크"), 3, {"x": (2, 0)}, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", TREES)
def test_a_tree_gives_its_right_answer(tmp_path: Path, case: str) -> None:
    files, normals, labels, asked = TREES[case]
    report = preview_import(write(tmp_path, files))
    told = report.as_dict()
    found = {
        label: (told["examples"].get(label, 0), told["unmasked"].get(label, 0))
        for label in {**told["examples"], **told["unmasked"]}
    }
    if "x" in labels:  # what a Chinese word becomes as a label is another test's
        found = {"x": next(iter(found.values()))} if len(found) == 1 else found
    assert (len(report.normals), found, len(report.odd)) == (normals, labels, asked)
