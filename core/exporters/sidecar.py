"""What stands beside the data in every format: README.md, load_me.py and the folder ``flawsmith``.

They lie at the top of the export, above every folder that a loader walks through, and hold no PNG.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import core
from core.errors import ExportError
from core.exporters.api import DatasetFormat, DatasetItem, ExportPlan, ExportReport, WrittenItem, write_file
from core.exporters.atomic_folder import MARKER_FILE
from core.images.depth import DepthScale, DepthScales
from core.types import GOOD, KINDS

SAMPLES_FILE = "flawsmith/samples.csv"
RECIPES_FILE = "flawsmith/recipes.jsonl"
COLUMNS = ("image_path", "label", "label_index", "mask_path", "split", "kind", "name", "source")


def write_sidecar(plan: ExportPlan, fmt: DatasetFormat, written: Sequence[WrittenItem], report: ExportReport) -> None:
    """Write README.md, load_me.py, samples.csv, recipes.jsonl and the mark of an export."""
    write_file(plan.folder, SAMPLES_FILE, _samples(written))
    recipes = [
        json.dumps({"image_path": w.image, "recipe": _parsed(w.placed.item.recipe_json)}, sort_keys=True)
        for w in written
        if w.placed.item.recipe_json is not None
    ]
    if plan.options.include_recipes and recipes:
        write_file(plan.folder, RECIPES_FILE, "\n".join(recipes) + "\n")
    write_file(plan.folder, "load_me.py", fmt.loader_script(plan))
    write_file(plan.folder, "README.md", _readme(plan, fmt, written, report))
    mark: dict[str, Any] = {
        "made_by": "Flawsmith",
        "version": core.__version__,
        "format": fmt.name,
        "options": plan.options.model_dump(mode="json"),
        "images": report.images,
        "warnings": list(report.warnings),
    }
    depths = [w.placed.item.depth for w in written if w.placed.item.base != "scale"]
    ends = {(depth.low, depth.high) for depth in depths if depth is not None}
    if plan.options.depth == "source" and len(ends) == 1:
        mark["scale"] = list(ends.pop())
    write_file(plan.folder, MARKER_FILE, json.dumps(mark, indent=1, sort_keys=True) + "\n")


def export_scale(told: object) -> DepthScales:
    """The scale that the mark of an export of ours holds, where it was made in the source's depth."""
    ends = told.get("scale") if isinstance(told, dict) else None
    if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(v, int | float) for v in ends):
        return {}
    low, high = (float(v) for v in ends)
    return {"uint16": DepthScale(low, high, "as it was exported")} if math.isfinite(high - low) and low < high else {}


def _samples(written: Sequence[WrittenItem]) -> str:
    out = io.StringIO()
    # Quoted, since a lone carriage return in a name would end the line.
    table = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writerow(COLUMNS)
    for w in written:
        item = w.placed.item
        table.writerow(
            (
                w.image,
                item.label,
                0 if item.good else 1,
                "" if item.good else w.mask,
                w.placed.split,
                item.kind or "",
                item.name,
                item.source or "",
            )
        )
    return out.getvalue()


def _parsed(recipe: str | None) -> Any:
    """The recipe as JSON where it is JSON that comes back the same, else as it is."""
    try:
        value = json.loads(recipe or "")
    except ValueError:
        return recipe
    return value if isinstance(value, dict) and _compact(value) == recipe else recipe


def _compact(recipe: Mapping[str, object]) -> str:
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"))


def _readme(plan: ExportPlan, fmt: DatasetFormat, written: Sequence[WrittenItem], report: ExportReport) -> str:
    table = Counter((w.placed.item.label, w.placed.split) for w in written)
    labels = [GOOD, *plan.labels] if any(w.placed.item.good for w in written) else list(plan.labels)
    rows = [f"| {name} | {' | '.join(str(table[name, s]) for s in ('train', 'val', 'test'))} |" for name in labels]
    warnings = ["", "Please note:", "", *(f"- {line}" for line in report.warnings)] if report.warnings else []
    recipes = (
        f"- `{RECIPES_FILE}`: how each anomaly was made (engine, settings, seed), one JSON object a line\n"
        if plan.options.include_recipes and any(w.placed.item.recipe_json is not None for w in written)
        else ""
    )
    return "\n".join(
        [
            f"# {plan.options.category}",
            "",
            f"An image and mask dataset in the {fmt.title} format. {fmt.summary}",
            "",
            "| label | train | val | test |",
            "|---|---|---|---|",
            *rows,
            *warnings,
            "",
            "## Files",
            "",
            fmt.layout(plan).strip(),
            f"- `{SAMPLES_FILE}`: one line per image: its path, label, split, name and the photo it was made from",
            recipes + f"- `{MARKER_FILE}`: the settings of this export",
            "",
            "Masks are 0 outside and not 0 inside a defect, never soft. No PNG lies outside the data folders.",
            "",
            "## Load",
            "",
            f"`pip install {fmt.library}`, then `python load_me.py`:",
            "",
            "```python",
            fmt.loader_script(plan).strip(),
            "```",
            "",
        ]
    )


def apply_sidecar(root: Path, items: Sequence[tuple[str, DatasetItem]]) -> list[DatasetItem]:
    """The items, each with its path relative to ``root``, plus what samples.csv and recipes.jsonl tell of them."""
    rows = _read_samples(root / SAMPLES_FILE)
    recipes = _read_recipes(root / RECIPES_FILE)
    return [_with_sidecar(item, rows.get(relative), recipes.get(relative)) for relative, item in items]


def _with_sidecar(item: DatasetItem, row: Mapping[str, str] | None, recipe: str | None) -> DatasetItem:
    if row is None:
        return replace(item, recipe_json=recipe)
    return replace(
        item,
        name=row["name"],
        label=row["label"],
        kind=next((k for k in KINDS if k == row["kind"]), item.kind),
        source=row["source"] or None,
        recipe_json=recipe,
    )


def _read_samples(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if set(COLUMNS) - set(table.fieldnames or ()):
            raise ExportError(f"{path}: expected the columns {', '.join(COLUMNS)}; export the dataset again")
        return {row["image_path"]: row for row in table}


def _read_recipes(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            recipe = entry["recipe"]
            found[entry["image_path"]] = recipe if isinstance(recipe, str) else _compact(recipe)
        except (ValueError, KeyError, TypeError) as error:
            raise ExportError(f"{path}: line {number} is no recipe; export the dataset again") from error
    return found
