"""``launch.py bench paper METHOD``: a paper's tables by its own protocol, beside what it prints.

Split, learn, generate, score, localize, classify: each stage of each product is kept as soon as it is finished. A row
of an ablation table goes the same way with a part of the method taken away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.bench.paper.ablations import ABLATIONS, WHOLE
from core.bench.paper.component_stages import ComponentRun
from core.bench.paper.product_split import labels_of, product_folders
from core.bench.paper.protocol import STAGES, PaperBudget, PaperProtocol, budget_of, protocol_of
from core.bench.paper.published import PublishedTable, published
from core.bench.paper.stages import Facts, ProductRun
from core.bench.paper.table import ablation_comparison, comparison, markdown, stages_of
from core.errors import InputError
from core.images import atomic_write


def measure(
    quick: bool = False,
    *,
    method: str = "",
    data: Path | None = None,
    out: Path | None = None,
    backbone: str = "auto",
    product: Sequence[str] = (),
    stage: Sequence[str] = (),
    table: Sequence[str] = (),
    budget: str = "",
    plan: bool = False,
    device: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the tables of ``method`` and return them; with ``plan`` say what that takes and make nothing.

    ``table`` names those to make, ablations too; none makes all others. ``stage`` names the stages to make, each with
    what it needs. NotFound or InputError where something is not there, or ``out`` holds a table of another budget.
    """
    protocol, paper = protocol_of(method), published()[method]
    chosen = [paper.table(number) for number in table] or [t for t in paper.tables if not t.ablation]
    if data is None:
        raise InputError("bench paper: give --data, a folder in MVTec AD's layout or of such folders")
    folders = product_folders(data, product)
    wanted = budget or ("quick" if quick else "paper")
    budgets = {folder: budget_of(wanted, protocol, len(labels_of(folder))) for folder in folders}
    if plan:
        return {"paper": paper.paper, "gpu": protocol.gpu, "plan": _plan(method, protocol, budgets, chosen)}
    if out is None:
        raise InputError("bench paper: give --out, where the tables go and go on")
    if strange := sorted(set(stage) - set(STAGES)):
        raise InputError(f"--stage {strange[0]}: there are {', '.join(STAGES)}")
    runs = []
    for folder in folders:
        place = out / folder.name
        _check_budget(place, {**budgets[folder].as_json(), "method": method, "backbone": backbone})
        kind = ComponentRun if protocol.from_good_parts else ProductRun
        runs.append(kind(folder, place, protocol, budgets[folder], backbone, device, progress, cancelled))
    made = PaperTables(method, tuple(runs), tuple(stage))
    numbers = {one.table: made.numbers(one) for one in chosen}
    _write_tables(out, method, wanted, numbers, made)
    return {"paper": paper.paper, "budget": wanted, "out": str(out), "tables": numbers}


@dataclass(frozen=True)
class PaperTables:
    """The products' ``runs``, of which the asked ``stages`` are made (all: as many as a table needs), and what each
    run and row has found so far."""

    method: str
    runs: tuple[ProductRun, ...]
    stages: tuple[str, ...]

    def numbers(self, table: PublishedTable) -> dict[str, Any]:
        """The table's, made now where they were not before."""
        needed = set(self.stages) or stages_of(table)
        if not table.ablation:
            return comparison(table, {run.product.name: _made(run, needed) for run in self.runs})
        rows = {
            name: {run.product.name: _made(self._row(run, name), needed) for run in self.runs}
            for name in table.ablation
        }
        return ablation_comparison(table, rows)

    def _row(self, run: ProductRun, name: str) -> ProductRun:
        """The run of a row; the one that takes nothing away is the product's own."""
        variant = ABLATIONS[self.method][name]
        return run if variant is WHOLE else replace(run, row=name, variant=variant)

    def found(self) -> list[tuple[ProductRun, Mapping[str, Facts]]]:
        """Every run and row of which something is there, by stage."""
        rows = [name for name, variant in ABLATIONS[self.method].items() if variant is not WHOLE]
        runs = [one for run in self.runs for one in (run, *(self._row(run, name) for name in rows))]
        there = [(run, {stage: run.run(stage) for stage in STAGES if run.path(stage).is_file()}) for run in runs]
        return [(run, facts) for run, facts in there if not run.row or "generate" in facts]


def _made(run: ProductRun, stages: set[str]) -> dict[str, Facts]:
    """What the run finds at ``stages`` and at those before generate, which all later ones read."""
    last = max(STAGES.index(one) for one in stages)
    needed = [name for name in STAGES if name in stages or STAGES.index(name) < min(last, STAGES.index("score"))]
    return {name: run.run(name) for name in needed}


def _write_tables(
    out: Path, method: str, budget: str, numbers: Mapping[str, Mapping[str, Any]], made: PaperTables
) -> None:
    """``results.json``, ``tables.md`` and ``report.html`` in ``out``."""
    from core.bench.paper.report import report_page

    paper = published()[method]
    atomic_write(out / "results.json", json.dumps({"budget": budget, "tables": numbers}, indent=1).encode())
    atomic_write(out / "tables.md", markdown(paper, numbers, budget).encode())
    atomic_write(out / "report.html", report_page(paper, numbers, budget, made.found()).encode())


def _plan(
    method: str, protocol: PaperProtocol, budgets: dict[Path, PaperBudget], tables: Sequence[PublishedTable]
) -> dict[str, Any]:
    """Per product: hours of each stage on the paper's GPU, pairs, and disk by the size of the photos.

    Rows of an ablation count as often as they are drawn and trained on, and as often as they learn otherwise.
    """
    rows = {row for table in tables for row in table.ablation}
    variants = [ABLATIONS[method][row] for row in rows] or [WHOLE]
    learned, times = len({variant.learning_name for variant in variants}), len(variants)
    asked = {stage for table in tables for stage in stages_of(table)}
    found: dict[str, Any] = {}
    for folder, budget in budgets.items():
        labels = labels_of(folder)
        photo = next((folder / "train" / "good").glob("*"))
        hours = {
            name: value * (learned if name == "learn" else times)
            for name, value in protocol.hours(len(labels), budget).items()
            if name in ("learn", "generate") or name in asked
        }
        found[folder.name] = {
            "labels": len(labels),
            "rows": times,
            "pairs": budget.pairs * len(labels) * times,
            "stages": [name for name in STAGES if name in ("split", "learn", "generate") or name in asked],
            "hours": {name: round(value, 2) for name, value in hours.items()},
            "hours_total": round(sum(hours.values()), 1),
            "disk_gb": round(budget.pairs * len(labels) * times * photo.stat().st_size * 1.2 / 1e9, 2),
        }
    return found


def _check_budget(place: Path, config: dict[str, Any]) -> None:
    path = place / "budget.json"
    if path.is_file() and json.loads(path.read_text()) != config:
        raise InputError(f"{place}: it holds results made otherwise ({path.name}); choose another --out")
    place.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(config, indent=1).encode())
