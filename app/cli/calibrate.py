"""``calibrate``: a detector's threshold from pairs, where real anomalies are few or none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, ProjectPath, print_result, progress_bar
from core.api import Workbench
from core.api.evaluation.calibrations import Calibration, CalibrationSpec


def calibrate(
    project: ProjectPath,
    detector: Annotated[
        str, typer.Option(help="A detector to train here (features, csda, ...), or a folder of score maps of yours.")
    ] = "features",
    target: Annotated[
        str, typer.Option(help='What the threshold shall reach: "false rejects <= 1 %", "missed <= 5 %" or "best f1".')
    ] = "false rejects <= 1 %",
    engine: Annotated[str, typer.Option(help="Only pairs of this engine.")] = "",
    masks: Annotated[
        Path | None,
        typer.Option("--masks", help="For score maps: the test set of pairs and good photos they belong to."),
    ] = None,
    real: Annotated[Path | None, typer.Option("--real", help="Score maps of real anomalies, to compare with.")] = None,
    real_masks: Annotated[Path | None, typer.Option("--real-masks", help="The test set of those.")] = None,
    preset: Annotated[str, typer.Option(help="Training preset: cpu or paper.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", help="Write the calibration as JSON.")] = None,
    anomalib: Annotated[
        Path | None,
        typer.Option("--anomalib", help="Write the state of anomalib's PostProcessor (version 2), a .pt file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold of a detector by synthetic anomalies."""
    spec = CalibrationSpec(detector, target, engine, preset, masks, real, real_masks)
    with Workbench.open(project) as bench, progress_bar("Calibrating") as progress:
        found = bench.calibrations.run(spec, progress)
        bench.calibrations.write(found, out, anomalib)
    print_result(found.as_dict(points=False), as_json, _lines(found))


def _lines(found: Calibration) -> list[str]:
    missed = ", ".join(f"{label} {share:.0%}" for label, share in found.missed.items())
    lines = [
        f"image threshold {found.image:.6g} (95 %: {found.image_interval[0]:.6g} to {found.image_interval[1]:.6g})",
        f"pixel threshold {found.pixel:.6g} (95 %: {found.pixel_interval[0]:.6g} to {found.pixel_interval[1]:.6g})",
        f"false rejects {found.false_rejects:.1%} of {found.counts['good']} good photos; missed of pairs: {missed}",
    ]
    if found.real is not None:
        real = found.real
        there = ", ".join(f"{label} {share:.0%}" for label, share in real.missed.items())
        lines += [
            f"on {real.count} real anomalies: image F1 {real.image_f1:.1%} ({real.image_kept:.0%} of the best), "
            f"pixel F1 {real.pixel_f1:.1%} ({real.pixel_kept:.0%})",
            f"missed of the real ones: {there}",
        ]
    return [*lines, *(f"note: {note}" for note in found.notes)]
