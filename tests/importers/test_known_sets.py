"""More trees that people have, of published sets and of their own making, each with its right answer.

What is bad is never among the good. The answers: good photos, photos with and without masks of each label, photos that
are asked about.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.jobs.import_images import preview_import
from tests.importers.drawn import MASK, bad, coded, good, mask, photo, write
from tests.importers.test_more_trees import BLACK, BOX, Files, Labels, bads, goods, masks, roboflow, voc_xml

SEEN = MASK.astype(np.uint8)
TREES: dict[str, tuple[Files, int, Labels, int]] = {
    "NEU-CLS beside good photos": (
        goods("good") | {f"NEU/{code}_{n}.bmp": bad(n, "BMP") for code in ("Cr", "In", "Sc") for n in (1, 2)},
        3,
        {"crazing": (0, 2), "inclusion": (0, 2), "scratches": (0, 2)},
        0,
    ),
    "SDNET2018 beside an overview": (
        {f"{part}/C{part}/{n}.jpg": bad(n, "JPEG") for part in "DPW" for n in range(2)}
        | {f"{part}/U{part}/{n}.jpg": good(n, "JPEG") for part in "DPW" for n in range(2)}
        | {"overview.png": good(50)},
        6,
        {"crack": (0, 6)},
        1,
    ),
    "concrete: positive and negative": (goods("Negative") | bads("Positive"), 3, {"positive": (0, 2)}, 0),
    "pass and fail": (goods("station1/PASS") | bads("station1/FAIL"), 3, {"fail": (0, 2)}, 0),
    "AeBAD": (
        goods("AeBAD_S/train/good/background")
        | bads("AeBAD_S/test/ablation/view")
        | masks("AeBAD_S/ground_truth/ablation/view"),
        3,
        {"ablation": (2, 0)},
        0,
    ),
    "VISION's Cable": (roboflow("train", 0) | roboflow("val", 9) | bads("inference"), 2, {"scratch": (2, 0)}, 0),
    "Eyecandies": (
        {f"train/data/{n}_image_0.png": good(n) for n in range(3)}
        | {f"train/data/{n}_depth.png": good(9 + n) for n in range(3)}
        | {"test_public/data/0_image_0.png": bad(), "test_public/data/0_mask.png": mask()},
        3,
        {"defect": (1, 0)},
        0,
    ),
    "wood with semantic maps": (
        {f"images1/{n}.bmp": bad(n, "BMP") for n in range(2)}
        | {f"Semantic Maps/{n}_segm.bmp": mask(form="BMP") for n in range(2)}
        | {f"Bounding Boxes/{n}_anno.txt": "Crack 0.1 0.2 0.3 0.4" for n in range(2)},
        0,
        {"defect": (2, 0)},
        0,
    ),
    "runs of a detector beside": (
        goods("good") | {f"runs/segment/predict/{n}.jpg": bad(n, "JPEG") for n in range(2)},
        3,
        {},
        2,
    ),
    "lists of names": (
        goods("images", 2, "g{}.png")
        | bads("images", 2, "b{}.png")
        | {"ok.txt": "g0.png\ng1.png\n", "ng.txt": "b0.png\nb1.png\n"},
        0,
        {},
        4,
    ),
    "a list with labels": (
        goods("images", 2, "g{}.png")
        | bads("images", 2, "b{}.png")
        | {"labels.txt": "images/g0.png 0\nimages/g1.png 0\nimages/b0.png 1\nimages/b1.png 1\n"},
        0,
        {},
        4,
    ),
    "boxes in a table": (
        {
            "a.png": bad(),
            "b.png": good(),
            "boxes.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,80,60,scratch,1,2,3,4\n",
        },
        0,
        {"scratch": (0, 1)},
        1,
    ),
    "train and val of ok and nok": (
        goods("train/ok") | bads("train/nok") | goods("val/ok", 2) | bads("val/nok"),
        5,
        {"nok": (0, 4)},
        0,
    ),
    "the defect behind the number": (
        {
            "IMG_001_ok.png": good(1),
            "IMG_002_ok.png": good(2),
            "IMG_003_scratch.png": bad(3),
            "IMG_004_dent.png": bad(4),
        },
        2,
        {"scratch": (0, 1), "dent": (0, 1)},
        0,
    ),
    "Labelbox": (
        {"a.jpg": bad(form="JPEG"), "b.jpg": good(form="JPEG")}
        | {"export.json": json.dumps([{"External ID": "a.jpg", "Label": {"objects": [{"value": "scratch"}]}}])},
        1,
        {},
        1,
    ),
    "V7 Darwin": (
        {
            "a.png": bad(),
            "b.png": good(),
            "a.json": json.dumps({"item": {"name": "a.png"}, "annotations": [{"polygon": {}}]}),
        },
        1,
        {},
        1,
    ),
    "ISAT": (
        {"a.png": bad(), "b.png": good()}
        | {
            "a.json": json.dumps(
                {"info": {"description": "ISAT"}, "objects": [{"category": "x", "segmentation": BOX}]}
            )
        },
        1,
        {},
        1,
    ),
    "PaddleSeg": (
        bads("images")
        | {f"annotations/{n}.png": coded(SEEN) for n in range(2)}
        | {
            "train.txt": "images/0.png annotations/0.png\nimages/1.png annotations/1.png\n",
            "labels.txt": "bg\nscratch\n",
        },
        0,
        {"defect": (2, 0)},
        0,
    ),
    "mmsegmentation": (
        bads("img_dir/train") | {f"ann_dir/train/{n}.png": coded(SEEN) for n in range(2)},
        0,
        {"defect": (2, 0)},
        0,
    ),
    "Cityscapes' names": (
        {f"leftImg8bit/train/a{n}_leftImg8bit.png": bad(n) for n in range(2)}
        | {f"gtFine/train/a{n}_gtFine_labelIds.png": coded(SEEN) for n in range(2)},
        0,
        {},
        2,
    ),
    "nnU-Net": (
        {f"imagesTr/part_{n}_0000.png": bad(n) for n in range(2)}
        | {f"labelsTr/part_{n}.png": coded(SEEN) for n in range(2)},
        0,
        {"defect": (2, 0)},
        0,
    ),
    "Unity Perception": (
        {f"RGB/rgb_{n}.png": bad(n) for n in range(2)}
        | {f"SemanticSegmentation/segmentation_{n}.png": mask() for n in range(2)},
        0,
        {"defect": (2, 0)},
        0,
    ),
    "thumbnails below": (
        goods("OK") | {f"OK/thumbnails/{n}.png": coded(photo(n)[::4, ::4]) for n in range(3)},
        3,
        {},
        3,
    ),
    "train and test of images and masks": (
        bads("train/images") | masks("train/masks") | bads("test/images", 1) | masks("test/masks", 1),
        0,
        {"defect": (3, 0)},
        0,
    ),
    "IO and NIO": (goods("IO") | bads("NIO"), 3, {"nio": (0, 2)}, 0),
    "i.O. and n.i.O.": (goods("i.O.") | bads("n.i.O."), 3, {"n_i_o": (0, 2)}, 0),
    "Ausschuss": (goods("Gutteile") | bads("Ausschuss"), 3, {"ausschuss": (0, 2)}, 0),
    "clean and dirty": (
        goods("Clean") | bads("Dusty") | bads("Bird-drop") | bads("Snow-Covered"),
        3,
        {"dusty": (0, 2), "bird_drop": (0, 2), "snow_covered": (0, 2)},
        0,
    ),
    "healthy and broken": (goods("healthy") | bads("broken"), 3, {"broken": (0, 2)}, 0),
    "intact and damaged": (goods("intact") | bads("damaged"), 3, {"damaged": (0, 2)}, 0),
    "undamaged and damaged": (goods("undamaged") | bads("damaged"), 3, {"damaged": (0, 2)}, 0),
    "golden samples": (goods("golden") | bads("defects"), 3, {"defects": (0, 2)}, 0),
    "normal and abnormal": (goods("normal") | bads("abnormal"), 3, {"abnormal": (0, 2)}, 0),
    "non-defective": (goods("Non-Defective") | bads("Defective"), 3, {"defective": (0, 2)}, 0),
    "pos and neg": (goods("neg") | bads("pos"), 3, {"pos": (0, 2)}, 0),
    "AITEX": (
        goods("NODefect_images/2306881-210020u", 3, "000{}_000_00.png")
        | bads("Defect_images", 2, "000{}_002_00.png")
        | masks("Mask_images", 2, "000{}_002_00_mask.png"),
        3,
        {"defect_images": (2, 0)},
        0,
    ),
    "RSDDs": (
        {f"Type-I RSDDs dataset/Rail surface images/rail_{n}.jpg": bad(n, "JPEG") for n in range(2)}
        | {f"Type-I RSDDs dataset/GroundTruth/rail_{n}.jpg": mask(form="JPEG") for n in range(2)},
        0,
        {"rail_surface_images": (2, 0)},
        0,
    ),
    "DeepCrack": (
        {f"train_img/{n}.jpg": bad(n, "JPEG") for n in range(2)}
        | masks("train_lab")
        | {"test_img/9.jpg": bad(9, "JPEG"), "test_lab/9.png": mask()},
        0,
        {"defect": (3, 0)},
        0,
    ),
    "screens of phones": (
        goods("good", 3, "Goo_{}.jpg")
        | bads("scratch", 2, "Scr_{}.jpg")
        | bads("oil", 2, "Oil_{}.jpg")
        | masks("ground_truth_1", 2, "Oil_{}.png")
        | masks("ground_truth_2", 2, "Scr_{}.png"),
        3,
        {"scratch": (2, 0), "oil": (2, 0)},
        0,
    ),
    "aluminium of Tianchi": (goods("无瑕疵样本") | bads("瑕疵样本/擦花"), 3, {"x": (0, 2)}, 0),
    "solar cells, apart by blanks": (
        {"images/cell1.png": good(), "images/cell2.png": bad()}
        | {"labels.csv": "images/cell1.png   0.0  mono\nimages/cell2.png   1.0  poly\n"},
        0,
        {},
        2,
    ),
    "NanoTWICE": (
        {f"Normal/ITIA{n}.tif": good(n, "TIFF") for n in range(3)}
        | {f"Anomalous/images/ITIA11{n}.tif": bad(n, "TIFF") for n in range(2)}
        | {f"Anomalous/gt/ITIA11{n}_gt.png": mask() for n in range(2)},
        3,
        {"anomalous": (2, 0)},
        0,
    ),
    "SensumSODF": (
        goods("capsule/negative/data") | bads("capsule/positive/data") | masks("capsule/positive/annotation"),
        3,
        {"positive": (2, 0)},
        0,
    ),
    "LabelMe on the web": (
        {"Images/a.jpg": bad(form="JPEG"), "Images/b.jpg": good(form="JPEG")}
        | {
            "Annotations/a.xml": "<annotation><filename>a.jpg</filename><object><name>scratch</name><polygon>"
            "<pt><x>1</x><y>1</y></pt></polygon></object></annotation>",
            "Annotations/b.xml": voc_xml("b.jpg"),
        },
        1,
        {"scratch": (0, 1)},
        0,
    ),
    "three views of a part": (
        {
            f"{part}/{view}.png": good(n)
            for part in ("OK/p1", "OK/p2")
            for n, view in enumerate(("top", "side", "back"))
        }
        | {"NG/p3/top.png": bad(), "NG/p3/top_mask.png": mask(), "NG/p3/side.png": bad(2)},
        6,
        {"ng": (1, 1)},
        0,
    ),
    "masks that are black but for one": (
        bads("images", 1, "b{}.png")
        | goods("images", 3, "g{}.png")
        | masks("labels", 1, "b{}.png")
        | {f"labels/g{n}.png": BLACK for n in range(3)},
        3,
        {"defect": (1, 0)},
        0,
    ),
    "edited copies": (
        goods("good") | {"edited/0_edited.png": bad(), "edited/1_edited.png": bad(2)},
        3,
        {"edited": (0, 2)},
        0,
    ),
    "defects alone, by MVTec's names": (
        bads("break") | bads("fray") | bads("crack"),
        0,
        {"break": (0, 2), "crack": (0, 2), "fray": (0, 2)},
        0,
    ),
    "boards' defects alone": (bads("copper") | bads("mousebite") | bads("open"), 0, {"mousebite": (0, 2)}, 4),
    "labelme with flags": (
        {"a.png": bad(), "b.png": good(), "c.png": good(3)}
        | {
            f"{name}.json": json.dumps({"version": "5.0", "flags": flags, "shapes": [], "imagePath": f"{name}.png"})
            for name, flags in {"a": {"dent": True}, "b": {"dent": False}, "c": {"ok": True}}.items()
        },
        2,
        {"dent": (0, 1)},
        0,
    ),
    "a mask that says what it shows": (
        goods("good") | {"bad/7.png": bad(), "bad/7_scratch_mask.png": mask(), "bad/7_dent_mask.png": mask()},
        3,
        {"bad": (1, 0)},
        0,
    ),
    "a table without endings": (
        {"img/a.png": bad(), "img/b.png": good(), "list.csv": "image_id,label\na,dent\nb,good\n"},
        1,
        {"dent": (0, 1)},
        0,
    ),
    "a height beside each photo": (
        {f"p{n}/intensity.png": good(n) for n in range(2)} | {f"p{n}/height.png": good(9 + n) for n in range(2)},
        2,
        {},
        2,
    ),
    "depth beside each photo": (
        goods("", 3, "{}.png") | {f"{n}_depth.png": good(20 + n) for n in range(3)},
        3,
        {},
        3,
    ),
    "a sieve of three": (goods("1_OK") | bads("2_NG") | goods("3_unsure"), 3, {"2_ng": (0, 2), "3_unsure": (0, 3)}, 0),
    "labels in lines of JSON": (
        {"a.png": bad(), "b.png": good(), "labels.jsonl": '{"image":"a.png","l":"dent"}\n{"image":"b.png","l":"ok"}'},
        0,
        {},
        2,
    ),
    "COCO of Label Studio": (
        {"images/1f2e-a.png": bad(), "images/2f2e-b.png": good()}
        | {
            "result.json": json.dumps(
                {
                    "images": [
                        {"id": n, "file_name": f"images/{f}"} for n, f in enumerate(("1f2e-a.png", "2f2e-b.png"))
                    ],
                    "annotations": [
                        {"id": 0, "image_id": 0, "category_id": 0, "segmentation": [[v for p in BOX for v in p]]}
                    ],
                    "categories": [{"id": 0, "name": "dent"}],
                }
            )
        },
        1,
        {"dent": (1, 0)},
        0,
    ),
    "VisA's split table": (
        {"candle/Data/Images/Normal/0.JPG": good(form="JPEG"), "candle/Data/Images/Anomaly/0.JPG": bad(form="JPEG")}
        | {"candle/Data/Masks/Anomaly/0.png": mask(1)}
        | {
            "split_csv/1cls.csv": "object,split,label,image,mask\n"
            "candle,train,normal,candle/Data/Images/Normal/0.JPG,\n"
            "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png\n"
        },
        1,
        {"anomaly": (1, 0)},
        0,
    ),
}


@pytest.mark.parametrize("case", TREES)
def test_a_known_set_gives_its_right_answer(tmp_path: Path, case: str) -> None:
    files, normals, labels, asked = TREES[case]
    told = (report := preview_import(write(tmp_path, files))).as_dict()
    found = {
        label: (told["examples"].get(label, 0), told["unmasked"].get(label, 0))
        for label in {**told["examples"], **told["unmasked"]}
    }
    if "x" in labels:  # what a Chinese word becomes as a label is another test's
        found = {"x": next(iter(found.values()))} if len(found) == 1 else found
    assert (len(report.normals), found, len(report.odd)) == (normals, labels, asked)
