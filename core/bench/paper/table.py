"""The paper's tables with our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.bench.paper.published import PublishedPaper, PublishedTable

OURS = {"pixel_f1": "pixel_f1_max", "image_f1": "image_f1_max"}
"""Names of the published columns that our metrics have another for."""
_STAGE_OF = {"inception_score": "score", "ic_lpips": "score", "ars": "score", "accuracy": "classify"}


def our_value(found: Mapping[str, Mapping[str, Any]], metric: str, unit: str, chosen: str = "metrics") -> float | None:
    """A metric of one product from its stages' facts, in the table's unit; ``best_on_test`` is the papers' choice."""
    of = next((stage for start, stage in _STAGE_OF.items() if metric.startswith(start)), "localize")
    facts = found.get(of, {})
    value = facts.get(chosen, {}).get(OURS.get(metric, metric))
    return None if value is None else float(value) * (100 if unit == "%" else 1)


def comparison(table: PublishedTable, products: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """By product and metric: ours, ours at the epoch that is best on the test set, and published."""
    rows: dict[str, Any] = {}
    for name, found in products.items():
        printed = table.products.get(name)
        rows[name] = {
            metric: {
                "ours": our_value(found, metric, table.unit),
                "best_on_test": our_value(found, metric, table.unit, "best_on_test"),
                "published": printed[place] if printed else None,
            }
            for place, metric in enumerate(table.metrics)
        }
    return rows


def markdown(paper: PublishedPaper, numbers: Mapping[str, Mapping[str, Any]], budget: str) -> str:
    """Every table: per product and mean, ours (best on test) / published, and the means of others' re-runs."""
    lines = [f"# {paper.paper}", "", f"Budget: {budget}. Ours (at the epoch best on the test set) / published.", ""]
    for table in paper.tables:
        if table.ablation:
            continue
        rows = numbers[table.table]
        head = [f"{metric}{', ' + table.unit if table.unit else ''}" for metric in table.metrics]
        lines += [f"## Table {table.table}: {table.title} ({table.where})", ""]
        lines += ["| product | " + " | ".join(head) + " |", "|" + "---|" * (1 + len(head))]
        for name, row in rows.items():
            lines.append(f"| {name} | " + " | ".join(_cell(row[metric]) for metric in table.metrics) + " |")
        means = [_cell({**_mean(rows, metric), "published": table.mean[i]}) for i, metric in enumerate(table.metrics)]
        lines.append("| mean | " + " | ".join(means) + " |")
        if table.rerun:
            lines += ["", f"Re-run by others: {', '.join(f'{v:g}' for v in table.rerun)} ({table.rerun_by})."]
        lines += ["", *([table.note, ""] if table.note else [])]
    return "\n".join(lines)


def _mean(rows: Mapping[str, Any], metric: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for kind in ("ours", "best_on_test"):
        values = [row[metric][kind] for row in rows.values() if row[metric][kind] is not None]
        found[kind] = sum(values) / len(values) if values else None
    return found


def _cell(cell: Mapping[str, float | None]) -> str:
    ours, best, printed = (cell.get(kind) for kind in ("ours", "best_on_test", "published"))
    said = "–" if ours is None else f"{ours:.2f}" + (f" ({best:.2f})" if best is not None else "")
    return f"{said} / {'–' if printed is None else f'{printed:g}'}"
