"""``pack`` and ``open``: a whole project as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, ProjectPath, print_result, progress_bar
from core.api.project_archive import open_archive, pack_project, unused_folder
from core.api.recent import projects_folder


def pack(
    project: ProjectPath,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; its name ends in .flawsmith.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a whole project as one file, which another machine opens. The project may be in use meanwhile."""
    with progress_bar("Packing") as progress:
        done = pack_project(project, out, overwrite=overwrite, progress=progress)
    print_result(
        done.as_dict(), as_json, [f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB", f"packed: {done.path}"]
    )


def open_packed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that pack wrote.")],
    project: Annotated[
        Path | None,
        typer.Argument(metavar="PROJECT", help="The folder to make; by default one in the folder of all projects."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Unpack a project that was packed as one file. Every file is compared with what was packed."""
    with progress_bar("Opening") as progress:
        done = open_archive(file, project or unused_folder(file, projects_folder()), progress)
    lines = [f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB", f"project: {done.path}"]
    print_result(done.as_dict(), as_json, lines)
