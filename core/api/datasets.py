"""Datasets out of a project: export what was kept, with the photos of good parts."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from core import exporters as exporting
from core.api.last_export import remember_export, since_last_export
from core.api.verdict_to_use import verdict_to_use
from core.errors import ExportError
from core.exporters.api import DatasetItem
from core.images.source_depth import SourceDepth
from core.jobs.product_data import ProductData
from core.jobs.rule_violations import rule_labels
from core.jobs.runner import JobControl, JobRunner
from core.progress import Steps, saying, unwatched
from core.store import NormalRow, SampleFilter, SampleRow
from core.store.depths import EarlierScale
from core.types import GOOD, ReviewStatus

Depths = Mapping[str, SourceDepth]
"""Source values by the name of the working copy's file."""


class DatasetsApi:
    """The desk behind the Export tab and ``launch.py export``."""

    formats = exporting.FORMATS
    Options = exporting.ExportOptions

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._project = material.project
        self._jobs = jobs

    def samples_to_export(self, everything: bool = False) -> tuple[list[SampleRow], str | None]:
        """The samples an export takes, and a warning if they were not reviewed.

        Kept ones; as long as nothing at all was reviewed, all of them; ``everything`` adds the new ones.
        """
        if everything:
            both = (ReviewStatus.KEPT, ReviewStatus.NEW)
            return [row for verdict in both for row in self._project.samples(SampleFilter(verdict=verdict))], None
        verdict = verdict_to_use(self._project)
        samples = self._project.samples(SampleFilter(verdict=verdict))
        unseen = verdict is ReviewStatus.NEW and bool(samples)
        return samples, f"nothing was reviewed yet: all {len(samples)} new samples are exported" if unseen else None

    def export(
        self,
        format: str,
        out: Path,
        options: Mapping[str, object] | None = None,
        *,
        everything: bool = False,
        real: bool = False,
        overwrite: bool = False,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Write a dataset to ``out``; returns the report that ``export --json`` prints.

        ``real`` adds the imported real anomalies to the generated ones.
        """
        samples, warning = self.samples_to_export(everything)
        items = self._items(samples, real, exporting.format_named(format).trains_on_anomalies)
        checked = self._options(options or {}, items)
        report = exporting.export(
            items, out, format, checked, overwrite=overwrite, progress=progress, cancelled=cancelled
        )
        if not self._project.only_read:
            remember_export(self._project, format, report.path, samples)
        return _result(report, warning)

    def preview(
        self, format: str, out: Path, options: Mapping[str, Any], *, everything: bool = False, real: bool = False
    ) -> dict[str, Any]:
        """What ``export`` would report, and more of what a person wants to know before.

        ``files``: (path, what it is) of everything in the dataset; ``splits``: anomalies by label and split;
        ``changes``: what is other than in the last export, see core.api.last_export, or None.
        """
        samples, warning = self.samples_to_export(everything)
        items = self._items(samples, real, exporting.format_named(format).trains_on_anomalies)
        report, layout = exporting.preview_export(items, out, format, self._options(options, items))
        lines = [line[3:].rsplit("`: ", 1) for line in layout.splitlines() if line.startswith("- `")]
        files = [(line[0].replace("`", ""), line[-1].replace("`", "")) for line in lines]
        changes = since_last_export(self._project, samples)
        return {**_result(report, warning), "files": files, "splits": report.splits, "changes": changes}

    def start_export(self, format: str, out: Path, options: Mapping[str, object], **more: bool) -> str:
        """``export`` in the background; ``more`` are its switches everything, real, overwrite."""
        self._options(options)

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Writing")
            return self.export(format, out, options, progress=progress, cancelled=control.cancelled, **more)

        return self._jobs.submit("export", f"Export {format}", work)

    def zipped(self, dataset: Path) -> Path:
        """The export in the folder ``dataset`` as one zip in the project's cache, in place of earlier ones."""
        if not (dataset / "load_me.py").is_file():
            raise ExportError(f"{dataset}: the export is not there any more; export again")
        target = self._project.cache_dir / "zips" / f"{dataset.name}.zip"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
            try:
                with open(handle, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
                    for file in sorted(path for path in dataset.rglob("*") if path.is_file()):
                        archive.write(file, Path(dataset.name) / file.relative_to(dataset))
                os.replace(part, target)
            finally:
                Path(part).unlink(missing_ok=True)
        except OSError as error:
            raise ExportError(f"{target.name}: it could not be written: {error.strerror or error}") from error
        for older in target.parent.glob("*.zip"):
            if older != target:
                older.unlink(missing_ok=True)
        return target

    @staticmethod
    def loader_snippet(dataset: Path) -> str:
        """The code that loads an export with its detector library."""
        return (dataset / "load_me.py").read_text()

    def default_category(self) -> str:
        """The product's name as a category that every format can hold."""
        return _category(self._project.name)

    def _options(self, given: Mapping[str, object], items: Sequence[DatasetItem] = ()) -> exporting.ExportOptions:
        """The options, with the saturation of labels that break a rule where each label has its own mask value."""
        options = exporting.read_options({"category": self.default_category(), **given})
        if not options.pixel_codes:
            return options
        labels = {item.label for item in items}
        known = {
            label: float(entry["saturation"]) for label, entry in rule_labels(self._project).items() if label in labels
        }
        return options.model_copy(update={"saturation": {**known, **options.saturation}})

    def _items(self, samples: Sequence[SampleRow], real: bool, trains: bool) -> list[DatasetItem]:
        normals = {row.id: row for row in self._project.normals()}
        depths, earlier = self._project.source_depths(), self._project.earlier_scales()
        anomalies = [
            *(_sample_item(r, normals[r.normal_id], depths, earlier.get(r.normal_id, ())) for r in samples),
            *(self._real_items(depths, trains) if real else ()),
        ]
        if not anomalies:
            raise ExportError("nothing to export: keep some samples in Review, or pass --all to take unreviewed ones")
        return [*(_normal_item(row, depths) for row in normals.values()), *anomalies]

    def _real_items(self, depths: Depths, trains: bool) -> list[DatasetItem]:
        """The real anomalies; without those to learn from where the format would test on them."""
        return [
            DatasetItem(
                name=Path(r.name).stem,
                image=r.path,
                label=r.label,
                kind=r.kind,
                masks=r.mask_paths,
                source=r.name,
                split={"": None, "learn": "train", "test": "test"}[r.part],
                depth=depths.get(r.path.stem),
            )
            for r in self._project.examples(part="" if trains else "test")
        ]


def _normal_item(row: NormalRow, depths: Depths) -> DatasetItem:
    return DatasetItem(name=row.name, image=row.path, label=GOOD, depth=depths.get(row.path.stem))


def _result(report: exporting.ExportReport, warning: str | None) -> dict[str, Any]:
    result = report.to_dict()
    return {**result, "warnings": [*([warning] if warning else []), *result["warnings"]]}


def _sample_item(
    row: SampleRow, normal: NormalRow, depths: Depths, earlier: Sequence[EarlierScale] = ()
) -> DatasetItem:
    depth = depths.get(normal.path.stem)
    base: Path | Literal["scale"] | None = normal.path if depth is not None else None
    drawn_on = next((scale for scale in earlier if row.number <= scale.last_sample), None)
    if depth is not None and drawn_on is not None:
        depth, base = SourceDepth(depth.file, drawn_on.low, drawn_on.high), "scale"
    return DatasetItem(
        name=row.id,
        image=row.image_path,
        label=row.label,
        kind=row.kind,
        masks=row.instance_paths or (row.mask_path,),
        recipe_json=row.recipe_json,
        source=normal.name,
        depth=depth,
        base=base,
    )


def _category(name: str) -> str:
    clean = "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789_" else "_" for c in name.lower()).strip("_")
    return clean or "product"
