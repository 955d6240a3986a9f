"""Several trainings of one evaluation: each finished seed is kept and found again, and all are summed up."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError
from core.evaluation.detectors.api import TrainContext
from core.evaluation.photo_sets import Shot
from core.evaluation.results import MAX_POINTS, Curve, EvalResult, list_results, save_result
from core.types import Image

TrainOneSeed = Callable[[TrainContext], EvalResult]
"""Trains and tests with the context's seed."""


def fingerprint(config: Mapping[str, object], *sets: Sequence[Shot]) -> str:
    """16 hex digits that stand for the settings and for every photo, label and mask of the sets."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for shots in sets:
        lines = sorted(f"{shot.label}:{'+'.join(_parts(shot))}" for shot in shots)
        digest.update("\n".join(lines).encode() + b"\0")
    return digest.hexdigest()[:16]


def _parts(shot: Shot) -> Iterable[str]:
    for given in (shot.image, *shot.masks):
        data = given.read_bytes() if isinstance(given, Path) else given.tobytes() + str(given.shape).encode()
        yield hashlib.sha256(data).hexdigest()


def run_seeds(seeds: Sequence[int], ctx: TrainContext, key: str, one: TrainOneSeed) -> list[EvalResult]:
    """The result of ``one`` for each seed in turn, taken from ``ctx.checkpoint`` where it was finished before.

    ``key`` names what is trained: the same key and seed is the same training. Cancelled says how many are kept.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise InputError(f"seeds: expected different whole numbers, at least one, got {list(seeds)}")
    done: list[EvalResult] = []
    for place, seed in enumerate(seeds):
        kept = ctx.checkpoint / f"{key}-seed{seed}" if ctx.checkpoint else None
        found = list_results(kept) if kept else []
        if found:
            done.append(found[0].result)
            continue
        try:
            result = one(replace(_seed_context(ctx, seed, place, len(seeds)), keep=ctx.keep and place == 0))
        except Cancelled as stop:
            if ctx.checkpoint is None:
                raise Cancelled("stopped; nothing was kept") from stop
            raise Cancelled(
                f"stopped; {len(done)} of {len(seeds)} trainings are finished and kept, and are not done again"
            ) from stop
        if kept:
            kept.mkdir(parents=True, exist_ok=True)
            save_result(kept, result)
        done.append(result)
    return done


def _seed_context(ctx: TrainContext, seed: int, place: int, seeds: int) -> TrainContext:
    def progress(done: int, total: int, preview: Image | None = None, message: str = "") -> None:
        what = f"seed {seed} ({place + 1} of {seeds}), {message}" if seeds > 1 else message
        ctx.progress(place * total + done, seeds * total, preview, what)

    def curve(name: str, x: float, y: float) -> None:
        ctx.curve(_curve_name(name, place, seed), x, y)

    return replace(ctx, seed=seed, progress=progress, curve=curve)


def _curve_name(name: str, place: int, seed: int) -> str:
    return name if place == 0 else f"{name}, seed {seed}"


def averaged_over_seeds(
    results: Sequence[EvalResult], seeds: Sequence[int], title: str, config: Mapping[str, Any]
) -> EvalResult:
    """One result of all seeds: means, standard deviations (n - 1), each seed's values; pictures of the first."""
    first = results[0]
    labels = dict.fromkeys(label for r in results for label in r.per_label)
    curves: dict[str, Curve] = {}
    for place, (seed, result) in enumerate(zip(seeds, results, strict=True)):
        curves |= {_curve_name(name, place, seed): c for name, c in result.curves.items() if place == 0 or _live(c)}
    return replace(
        first,
        title=title,
        config=dict(config),
        metrics=mean_of([r.metrics for r in results]),
        spread=spread_of([r.metrics for r in results]),
        per_label={label: mean_of([r.per_label.get(label, {}) for r in results]) for label in labels},
        best_on_test=mean_of([r.best_on_test for r in results]),
        seeds={str(seed): dict(r.metrics) for seed, r in zip(seeds, results, strict=True)},
        curves=curves,
        notes=tuple(dict.fromkeys(note for r in results for note in r.notes)),
    )


def _live(curve: Curve) -> bool:
    return curve.x_label == EPOCHS


EPOCHS = "epochs"
"""Label of the axis of what was watched while training."""


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of the values that every row has."""
    return {name: statistics.fmean(row[name] for row in rows) for name in _shared(rows)}


def spread_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Standard deviations (n - 1) of the values that every row has; {} for one row."""
    if len(rows) < 2:
        return {}
    return {name: statistics.stdev(row[name] for row in rows) for name in _shared(rows)}


def _shared(rows: Sequence[Mapping[str, float]]) -> list[str]:
    return [name for name in rows[0] if all(name in row for row in rows)]


class CurveRecorder:
    """Keeps the points of live curves and passes them on."""

    def __init__(self, onward: Callable[[str, float, float], None]) -> None:
        self._onward = onward
        self._points: dict[str, list[tuple[float, float]]] = {}

    def __call__(self, name: str, x: float, y: float) -> None:
        self._points.setdefault(name, []).append((x, y))
        self._onward(name, x, y)

    def curves(self) -> dict[str, Curve]:
        """All curves, thinned to what a result holds."""
        made = {}
        for name, points in self._points.items():
            step = -(-len(points) // MAX_POINTS)
            kept = points[::step]
            if kept[-1] != points[-1]:
                kept[-1] = points[-1]
            made[name] = Curve(tuple(x for x, _ in kept), tuple(y for _, y in kept), EPOCHS, name.replace("_", " "))
        return made
