"""``evaluate generation``: how believable and how varied the pairs themselves are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, progress_bar
from app.cli.results import Out, ReportFile, save_and_print
from core.api.evaluation import folder_pairs


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``evaluate``."""
    app.command("generation")(generation)


def generation(
    pairs: Annotated[Path, typer.Argument(metavar="PAIRS", help="The pairs: a project, or a dataset it exported.")],
    reference: Annotated[
        Path,
        typer.Option("--reference", help="Real anomalies to compare with: a project, a dataset or an MVTec layout."),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Of a project, take unreviewed samples too.")] = False,
    label: Annotated[list[str], typer.Option("--label", help="Only pairs of this label; may be repeated.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Seed of ARS' training and of the clusters.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    out: Out = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure the pairs themselves: realism, diversity, mask alignment, memorisation."""
    with progress_bar("Looking at pairs") as progress:
        result = folder_pairs.evaluate_generation_folders(
            pairs, reference, everything=everything, labels=label, seed=seed, device=device, progress=progress
        )
    save_and_print(result, as_json, out, report)
