"""Run lengths in a table, as Kaggle's contests have them (Severstal's steel, Airbus): ``train.csv`` and photos."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from core.errors import InputError
from core.importers.annotated import AnnotatedDefect, add_annotated, ask_about_the_rest
from core.importers.importer import Importer
from core.importers.plan import ImportPlan, PlanBuilder
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, decoded_text, text_of
from core.masks.annotation_shapes import column_runs_mask

_RUNS = "encodedpixels"
_SEVERSTAL = {"imageid", "classid", _RUNS}
_PLACEHOLDER = "submission"
"""A file to fill in for the contest: its runs are no defects."""


class RunLengthTableImporter(Importer):
    """``ImageId,ClassId,EncodedPixels`` or ``ImageId_ClassId,EncodedPixels``."""

    name = "run-length-table"
    title = "Run lengths in a CSV (Severstal and other contests of Kaggle)"
    reads = (
        "`ImageId`, `ClassId`, `EncodedPixels`, down the columns; photos with no runs are good, in Severstal's also "
        "those beside them that the table leaves out; photos of the test are asked about"
    )

    def detect(self, tree: SourceTree) -> float:
        return 0.93 if any(map(_is_table, tree.named(".csv")[:16])) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        builder = PlanBuilder(self.name)
        found: dict[str, tuple[SourceEntry, list[AnnotatedDefect], str]] = {}
        for table in filter(_is_table, tree.named(".csv")):
            builder.annotations.append(table)
            for file, defect in _rows(table):
                if (photo := tree.find(file, ["train_images", "images"])) is not None:
                    told = found.setdefault(photo.name, (photo, [], table.name))
                    told[1].extend([defect] if defect is not None else [])
        for photo, defects, source in found.values():
            add_annotated(builder, photo, defects, source)
        taken = set(found)
        if _names_defects_alone(tree) and not builder.normals:
            homes = {photo.folders for photo, _, _ in found.values()}
            for photo in (e for e in tree.images if e.name not in found and e.folders in homes):
                builder.good(photo)
                taken.add(photo.name)
        builder.annotations += [e for e in tree.named(".csv") if _PLACEHOLDER in e.stem.casefold()]
        ask_about_the_rest(builder, tree, taken, "the table")
        return builder.plan(tree)


def _columns(table: SourceEntry) -> list[str]:
    try:
        line = next(iter(decoded_text(table.head()).splitlines()), "")
    except InputError:
        return []
    return [name.strip().strip('"').casefold() for name in line.split(",")]


def _is_table(table: SourceEntry) -> bool:
    columns = _columns(table)
    return (
        _RUNS in columns
        and columns[0].replace("_", "").startswith("imageid")
        and _PLACEHOLDER not in table.stem.casefold()
    )


def _names_defects_alone(tree: SourceTree) -> bool:
    """Whether the table is Severstal's as it is now, which leaves photos of good steel out."""
    return any(set(_columns(table)) == _SEVERSTAL for table in filter(_is_table, tree.named(".csv")))


def _rows(table: SourceEntry) -> Iterator[tuple[str, AnnotatedDefect | None]]:
    """The file of each row and its defect. Runs hold no comma, and can be longer than ``csv`` reads."""
    columns = _columns(table)
    for number, line in enumerate(text_of(table).splitlines()[1:], 2):
        row = dict(zip(columns, (v.strip().strip('"') for v in line.split(",")), strict=False))
        if not any(row.values()):
            continue
        file, label = row[columns[0]], row.get("classid", "")
        if columns[0] == "imageid_classid":
            file, _, label = file.rpartition("_")
        try:
            runs = [int(float(v)) for v in row.get(_RUNS, "").split()]
        except ValueError as error:
            raise InputError(f"{table.name}, line {number}: expected run lengths, pairs of whole numbers") from error
        if not runs or runs == [-1]:
            yield file, None
        else:
            called = f"class_{label}" if label.isdigit() else label or "defect"
            yield file, AnnotatedDefect(called, partial(column_runs_mask, runs), float(sum(runs[1::2])))
