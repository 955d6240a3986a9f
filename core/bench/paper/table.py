"""The paper's tables with our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.bench.paper.published import PublishedPaper, PublishedTable

OURS = {"pixel_f1": "pixel_f1_max", "image_f1": "image_f1_max"}
"""Names of the published columns that our metrics have another for."""
_STAGE_OF = {"inception_score": "score", "ic_lpips": "score", "ars": "score", "accuracy": "classify"}


_PERCENT = ("accuracy",)
"""Printed in percent also where the table's other columns are not."""

ProductFacts = Mapping[str, Mapping[str, Any]]
"""What was found of one product, by stage."""


def stages_of(table: PublishedTable) -> set[str]:
    """The stages from which the table's columns come."""
    return {_stage_of(metric) for metric in table.metrics}


def _stage_of(metric: str) -> str:
    return next((stage for start, stage in _STAGE_OF.items() if metric.startswith(start)), "localize")


def our_value(found: ProductFacts, metric: str, unit: str, chosen: str = "metrics") -> float | None:
    """A metric of one product from its stages' facts, in the table's unit; ``best_on_test`` is the papers' choice."""
    value = found.get(_stage_of(metric), {}).get(chosen, {}).get(OURS.get(metric, metric))
    return None if value is None else float(value) * (100 if unit == "%" or metric in _PERCENT else 1)


def comparison(table: PublishedTable, products: Mapping[str, ProductFacts]) -> dict[str, Any]:
    """By product and metric: ours, ours at the epoch that is best on the test set, and published."""
    return {name: _compared(table, found, table.products.get(name)) for name, found in products.items()}


def ablation_comparison(table: PublishedTable, rows: Mapping[str, Mapping[str, ProductFacts]]) -> dict[str, Any]:
    """By row of an ablation table and metric: the mean of ours over the products of ``rows``, and published."""
    found: dict[str, Any] = {}
    for row, products in rows.items():
        ours = comparison(table, products)
        printed = table.ablation[row]
        found[row] = {
            metric: {**_mean(ours, metric), "published": printed[place]} for place, metric in enumerate(table.metrics)
        }
    return found


def _compared(table: PublishedTable, found: ProductFacts, printed: Sequence[float] | None) -> dict[str, Any]:
    return {
        metric: {
            "ours": our_value(found, metric, table.unit),
            "best_on_test": our_value(found, metric, table.unit, "best_on_test"),
            "published": printed[place] if printed else None,
        }
        for place, metric in enumerate(table.metrics)
    }


def table_rows(table: PublishedTable, numbers: Mapping[str, Any]) -> list[list[str]]:
    """The table as text, its head first: per product and their mean, or per row of an ablation."""
    head = [f"{metric}{', ' + table.unit if table.unit else ''}" for metric in table.metrics]
    rows = [["row" if table.ablation else "product", *head]]
    rows += [[name, *(_cell(row[metric]) for metric in table.metrics)] for name, row in numbers.items()]
    if not table.ablation:
        means = [{**_mean(numbers, metric), "published": table.mean[i]} for i, metric in enumerate(table.metrics)]
        rows.append(["mean", *map(_cell, means)])
    return rows


def remarks(table: PublishedTable) -> list[str]:
    """What stands below the table."""
    rerun = f"Re-run by others: {', '.join(f'{v:g}' for v in table.rerun)} ({table.rerun_by})." if table.rerun else ""
    return [line for line in (rerun, table.note) if line]


def legend(budget: str) -> str:
    """How a cell is read."""
    return f"Budget: {budget}. Ours (at the epoch best on the test set) / published."


def markdown(paper: PublishedPaper, numbers: Mapping[str, Mapping[str, Any]], budget: str) -> str:
    """The tables of ``numbers``: per product and mean, ours (best on test) / published, and others' re-runs."""
    lines = [f"# {paper.paper}", "", legend(budget), ""]
    for number, found in numbers.items():
        table = paper.table(number)
        head, *rows = table_rows(table, found)
        lines += [f"## Table {number}: {table.title} ({table.where})", "", _line(head), "|" + "---|" * len(head)]
        lines += [*map(_line, rows), ""]
        for remark in remarks(table):
            lines += [remark, ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
