"""``new``, ``import`` and ``labels``: photos and real anomalies in, and what the anomalies are called."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli.common import (
    AsJson,
    ProjectPath,
    SplitSeed,
    SplitShare,
    print_result,
    progress_bar,
    set_split,
    split_lines,
)
from core.api import Workbench
from core.api.photos import Corrections, IntakeReport, preview_import
from core.errors import FlawsmithError, InputError

Source = Annotated[
    Path,
    typer.Option(
        help="Photos of good parts, or a dataset with good and bad ones: a folder, zip or tar (docs/import.md)."
    ),
]
RealAnomalies = Annotated[
    Path | None, typer.Option(help="Real anomalies: one sub-folder per label with masks, or an annotated dataset.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what was found; nothing is written.")]
Readings = Annotated[
    list[str],
    typer.Option("--as", help="How to read a folder or file: FOLDER=good, =anomaly:LABEL, =mask, =inverted, =ignore."),
]
Scales = Annotated[
    list[str],
    typer.Option("--scale", help="Values of photos above 8 bits that become black and white: uint16=0..4095."),
]
Renamed = Annotated[list[str], typer.Option("--rename-label", help="Another name for a label: OLD=NEW.")]


def new(
    project: ProjectPath,
    normal: Source,
    anomalies: RealAnomalies = None,
    name: Annotated[str | None, typer.Option(help="The product's name; the folder's if left out.")] = None,
    readings: Readings = [],  # noqa: B006
    renamed: Renamed = [],  # noqa: B006
    scales: Scales = [],  # noqa: B006
    split: SplitShare = None,
    split_seed: SplitSeed = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a project from photos of good parts."""
    said = _checked([normal, anomalies], readings, renamed, scales)
    if dry_run:
        return _show(preview(normal, anomalies, said), as_json)
    with Workbench.create(project, name) as bench:
        try:
            report = _imported(bench, normal, anomalies, said)
            if not bench.photos.count() and not bench.photos.examples():
                problems = [*report.odd, *report.problems]
                first = f" (first problem: {problems[0]})" if problems else ""
                raise InputError(f"{normal}: found no usable photo of a good part{first}")
            set_split(bench, split, split_seed)
        except FlawsmithError:
            bench.close()
            shutil.rmtree(project, ignore_errors=True)
            raise
        result = _result(bench, report)
        lines = [*_lines(result, report), *split_lines(bench)]
    print_result(result, as_json, lines)


def import_photos(
    project: ProjectPath,
    source: Annotated[Path | None, typer.Argument(metavar="SOURCE", help="Folder, zip, tar or file.")] = None,
    anomalies: RealAnomalies = None,
    readings: Readings = [],  # noqa: B006
    renamed: Renamed = [],  # noqa: B006
    scales: Scales = [],  # noqa: B006
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring more photos or real anomalies into a project."""
    if source is None and anomalies is None:
        raise InputError("nothing to import: give a folder, a zip or a tar, or --anomalies")
    said = _checked([source, anomalies], readings, renamed, scales)
    if dry_run:
        with Workbench.open(project) as bench:
            return _show(preview(source, anomalies, said, bench), as_json)
    with Workbench.open(project) as bench:
        report = _imported(bench, source, anomalies, said)
        result = _result(bench, report)
    print_result(result, as_json, _lines(result, report))


def labels(
    project: ProjectPath,
    action: Annotated[
        Literal["list", "rename", "merge"],
        typer.Argument(metavar="ACTION", help="list, rename OLD NEW, merge A B ... INTO."),
    ] = "list",
    names: Annotated[list[str] | None, typer.Argument(metavar="LABELS", help="The labels.")] = None,
    as_json: AsJson = False,
) -> None:
    """List, rename or merge the labels of real anomalies."""
    given = names or []
    with Workbench.open(project) as bench:
        there = Counter(row.label for row in bench.photos.examples())
        if action == "rename" and len(given) != 2:
            raise InputError("labels rename: give two labels, for example: labels rename ko scratch")
        if action == "merge" and len(given) < 2:
            raise InputError("labels merge: give the labels and then the one they become: labels merge a b scratch")
        if action == "rename" and there[given[1]]:
            raise InputError(f"labels rename: there is a label {given[1]!r} already; use merge to put them together")
        moved = sum(bench.photos.rename_label(old, given[-1]) for old in given[:-1] if old != given[-1])
        found = dict(Counter(row.label for row in bench.photos.examples()))
    lines = [f"{n} real {label}" for label, n in sorted(found.items())]
    print_result({"project": str(project), "moved": moved, "labels": found}, as_json, lines)


def scale(
    project: ProjectPath,
    said: Annotated[
        str | None,
        typer.Argument(metavar="SCALE", help="What becomes black and white: uint16=0..4095; left out, it is shown."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change the scale of photos above 8 bits; their working copies are made again."""
    with Workbench.open(project) as bench:
        message = ""
        if said is not None:
            with progress_bar("Making working copies") as progress:
                message = bench.depth.change(said, progress).message
        found = {
            name: {"low": one.low, "high": one.high, "why": one.why} for name, one in bench.depth.scales().items()
        }
    rows = [f"{name}: {one['low']:.6g}..{one['high']:.6g} ({one['why']})" for name, one in found.items()]
    lines = [*(rows or ["all photos have 8 bits"]), *([message] if message else [])]
    print_result({"project": str(project), "scales": found, "message": message}, as_json, lines)


def preview(
    source: Path | None, anomalies: Path | None, said: Corrections, bench: Workbench | None = None
) -> IntakeReport:
    """What an import would take, into a project if ``bench`` is open."""
    with progress_bar("Looking at photos") as progress:
        look = preview_import if bench is None else bench.photos.preview_import
        return look(source or [], anomalies=anomalies, said=said, progress=progress)


def _checked(sources: list[Path | None], readings: list[str], renamed: list[str], scales: list[str]) -> Corrections:
    for source in filter(None, sources):
        if not source.exists():
            raise InputError(f"{source}: there is no such file or folder")
    return Corrections.parse(readings, renamed, scales)


def _imported(bench: Workbench, source: Path | None, anomalies: Path | None, said: Corrections) -> IntakeReport:
    with progress_bar("Reading photos") as progress:
        return bench.photos.import_images(
            source or [], anomalies=anomalies, said=said, looking=progress, progress=progress
        )


def _result(bench: Workbench, report: IntakeReport) -> dict[str, Any]:
    there = dict(Counter(row.label for row in bench.photos.examples()))
    made = {"project": str(bench.path), **report.as_dict(), "normals": bench.photos.count(), "examples": there}
    return made | ({"parts": bench.photos.part_counts()} if bench.photos.split() else {})


def _lines(result: dict[str, Any], report: IntakeReport) -> list[str]:
    rows = [f"{result['normals']} photos of good parts", *(f"{n} real {x}" for x, n in result["examples"].items())]
    notes = [f"note: {note}" for note in report.notes]
    return [*rows, *report.left_out(), *notes, f"project: {result['project']}"]


def _show(report: IntakeReport, as_json: bool) -> None:
    notes = [f"note: {note}" for note in report.notes]
    print_result({"dry_run": True, **report.as_dict()}, as_json, [*report.table(), *notes])
