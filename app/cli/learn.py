"""``learn``: teach an engine an anomaly from a handful of real ones."""

from __future__ import annotations

import time
from typing import Annotated, Any

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
    split_lines,
)
from core.api import Workbench
from core.api.concepts.library import LearnRequest


def learn(
    project: ProjectPath,
    engine: Annotated[str, typer.Option(help="Engine that learns, for example anomaly_diffusion.")],
    label: Annotated[
        str | None,
        typer.Option(help="Label to learn, or several with commas between; left out, all labels, together."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="flawsmith (ours), paper (as published) or code (as released).")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps at most.")] = None,
    adapt: Annotated[bool, typer.Option("--adapt", help="First adapt the model to the product's photos.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same concept.")] = None,
    also: Annotated[
        list[str],
        typer.Option("--also", help="Another project, whose anomalies are learned along; may be repeated."),
    ] = [],  # noqa: B006
    split: SplitShare = None,
    split_seed: SplitSeed = None,
    param: Annotated[list[str], typer.Option("--param", help="A setting of the learning as name=value.")] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Learn an anomaly from real examples; stopped, the same command goes on where it was."""
    began = time.monotonic()
    params = parse_settings(param, "--param")
    given: dict[str, Any] = {"preset": preset, "steps": steps, "seed": seed, "adapt": adapt or None}
    params |= {name: value for name, value in given.items() if value is not None}
    with Workbench.open(project) as bench:
        set_split(bench, split, split_seed)
        order = LearnRequest(engine=engine, label=label or "", params=params, also=tuple(also))
        with progress_bar(f"Learning {label or 'all labels'}") as progress:
            made = bench.concepts.learn(order, progress=progress)
        config = made.config
        result = {
            "project": str(bench.path),
            "engine": engine,
            "concept": made.id,
            "labels": list(made.labels),
            "backbone": made.backbone,
            "examples": {name: len(ids) for name, ids in config.examples.items()},
            "steps": config.steps,
            "stopped_early": config.stopped_early,
            "loss": config.losses[-1][1] if config.losses else None,
            "validation": config.validation,
            "notes": list(made.notes),
            "path": str(bench.concepts.folder / made.id),
            "seconds": round(time.monotonic() - began, 1),
        }
        divided = split_lines(bench)
    lines = [f"learned {made.title} as {made.id}: {result['steps']} steps in {result['seconds']:.0f} s"]
    print_result(
        result, as_json, [*lines, *divided, *made.notes, f"try it: launch.py generate {project} --engine {engine}"]
    )
