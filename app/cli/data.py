"""``new`` and ``export``: photos in, datasets out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, ProjectPath, finish, pairs, progress_bar
from core.api import Workbench
from core.errors import FlawsmithError, InputError


def new(
    project: ProjectPath,
    normal: Annotated[Path, typer.Option(help="Photos of good parts: a folder, a zip, or an MVTec AD/LOCO layout.")],
    anomalies: Annotated[
        Path | None, typer.Option(help="Real anomalies: one sub-folder per label, with masks.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The product's name; the folder's if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a project from photos of good parts."""
    for source in filter(None, (normal, anomalies)):
        if not source.exists():
            raise InputError(f"{source}: there is no such file or folder")
    with Workbench.create(project, name) as bench:
        try:
            with progress_bar("Reading photos") as progress:
                report = bench.photos.take_in(normal, anomalies=anomalies, progress=progress)
            if not bench.photos.count():
                first = f" (first problem: {report.problems[0]})" if report.problems else ""
                raise InputError(f"{normal}: found no usable photo of a good part{first}")
        except FlawsmithError:
            bench.close()
            shutil.rmtree(project, ignore_errors=True)
            raise
        result = {"project": str(bench.path), **report.as_dict()}
        labels: dict[str, int] = {}
        for row in bench.photos.examples():
            labels[row.label] = labels.get(row.label, 0) + 1
        result |= {"normals": bench.photos.count(), "examples": labels}
    lines = [f"{result['normals']} photos of good parts", *(f"{n} real {label}" for label, n in labels.items())]
    lines += [f"left out: {problem}" for problem in report.problems]
    finish(result, as_json, [*lines, f"project: {result['project']}"])


def export(
    project: ProjectPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The dataset's folder; it must not exist yet.")],
    format: Annotated[
        str, typer.Option("--format", help="mvtec-ad, mvtec-loco, visa, coco, yolo-seg, voc, imagefolder.")
    ],
    everything: Annotated[bool, typer.Option("--all", help="Take unreviewed samples too.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Add the imported real anomalies.")] = False,
    option: Annotated[list[str], typer.Option("--option", help="A setting of the format as name=value.")] = [],  # noqa: B006
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export at OUT.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the kept samples as a dataset that detector libraries load unchanged."""
    options = pairs(option, "--option")
    with Workbench.open(project) as bench, progress_bar("Writing") as progress:
        report = bench.datasets.export(
            format, out, options, everything=everything, real=real, overwrite=overwrite, progress=progress
        )
    lines = [f"{n} {where}" for where, n in report["images"].items()]
    lines += [f"warning: {w}" for w in report["warnings"]]
    finish(report, as_json, [*lines, f"dataset: {report['path']}"])
