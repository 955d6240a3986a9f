"""``evaluate localization``, ``detection`` and ``classification``: train on the pairs, test on real anomalies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.common import AsJson, SplitSeed, parse_settings, progress_bar
from app.cli.results import Out, ReportFile, save_and_print
from core.api.evaluation import folder_training
from core.api.evaluation.folder_training import EvalResult, FolderTraining

Train = Annotated[
    Path, typer.Option("--train", help="Pairs and good photos to learn from: a project, a dataset or an MVTec layout.")
]
Test = Annotated[
    Path | None,
    typer.Option(
        "--test",
        help="Real anomalies and good photos to test on, likewise; left out, a project is tested on those that its "
        "split keeps for the test.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Share of the test set's anomalies that was learned from, for example 1/3: only the rest is tested. "
        "Without --test it splits the project.",
    ),
]
Preset = Annotated[str, typer.Option(help="cpu: minutes on one core; paper: as published, for a GPU.")]
Seeds = Annotated[int, typer.Option(min=1, max=100, help="How many trainings; mean and spread are of these.")]
Params = Annotated[list[str], typer.Option("--param", help="A setting of the training as name=value.")]
Without = Annotated[list[str], typer.Option("--without", help="A label to leave out of both sets.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
DetectorName = Annotated[str, typer.Option("--detector", help="Which detector to train.")]
Side = Annotated[
    int, typer.Option(min=0, max=4096, help="Pixels a side at which maps are judged; 0: each photo's own size.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``evaluate``."""
    app.command("localization")(localization)
    app.command("detection")(detection)
    app.command("classification")(classification)


def localization(
    train: Train,
    test: Test = None,
    detector: DetectorName = "unet",
    preset: Preset = "cpu",
    seeds: Seeds = 3,
    param: Params = [],  # noqa: B006
    without: Without = [],  # noqa: B006
    side: Side = 256,
    split: Split = None,
    split_seed: SplitSeed = None,
    device: Device = "auto",
    out: Out = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a detector on pairs and say how well it finds real anomalies, pixel by pixel.

    With --out a finished seed is kept there: the same command again goes on where it was stopped.
    """
    task = FolderTraining(
        train, test, preset, parse_settings(param, "--param"), seeds, without, device, detector, side, out,
        split, split_seed,
    )  # fmt: skip
    _run_and_print(folder_training.evaluate_localization_folders, "Localization", task, as_json, out, report)


def detection(
    train: Train,
    test: Test = None,
    detector: DetectorName = "unet",
    preset: Preset = "cpu",
    seeds: Seeds = 3,
    param: Params = [],  # noqa: B006
    without: Without = [],  # noqa: B006
    side: Side = 256,
    split: Split = None,
    split_seed: SplitSeed = None,
    device: Device = "auto",
    out: Out = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """The same training asked about whole photos: is the part good? Their metrics come first."""
    task = FolderTraining(
        train, test, preset, parse_settings(param, "--param"), seeds, without, device, detector, side, out,
        split, split_seed,
    )  # fmt: skip
    _run_and_print(folder_training.evaluate_detection_folders, "Detection", task, as_json, out, report)


def classification(
    train: Train,
    test: Test = None,
    preset: Preset = "cpu",
    seeds: Seeds = 3,
    param: Params = [],  # noqa: B006
    without: Without = [],  # noqa: B006
    split: Split = None,
    split_seed: SplitSeed = None,
    device: Device = "auto",
    out: Out = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on pairs and say how often it names a real anomaly rightly."""
    task = FolderTraining(train, test, preset, parse_settings(param, "--param"), seeds, without, device, keep=out,
                          split=split, split_seed=split_seed)  # fmt: skip
    _run_and_print(folder_training.evaluate_classification_folders, "Classification", task, as_json, out, report)


def _run_and_print(
    evaluate: Callable[..., EvalResult],
    what: str,
    task: FolderTraining,
    as_json: bool,
    out: Path | None,
    report: Path | None,
) -> None:
    with progress_bar(what) as progress:
        result = evaluate(task, progress=progress, curve=_print_curve_point)
    save_and_print(result, as_json, out, report)


def _print_curve_point(name: str, x: float, y: float) -> Any:
    """Numbers of the test set as they come in, for logs; the loss is only in the curves."""
    if not name.startswith("loss"):
        print(f"epoch {x:g}: {name} {y:.4f}", file=sys.stderr, flush=True)
