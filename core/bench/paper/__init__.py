"""``launch.py bench paper METHOD``: a paper's tables by its own protocol, beside what it prints.

Split, learn, generate, score, localize, classify: each stage of each product is kept as soon as it is finished.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.bench.paper.component_stages import ComponentRun
from core.bench.paper.product_split import labels_of, product_folders
from core.bench.paper.protocol import STAGES, PaperBudget, PaperProtocol, budget_of, protocol_of
from core.bench.paper.published import published
from core.bench.paper.stages import ProductRun
from core.bench.paper.table import comparison, markdown
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
    budget: str = "",
    plan: bool = False,
    device: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the tables of ``method`` and return them; with ``plan`` say what that takes and make nothing.

    ``stage`` names those to make, each with what it needs. NotFound or InputError where something is not there, or
    ``out`` holds a table of another budget.
    """
    protocol, paper = protocol_of(method), published()[method]
    if data is None:
        raise InputError("bench paper: give --data, a folder in MVTec AD's layout or of such folders")
    folders = product_folders(data, product)
    wanted = budget or ("toy" if quick else "paper")
    budgets = {folder: budget_of(wanted, protocol, len(labels_of(folder))) for folder in folders}
    if plan:
        return {"paper": paper.paper, "gpu": protocol.gpu, "plan": _plan(protocol, budgets)}
    if out is None:
        raise InputError("bench paper: give --out, where the tables go and go on")
    if strange := sorted(set(stage) - set(STAGES)):
        raise InputError(f"--stage {strange[0]}: there are {', '.join(STAGES)}")
    products = {}
    for folder in folders:
        place = out / folder.name
        _check_budget(place, {**budgets[folder].as_json(), "method": method, "backbone": backbone})
        kind = ComponentRun if protocol.from_good_parts else ProductRun
        run = kind(folder, place, protocol, budgets[folder], backbone, device, progress, cancelled)
        products[folder.name] = {name: run.run(name) for name in STAGES if not stage or _needed(name, stage)}
    numbers = {t.table: comparison(t, products) for t in paper.tables if not t.ablation}
    atomic_write(out / "results.json", json.dumps({"budget": wanted, "tables": numbers}, indent=1).encode())
    atomic_write(out / "tables.md", markdown(paper, numbers, wanted).encode())
    return {"paper": paper.paper, "budget": wanted, "out": str(out), "tables": numbers}


def _needed(name: str, stage: Sequence[str]) -> bool:
    """Whether ``name`` is asked for, or comes before generate, which all later stages read."""
    last = max(STAGES.index(one) for one in stage)
    return name in stage or STAGES.index(name) < min(last, STAGES.index("score"))


def _plan(protocol: PaperProtocol, budgets: dict[Path, PaperBudget]) -> dict[str, Any]:
    """Per product: hours of each stage on the paper's GPU, pairs, and disk by the size of the photos."""
    found: dict[str, Any] = {}
    for folder, budget in budgets.items():
        labels = labels_of(folder)
        photo = next((folder / "train" / "good").glob("*"))
        hours = protocol.hours(len(labels), budget)
        found[folder.name] = {
            "labels": len(labels),
            "pairs": budget.pairs * len(labels),
            "hours": {name: round(value, 2) for name, value in hours.items()},
            "hours_total": round(sum(hours.values()), 1),
            "disk_gb": round(budget.pairs * len(labels) * photo.stat().st_size * 1.2 / 1e9, 2),
        }
    return found


def _check_budget(place: Path, config: dict[str, Any]) -> None:
    path = place / "budget.json"
    if path.is_file() and json.loads(path.read_text()) != config:
        raise InputError(f"{place}: it holds results made otherwise ({path.name}); choose another --out")
    place.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(config, indent=1).encode())
