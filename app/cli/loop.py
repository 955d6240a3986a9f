"""``loop``: from what a detector misses to the pairs that mend it, round by round."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import (
    AsJson,
    ProjectPath,
    SplitSeed,
    SplitShare,
    parse_settings,
    print_result,
    progress_bar,
    set_split,
)
from core.api import Workbench
from core.api.loops import EXAMPLE, LoopCard, LoopSpec, parse_budget

Contract = Annotated[
    str,
    typer.Option(
        help="What to reach: METRIC>=VALUE @ CONSTRAINT, ... Metrics: image_recall, worst_recall (of the label found "
        "worst), image_auroc, image_ap, image_f1; METRIC[LABEL] is of one label."
    ),
]
Budget = Annotated[
    list[str],
    typer.Option("--budget", help="pairs=200: pairs that rounds may add in all; minutes=60: no round begins after."),
]
Seeds = Annotated[
    int, typer.Option(min=2, max=100, help="Trainings of each comparison; gains are held against their spread.")
]
Engines = Annotated[
    str, typer.Option(help="Engines to choose from, by commas; left out, all that draw without a model.")
]
Auto = Annotated[bool, typer.Option("--auto", help="Train on what the filter kept, without waiting for a look at it.")]


def loop(
    project: ProjectPath,
    contract: Contract = EXAMPLE,
    detector: Annotated[str, typer.Option(help="The detector to train: features, unet, ...")] = "features",
    preset: Annotated[str, typer.Option(help="Training preset: cpu or paper.")] = "cpu",
    param: Annotated[list[str], typer.Option("--param", help="A setting of the training as name=value.")] = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, max=100, help="At most so many rounds.")] = 3,
    budget: Budget = ["pairs=200"],  # noqa: B006
    seeds: Seeds = 3,
    engines: Engines = "",
    auto: Auto = False,
    unlabelled: Annotated[
        Path | None, typer.Option(help="A folder of unlabelled photos, in which look-alikes of misses are sought.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    split: SplitShare = None,
    split_seed: SplitSeed = None,
    out: Annotated[Path | None, typer.Option("--out", help="The loop's folder; left out, one in the project.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train, see what is missed, make pairs like it, train again, and keep what helped.

    It ends where a person may look at the new pairs in Review; the same command again goes on. Stopped or killed, the
    same command goes on where it was.
    """
    limits = parse_budget(budget)
    spec = LoopSpec(
        contract, detector, preset, parse_settings(param, "--param"), rounds, int(limits.get("pairs", 200)),
        limits.get("minutes", 0.0), seeds, auto, tuple(filter(None, engines.split(","))),
        str(unlabelled.expanduser().resolve()) if unlabelled else "", seed,
    )  # fmt: skip
    with Workbench.open(project) as bench, progress_bar("Loop") as progress:
        set_split(bench, split, split_seed)
        found = bench.loops.run(spec, out, progress)
    print_result(found.as_dict(), as_json, _lines(found, project))


def _lines(found: LoopCard, project: Path) -> list[str]:
    told = found.as_dict()
    lines = [found.said]
    for name, values in told["reached"].items():
        called = name if name == "baseline" else f"round {name}"
        lines.append(f"{called}: {', '.join(f'{metric} {value:.4f}' for metric, value in values.items())}")
    for number, gate in told["rounds"].items():
        lines.append(f"round {number} {'kept' if gate['kept'] else 'taken back'}: {gate['reason']}")
    if found.waits_for:
        lines.append(f"look at the new pairs in Review (launch.py ui {project}), keep or reject; then run this again")
    return [*lines, f"report: {found.report}"]
