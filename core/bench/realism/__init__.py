"""``launch.py bench realism``: do the engines' pairs teach a detector to find real anomalies?

One row per engine and one for the few real anomalies alone, on one learning folder and one test folder, the same
budget for each: so many pairs per label, the same training, the same seeds. Every cell is kept as soon as it is
finished, so a stopped table goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from core.api import Workbench
from core.bench.realism.environment import environment
from core.bench.realism.pair_statistics import measure_pairs
from core.bench.realism.rows import TableRow, default_rows, make_pairs, open_project, parse_row
from core.bench.realism.table import COLUMNS, markdown, row_record
from core.errors import Cancelled, FlawsmithError, InputError
from core.evaluation.detectors.api import TrainContext
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.localization import evaluate_localization
from core.evaluation.pair_sheet import contact_sheet
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.report import write_report
from core.evaluation.results import EvalResult
from core.evaluation.seen_photos import seen_anomalies, unseen_test
from core.images import atomic_write

EXCLUDED_LABELS = {"magnetic_tile": ("uneven",)}
"""Labels left out unless told otherwise: masks of "uneven" cover up to half a tile and drown every pixel metric."""

QUICK = {"epochs": 2, "samples": 80, "test_every": 2}
"""Changes to the training where --quick only asks whether the table can be made."""


@dataclass(frozen=True)
class RealismPlan:
    """One table: where to learn, where to test, and with how much. The config stands beside the numbers.

    With ``looks`` the pairs themselves are measured as well.
    """

    data: Path
    test: Path
    out: Path
    count: int
    seeds: int
    preset: str
    detector: str = "unet"
    params: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    device: str = "auto"
    looks: bool = False

    def config(self) -> dict[str, Any]:
        """What every cell of the table shares; a folder holds cells of one config only."""
        return {
            "learned_from": self.data.name,
            "tested_on": self.test.name,
            "without": list(self.without),
            "seen": "not tested",
            "pairs_per_label": self.count,
            "detector": self.detector,
            "preset": self.preset,
            "params": dict(self.params),
            "device": self.device,
        }


def measure(
    quick: bool = False,
    *,
    data: Path | None = None,
    out: Path | None = None,
    test: Path | None = None,
    rows: Sequence[str] = (),
    seeds: int = 3,
    count: int | None = None,
    without: Sequence[str] | None = None,
    preset: str = "cpu",
    detector: str = "unet",
    params: Mapping[str, object] | None = None,
    device: str = "auto",
    looks: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the tables and return ``{"signature", "tables": {folder: {"config", "rows"}}, "out"}``.

    ``data`` is a folder in MVTec AD layout with real anomalies, tested on ``test`` (default: the folder of its name
    with ``_dev`` behind), or a folder around such pairs of folders, and then there is one table for each. ``rows``
    are as in parse_row; ``looks`` asks of the pairs themselves what pair_statistics
    says. InputError if a folder is missing or ``out`` holds another table.
    """
    if data is None or out is None:
        raise InputError("bench realism: give --data (a folder with real anomalies) and --out (where the table goes)")
    chosen = [parse_row(text) for text in rows] or default_rows()
    plan = RealismPlan(
        data, data, out, count or (6 if quick else 100), 1 if quick else seeds, preset, detector, device=device,
        looks=looks,
    )  # fmt: skip
    plan = replace(plan, params={**(QUICK if quick else {}), **(params or {})})
    plans = [
        replace(
            plan,
            data=d,
            test=t,
            out=out / d.name,
            without=tuple(EXCLUDED_LABELS.get(d.name, ()) if without is None else without),
        )
        for d, t in test_folders(data, test)
    ]
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        tables = {p.data.name: RealismTable(p, chosen, progress, cancelled).run() for p in plans}
    finally:
        cv2.setNumThreads(before)
    return {"signature": environment(device), "out": str(out), "tables": tables}


def test_folders(data: Path, test: Path | None) -> list[tuple[Path, Path]]:
    """The pairs of folders to learn from and to test on."""
    data = data.expanduser().resolve()
    if not data.is_dir():
        raise InputError(f"--data {data}: there is no such folder")
    if test is not None:
        if not test.is_dir():
            raise InputError(f"--test {test}: there is no such folder")
        return [(data, test.expanduser().resolve())]
    beside = data.with_name(f"{data.name}_dev")
    if beside.is_dir():
        return [(data, beside)]
    inside = [d for d in sorted(data.iterdir()) if d.is_dir() and d.with_name(f"{d.name}_dev").is_dir()]
    if not inside:
        raise InputError(f"--data {data}: expected {beside.name} beside it to test on; name it with --test")
    return [(d, d.with_name(f"{d.name}_dev")) for d in inside]


class RealismTable:
    """One table on the way: seeds in the outer loop, so that an unfinished one compares all rows already."""

    columns: Mapping[str, str] = COLUMNS

    def __init__(
        self,
        plan: RealismPlan,
        rows: Sequence[TableRow],
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.spec, self.rows, self.report_line, self.cancelled = plan, rows, progress, cancelled
        self.results: dict[str, EvalResult] = {}
        self.failed: dict[str, str] = {}
        self.notes: tuple[str, ...] = ()
        self.facts: dict[str, dict[str, Any]] = {}

    def run(self) -> dict[str, Any]:
        """Make, keep and return the table."""
        plan = self.spec
        plan.out.mkdir(parents=True, exist_ok=True)
        _check_config(plan)
        learned, test = self._unseen(*([s for s in shots if s.label not in plan.without] for shots in self.photos()))
        sets = self._sets(learned)
        if plan.looks:
            self._measure_pairs(sets, learned, test)
        for done in range(1, plan.seeds + 1):
            for row in [r for r in self.rows if r.name in sets]:
                self._run_cell(row, sets[row.name], test, done)
                self._write()
        table = self._write()
        if self.results:
            write_report(plan.out / "report.html", list(self.results.values()), list(self.results))
        return table

    def photos(self) -> tuple[list[Shot], list[Shot]]:
        """What is learned from, real anomalies with it, and what is tested on."""
        return read_photo_set(self.spec.data, "train", anomalies="all"), read_photo_set(self.spec.test, "test")

    def _unseen(self, learned: list[Shot], test: list[Shot]) -> tuple[list[Shot], list[Shot]]:
        """Both, the test without photos that show what is learned from, which the table then says."""
        real, good = [s for s in learned if not s.good], [s for s in learned if s.good]
        rest = unseen_test(test, seen_anomalies(test, real, good))
        self.notes = (*rest.notes, *rest.warnings)
        return learned, list(rest.shots)

    def pairs(
        self, bench: Workbench, row: TableRow, labels: Sequence[str]
    ) -> tuple[list[GeneratedPair], dict[str, Any]]:
        """The pairs of a row that has an engine, and facts about how they were made."""
        return make_pairs(
            bench, row, labels, self.spec.count, self.spec.out / "pairs", self.report_line, self.cancelled
        )

    def training(self, row: TableRow) -> dict[str, Any]:
        """What learns from the row's pairs, and how."""
        return {"detector": self.spec.detector, "preset": self.spec.preset, "params": self.spec.params}

    def _sets(self, learned: Sequence[Shot]) -> dict[str, list[Shot]]:
        """What each row learns from; an engine that cannot run is noted and left out."""
        good, real = [s for s in learned if s.good], [s for s in learned if not s.good]
        labels = sorted({s.label for s in real})
        sets: dict[str, list[Shot]] = {}
        with open_project(self.spec.out / "project", self.spec.data) as bench:
            for row in self.rows:
                pairs: list[GeneratedPair] = []
                self.facts[row.name] = {}
                try:
                    if row.engine:
                        pairs, self.facts[row.name] = self.pairs(bench, row, labels)
                except Cancelled:
                    raise
                except FlawsmithError as error:
                    self.failed[row.name] = str(error)
                    self.report_line(f"{row.name}: left out, {error}")
                    continue
                anomalies = [*pairs, *(real if row.real else [])]
                sets[row.name] = [*good, *anomalies]
                atomic_write(self.spec.out / f"sheet_{row.file}.png", contact_sheet(anomalies))
        return sets

    def _measure_pairs(
        self, sets: Mapping[str, Sequence[Shot]], learned: Sequence[Shot], test: Sequence[Shot]
    ) -> None:
        for row in self.rows:
            if made := [shot for shot in sets.get(row.name, ()) if isinstance(shot, GeneratedPair)]:
                path = self.spec.out / "pairs" / f"{row.pairs_file}.looks.json"
                found = measure_pairs(made, learned, test, path, self.spec.device, self.cancelled)
                self.facts[row.name]["looks"] = found
                self.report_line(f"{row.name}: looked at {len(made)} pairs")

    def _run_cell(self, row: TableRow, train: Sequence[Shot], test: Sequence[Shot], done: int) -> None:
        plan, seed = self.spec, done - 1
        path = plan.out / "cells" / row.file / f"seed-{seed}.json"
        began, busy = time.monotonic(), time.process_time()
        ctx = TrainContext(
            device=plan.device,
            checkpoint=plan.out / "trainings",
            cancelled=self.cancelled,
            keep=False,
            curve=self._curve_reporter(row, seed),
        )
        result = evaluate_localization(
            train,
            test,
            seeds=range(done),
            ctx=ctx,
            source={"pairs": row.name, "learned_from": plan.data.name, "tested_on": plan.test.name},
            **self.training(row),
        )
        self.results[row.name] = result
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        metrics, spent = dict(result.seeds[str(seed)]), round(time.monotonic() - began, 1)
        cell = {
            "row": row.name,
            "seed": seed,
            "metrics": metrics,
            "wall_s": spent,
            "cpu_s": round(time.process_time() - busy, 1),
            "config": plan.config(),
            "signature": environment(plan.device),
        }
        atomic_write(path, json.dumps(cell, indent=1).encode())
        self.report_line(f"{row.name}, seed {seed}: pixel AP {metrics['pixel_ap']:.4f} in {spent:.0f} s")

    def _curve_reporter(self, row: TableRow, seed: int) -> Callable[[str, float, float], None]:
        def curve(name: str, x: float, y: float) -> None:
            if not name.startswith("loss"):
                self.report_line(f"{row.name}, seed {seed}, epoch {x:g}: {name} {y:.4f}")

        return curve

    def _write(self) -> dict[str, Any]:
        rows = [row_record(r, self.results.get(r.name), self.facts[r.name], self._read_cells(r)) for r in self.rows]
        table = {"config": self.spec.config(), "rows": rows, "left_out": self.failed, "notes": list(self.notes)}
        signed = {"signature": environment(self.spec.device), **table}
        atomic_write(self.spec.out / "results.json", json.dumps(signed, indent=1).encode())
        atomic_write(self.spec.out / "table.md", markdown(signed, self.columns).encode())
        return table

    def _read_cells(self, row: TableRow) -> list[dict[str, Any]]:
        paths = sorted((self.spec.out / "cells" / row.file).glob("seed-*.json"))
        return [json.loads(path.read_text()) for path in paths]


def _check_config(plan: RealismPlan) -> None:
    """InputError if the folder holds cells of another config; else the config is written down."""
    path = plan.out / "config.json"
    if path.is_file():
        before = json.loads(path.read_text())
        if changed := [f"{k} {before.get(k)!r}" for k, v in plan.config().items() if before.get(k) != v]:
            raise InputError(f"{plan.out}: holds a table made with {', '.join(changed)}; choose another --out")
    atomic_write(path, json.dumps(plan.config(), indent=1).encode())
