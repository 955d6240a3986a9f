"""``export``: datasets out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.common import AsJson, ProjectPath, parse_settings, print_result, progress_bar
from core.api import Workbench


def export(
    project: ProjectPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The dataset's folder; it must not exist yet.")],
    format: Annotated[
        str, typer.Option("--format", help="mvtec-ad, mvtec-loco, visa, coco, yolo-seg, voc, imagefolder, asbench.")
    ],
    everything: Annotated[bool, typer.Option("--all", help="Take unreviewed samples too.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Add the imported real anomalies.")] = False,
    option: Annotated[list[str], typer.Option("--option", help="A setting of the format as name=value.")] = [],  # noqa: B006
    depth: Annotated[
        Literal["8-bit", "source"] | None,
        typer.Option("--depth", help="source: photos of more than 8 bits as PNGs of 16 bits, with their own values."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export at OUT.")] = False,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Also write a contact sheet of what was kept there, as PDF.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the kept samples as a dataset that detector libraries load unchanged."""
    options = {**parse_settings(option, "--option"), **({"depth": depth} if depth else {})}
    with Workbench.open(project) as bench, progress_bar("Writing") as progress:
        report = bench.datasets.export(
            format, out, options, everything=everything, real=real, overwrite=overwrite, progress=progress
        )
        if sheet is not None:
            sheet.write_bytes(bench.review.contact_sheet())
    lines = [f"{n} {where}" for where, n in report["images"].items()]
    lines += [f"warning: {w}" for w in report["warnings"]]
    print_result(report, as_json, [*lines, f"dataset: {report['path']}"])
