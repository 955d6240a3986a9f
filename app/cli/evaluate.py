"""``evaluate``: numbers on the pairs and on the detectors trained on them; one file for each family of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import evaluate_pairs, evaluate_photo, evaluate_train
from app.cli.common import AsJson, progress_bar
from app.cli.results import Out, ReportFile, save_and_print
from core.api.evaluation import folders

app = typer.Typer(
    name="evaluate",
    help="Measure how good the generated pairs are.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate_train.register(app)
evaluate_pairs.register(app)
evaluate_photo.register(app)


@app.command("maps")
def maps(
    scores: Annotated[
        Path, typer.Option("--scores", help="Score maps: LABEL/NAME.tiff, .npy or 16-bit .png, also under test/.")
    ],
    masks: Annotated[Path, typer.Option("--masks", help="The test set, or its ground_truth folder.")],
    defects_config: Annotated[
        Path | None, typer.Option("--defects-config", help="defects_config.json, if the test set has none of its own.")
    ] = None,
    pro_fpr: Annotated[float, typer.Option("--pro-fpr", help="PRO counts up to this false positive rate.")] = 0.3,
    spro_fpr: Annotated[float, typer.Option("--spro-fpr", help="sPRO counts up to this false positive rate.")] = 0.05,
    out: Out = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Metrics of the score maps of any detector."""
    with progress_bar("Reading score maps") as progress:
        result = folders.evaluate_score_maps(
            scores, masks, defects_config, pro_fpr=pro_fpr, spro_fpr=spro_fpr, progress=progress
        )
    save_and_print(result, as_json, out, report)
