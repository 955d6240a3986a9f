"""``demo``: a project of a rendered product, to try everything on."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.common import AsJson, ProjectPath, print_result, progress_bar
from core.api import Workbench
from core.api.demo import DEMO_PRODUCTS, make_demo


def demo(
    project: ProjectPath,
    product: Annotated[
        str, typer.Option(help="Which product: " + ", ".join(d.name for d in DEMO_PRODUCTS) + ".")
    ] = DEMO_PRODUCTS[0].name,
    as_json: AsJson = False,
) -> None:
    """Make a project of the rendered demo product, with regions and real anomalies."""
    with progress_bar("Copying photos") as progress:
        make_demo(project, product, progress)
    with Workbench.open(project) as bench:
        examples: dict[str, int] = {}
        for row in bench.photos.examples():
            examples[row.label] = examples.get(row.label, 0) + 1
        result = {
            "project": str(bench.path),
            "product": product,
            "normals": bench.photos.count(),
            "examples": examples,
            "regions": bench.regions.names(),
        }
    lines = [
        f"{result['normals']} photos of good parts",
        f"{sum(examples.values())} real anomalies: {', '.join(examples)}",
        f"open it with: launch.py ui {project}",
        f"project: {result['project']}",
    ]
    print_result(result, as_json, lines)
