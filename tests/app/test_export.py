"""Export: the preview tells what will be written, the report what was."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, Workbench
from core.api.datasets import DatasetsApi
from core.errors import ExportError
from core.types import ReviewStatus
from tests.app.conftest import open_tab, reload

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def choose(page: Page, format: str) -> None:
    page.locator("#fs-formats").get_by_label(DatasetsApi.formats[format].title).check(force=True)


def test_preview_export_and_report(
    new_page: Callable[..., Page], new_project: Callable[..., Path], tmp_path: Path
) -> None:
    project = new_project("dataset", samples=4)
    with Workbench.open(project) as bench:
        rows = bench.review.page(SampleFilter(label="scratch"), 0, 10)
        bench.review.set_status([r.id for r in rows], ReviewStatus.KEPT)
    page = new_page(project)
    open_tab(page, "Export")
    preview = page.locator("#fs-preview")
    expect(preview).to_contain_text("dataset/test/<label>/NNNNNN.png")
    expect(preview.locator(".fs-numbers")).to_contain_text("scratch")
    expect(preview.locator(".fs-numbers")).not_to_contain_text("stain")
    page.get_by_label("Unreviewed samples too").check()
    expect(preview.locator(".fs-numbers")).to_contain_text("stain")
    choose(page, "coco")
    expect(preview).to_contain_text("annotations/instances_<split>.json")
    expect(page.locator("#fs-export-splits thead th")).to_have_text(["anomalies", "training", "test"])

    out = page.locator("#fs-out textarea, #fs-out input")
    (tmp_path / "there").mkdir()
    out.fill(str(tmp_path / "there"))
    expect(preview).to_contain_text("exists already")
    out.fill(str(tmp_path / "out"))
    expect(preview).not_to_contain_text("exists already")

    # A reload in the middle keeps what was chosen.
    reload(page)
    expect(out).to_have_value(str(tmp_path / "out"))
    expect(preview).to_contain_text("annotations/instances_<split>.json")
    page.locator("#fs-export").click()
    report = page.locator("#fs-report")
    expect(report).to_contain_text("Exported 10 images")
    with page.expect_download() as sheet:
        page.locator("#fs-export-sheet").click()
    assert Path(sheet.value.path()).read_bytes().startswith(b"%PDF")
    expect(page.locator("#fs-snippet")).to_contain_text("pycocotools")
    told = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())
    assert told["images"] and {c["name"] for c in told["categories"]} == {"scratch", "stain"}

    # The same folder again is refused until a person says so.
    page.locator("#fs-export").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text(str(tmp_path / "out"))
    page.get_by_label("Replace an earlier export").check()
    choose(page, "mvtec-ad")
    expect(preview).to_contain_text("ground_truth")
    page.locator("#fs-export").click()
    expect(page.locator("#fs-snippet")).to_contain_text("MVTecAD")
    assert sorted(p.name for p in (tmp_path / "out" / "dataset" / "test").iterdir()) == ["good", "scratch", "stain"]
    with page.expect_download() as got:
        page.locator("#fs-export-zip").click()
    assert got.value.suggested_filename == "out.zip"
    with zipfile.ZipFile(got.value.path()) as archive:
        assert "out/load_me.py" in archive.namelist()


def test_an_export_becomes_one_zip_and_the_next_takes_its_place(
    new_project: Callable[..., Path], tmp_path: Path
) -> None:
    with Workbench.open(new_project("zipped", samples=2)) as bench:
        for name in ("first", "second"):
            bench.datasets.export("mvtec-ad", tmp_path / name, everything=True)
            packed = bench.datasets.zipped(tmp_path / name)
        with zipfile.ZipFile(packed) as archive:
            inside = set(archive.namelist())
            assert archive.testzip() is None
        files = {
            f"second/{p.relative_to(tmp_path / 'second')}" for p in (tmp_path / "second").rglob("*") if p.is_file()
        }
        assert inside == files and packed.name == "second.zip" and list(packed.parent.iterdir()) == [packed]
        with pytest.raises(ExportError, match="export again"):
            bench.datasets.zipped(tmp_path / "gone")
