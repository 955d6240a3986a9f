"""Trees of any files: nothing but our own errors, no mask among the good, every file accounted for."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import FlawsmithError
from core.images.looks import is_flat
from core.images.read import read_image
from core.importers import scan, scan_anomalies
from core.importers.corrections import READINGS, Corrections, corrected
from core.importers.plan import ImportPlan
from core.jobs.import_draft import ImportDraft
from core.jobs.import_images import plan_import, survey
from tests.importers.drawn import bad, coded, good, mask, photo, write

FOLDERS = [
    "gute Teile", "不良品", "Masken", "overlay",
    "train", "test", "good", "OK", "ng", "ko", "bad", "ground_truth", "masks", "images", "labels", "annotations",
    "Label", "SegmentationClass", "JPEGImages", "rgb", "xyz", "gt", "scratch", "kos01", "S0000", "x" * 30, "部品",
    "test_public", "x_json", "no_crack", "crack", "depth", "0", "1", "2025-03-01",
    "ann", "img", "imagesTr", "labelsTr", "CD", "UD", "data",
]  # fmt: skip
STEMS = [
    "0", "1", "a", "Part1", "Part1_label", "a_mask", "mask_a", "0_GT", "a.png", "metadata", "task-1-annotation-2",
    "img", "label", "mask", "0_temp", "0_test", "a_depth", "Cr_1", "In_2", "PS_3", "0_image_0", "1_scratch_mask",
]  # fmt: skip
CONTENTS: dict[str, list[bytes]] = {
    ".png": [
        good(),
        good(1),
        bad(),
        mask(),
        mask(1),
        mask(drawn=False),
        b"",
        b"\x89PNG\r\n\x1a\n",
        coded(photo(1))[:200],
    ],
    ".jpg": [good(2, "JPEG"), bad(3, "JPEG"), b"\xff\xd8\xff", mask(form="JPEG")],
    ".bmp": [mask(form="BMP"), good(4, "BMP")],
    "": [b"no", good(5)],
    ".tif": [mask(form="TIFF"), b"II*\0"],
    ".tga": [b"", b"\0" * 40],
}
TEXTS = [
    b"", b"{}", b"[]", b"null", b"0 0.1 0.1 0.5 0.1 0.5 0.5", b"names: [a]", b"file_name",
    b"image,mask\na.png,0.png\n",
    b'{"file_name": "a.png"}', b'{"shapes": [], "version": 1}', b'[{"annotations": [], "data": {}}]', b"\xff\xfe\0",
    b"<annotations><meta/><image name='a.png'/></annotations>", b"image,label,mask\na.png,good,\n0.png,1,a_mask.png\n",
    json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "licenses": []}).encode(),
    json.dumps({"meta": 3, "train": [{"image_path": "a.png", "anomaly_class": "OK"}]}).encode(), b"{" * 3000,
    b"_background_\nscratch\n", b"Pixel Value, Class\n0, background\n1, scratch\n",
    b'{"objects": [], "size": {}}', b'{"objects": [{"bitmap": {"data": "AA==", "origin": [0, 0]}}], "size": 1}',
    b'{"a.png1": {"filename": "a.png", "regions": [{"shape_attributes": {"name": "rect"}}]}}',
    b'{"a.png1": {"filename": "a.png", "regions": []}, "x": 3}', b'["filename", "regions"]',
    b"#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\na.png",
    b"ImageId,ClassId,EncodedPixels\na.png,1,1 3\n0.jpg,,\n", b"ImageId_ClassId,EncodedPixels\na.png_1,9 9 9\n",
    b"a.png 1\n0.png 0\n", b'{"shapes": [], "version": 1, "imagePath": "a.png", "flags": ["x"]}',
    b'{"defect_name": 1}', b'[{"defect_name": "x", "pixel_value": 255}]',
]  # fmt: skip
SPECIAL = [
    "data.yaml",
    "labelmap.txt",
    "metadata.jsonl",
    "defects_config.json",
    "flawsmith/export.json",
    "a.csv",
    "i.json",
    "label_names.txt",
    "x_json/label_names.txt",
    "_classes.csv",
    "book.xlsx",
    "0.mat",
]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for _ in range(draw(st.integers(1, 14))):
        folders = draw(st.lists(st.sampled_from(FOLDERS), max_size=4))
        if draw(st.integers(0, 3)):
            suffix = draw(st.sampled_from(sorted(CONTENTS)))
            name = draw(st.sampled_from(STEMS)) + suffix
            data = draw(st.sampled_from(CONTENTS[suffix]))
        else:
            name = draw(
                st.sampled_from(SPECIAL) | st.sampled_from([f"{s}.{x}" for s in STEMS for x in ("json", "xml", "txt")])
            )
            data = draw(st.sampled_from(TEXTS))
        path = "/".join([*folders, name])
        inside = any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in found)
        if not inside:
            found[path] = data
    return found


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(QUICK, max_examples=60)


def check_accounts(plan: ImportPlan, files: dict[str, bytes]) -> None:
    assert set(plan.classes) == set(files)
    assert sum(plan.counts.values()) == len(files)


@pytest.mark.thorough
@QUICK
@given(files=trees(), as_anomalies=st.booleans())
def test_every_file_is_in_one_class(files: dict[str, bytes], as_anomalies: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), files)  # type: ignore[arg-type]
        try:
            plan = scan_anomalies(source) if as_anomalies else scan(source)
        except FlawsmithError as error:
            assert "\n" not in str(error)
            return
        check_accounts(plan, files)
        assert not (as_anomalies and plan.normals)


@pytest.mark.thorough
@QUICK
@given(files=trees(), data=st.data())
def test_corrections_keep_the_account(files: dict[str, bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), files)  # type: ignore[arg-type]
        try:
            plan = scan(source)
        except FlawsmithError:
            return
        paths = sorted({p for name in files for p in (name, name.partition("/")[0], ".")})
        said = data.draw(
            st.lists(st.tuples(st.sampled_from(paths), st.sampled_from(READINGS)), min_size=1, max_size=4)
        )
        check_accounts(corrected(plan, Corrections.parse([f"{p}={r}" for p, r in said])), files)


@pytest.mark.thorough
@MANY
@given(files=trees())
def test_no_mask_is_ever_among_the_good(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), files)  # type: ignore[arg-type]
        try:
            plan, _ = survey(plan_import(source))
        except FlawsmithError as error:
            assert "\n" not in str(error)
            return
        check_accounts(plan, files)
        for good_photo in plan.normals:
            with contextlib.suppress(FlawsmithError):
                assert not is_flat(read_image(good_photo.entry.load()))


@MANY
@given(files=trees(), data=st.data())
def test_a_draft_accounts_for_every_file_whatever_is_said(files: dict[str, bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        source = write(Path(folder), files)  # type: ignore[arg-type]
        try:
            draft = ImportDraft(plan_import(source))
            stack.callback(draft.close)
            draft.apply(Corrections())
        except FlawsmithError as error:
            assert "\n" not in str(error)
            return
        assert sum(sum(row.counts.values()) for row in draft.folders()) == len(files)
        for path in data.draw(st.lists(st.sampled_from([row.path for row in draft.folders()]), max_size=3)):
            before = draft.said
            try:
                draft.apply(draft.said.read_as(path, data.draw(st.sampled_from(READINGS)), "dent"))
            except FlawsmithError:
                assert draft.said == before
            assert sum(sum(row.counts.values()) for row in draft.folders()) == len(files)
            for one in (g for g in draft.plan.normals if not g.confirmed):
                with contextlib.suppress(FlawsmithError):
                    assert not is_flat(read_image(one.entry.load()))


@pytest.mark.slow
def test_a_large_tree_is_recognised_in_ten_seconds(tmp_path: Path) -> None:
    photo_bytes, mask_bytes = good(), mask()
    for line in range(20):
        for station in range(50):
            folder = tmp_path / f"line{line}" / f"station{station}"
            (folder / "OK").mkdir(parents=True)
            (folder / "NG" / "masks").mkdir(parents=True)
            for n in range(16):
                (folder / "OK" / f"{n}.png").write_bytes(photo_bytes)
            for n in range(2):
                (folder / "NG" / f"{n}.png").write_bytes(photo_bytes)
                (folder / "NG" / "masks" / f"{n}.png").write_bytes(mask_bytes)
    start = time.perf_counter()
    plan = scan(tmp_path)
    took = time.perf_counter() - start
    tracemalloc.start()  # slows everything down, hence apart
    scan(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plan.counts["good"] == 16_000 and plan.counts["anomaly"] == 2_000 and plan.counts["mask"] == 2_000
    assert took < 10, took
    assert peak < 300 << 20, peak
