"""What the ``evaluate`` commands share: where a result goes, and how it is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.common import print_result
from core.api.evaluation import folders

Out = Annotated[Path | None, typer.Option("--out", help="Keep the result, in a new folder under this one.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write a page of the result: one HTML file, pictures inside.")
]


def save_and_print(
    result: folders.EvalResult, as_json: bool, out: Path | None = None, report: Path | None = None
) -> None:
    """Keep ``result`` under ``out``, write its page to ``report``, and print it: one JSON line, or a table."""
    printed: dict[str, Any] = result.json()
    if out is not None:
        printed["saved"] = str(folders.save_result(out, result))
    if report is not None:
        printed["report"] = str(folders.write_report(report, [result]))
    print_result(
        printed, as_json, [*result_lines(result), *(f"{k}: {printed[k]}" for k in ("saved", "report") if k in printed)]
    )


def result_lines(result: folders.EvalResult) -> list[str]:
    """The result for a person: a column for each metric, a row for the whole and for each label, then the notes."""
    names = list(result.metrics)
    rows = [("", names), ("all", [f"{result.metrics[n]:.4f}" for n in names])]
    if result.spread:
        rows.append(("± seeds", [f"{result.spread[n]:.4f}" if n in result.spread else "" for n in names]))
    if result.best_on_test:
        best = result.best_on_test
        rows.append(("best on test", [f"{best[n]:.4f}" if n in best else "" for n in names]))
    for label, values in result.per_label.items():
        rows.append((label, [f"{values[n]:.4f}" if n in values else "" for n in names]))
    first = max(len(label) for label, _ in rows)
    widths = [max(len(row[i]) for _, row in rows) for i in range(len(names))]
    lines = [
        f"{label:<{first}}  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True))
        for label, cells in rows
    ]
    return [result.title, *(line.rstrip() for line in lines), *(f"note: {note}" for note in result.notes)]
