"""What an export holds beside the last one, and where each label's anomalies go."""

from __future__ import annotations

from pathlib import Path

from core.api import GenerationBatch, SampleFilter, Workbench


def test_changes_since_the_last_export_are_counted(tmp_path: Path, photo_folder: Path) -> None:
    with Workbench.create(tmp_path / "p", "p") as bench:
        bench.photos.import_images(photo_folder)
        bench.studio.generate(GenerationBatch(engine="cut_paste", label="scratch", count=5, seed=1, workers=1))
        ids = [row.id for row in bench.review.page(SampleFilter())]
        bench.review.set_status(ids[:4], "kept")
        assert bench.datasets.preview("coco", tmp_path / "out", {})["changes"] is None
        bench.datasets.export("coco", tmp_path / "out", {})
        same = bench.datasets.preview("coco", tmp_path / "next", {})["changes"]
        assert (same.added, same.gone, same.relabelled, same.format) == (0, 0, 0, "coco")
        assert same.path == str((tmp_path / "out").resolve())
        bench.review.set_status([ids[0]], "rejected")
        bench.review.set_status([ids[4]], "kept")
        bench.review.relabel(ids[1:3], "dent")
        seen = bench.datasets.preview("coco", tmp_path / "next", {"anomaly_train": 0.5})
        assert (seen["changes"].added, seen["changes"].gone, seen["changes"].relabelled) == (1, 1, 2)
        assert {label: sum(by.values()) for label, by in seen["splits"].items()} == {"dent": 2, "scratch": 2}
        assert seen["splits"]["dent"]["train"] == 1
        assert bench.review.contact_sheet().startswith(b"%PDF")
        assert set(bench.datasets.preview("mvtec-ad", tmp_path / "next", {})["splits"]["dent"]) == {"test"}
