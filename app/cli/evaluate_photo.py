"""``evaluate photo``: what a detector that was trained and kept says of single photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, print_result, progress_bar
from core.api.evaluation import single_photos


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``evaluate``."""
    app.command("photo")(photo)


def photo(
    detector: Annotated[
        Path,
        typer.Argument(
            metavar="DETECTOR", help="The folder of a run that trained one: under --out, or a project's evaluations."
        ),
    ],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write NAME.tiff (the score map) and NAME.png (to look at) here.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what a trained detector says of photos: score, score map, and the good photo each was compared with."""
    with progress_bar("Looking at photos") as progress:
        found = single_photos.predict_photos(detector, photos, out, device=device, progress=progress)
    lines = [
        f"{seen.photo}: image score {seen.score:.4f}, higher than {100 * seen.above_good:.0f}% of the good test photos"
        + (f"; compared with {seen.neighbour}" if seen.neighbour else "")
        + (f"; {seen.picture}" if seen.picture else "")
        for seen in found
    ]
    print_result({"detector": str(detector), "photos": [seen.to_json() for seen in found]}, as_json, lines)
