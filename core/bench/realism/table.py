"""Rows into a record and a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from core.bench.realism.pair_statistics import pair_statistics_table
from core.bench.realism.rows import TableRow
from core.evaluation.results import EvalResult

COLUMNS = {
    "pixel_ap": "pixel AP",
    "pixel_auroc": "pixel AUROC",
    "pixel_f1_max": "pixel F1-max",
    "pro": "PRO",
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
}


def row_record(
    row: TableRow, result: EvalResult | None, facts: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """All that is known of a row; numbers are missing as long as no seed is finished."""
    record: dict[str, Any] = {"row": row.name, "engine": row.engine, "params": dict(row.params), "real": row.real}
    record |= facts
    if result is not None:
        record |= {
            "learned_from": result.config["train_photos"],
            "metrics": dict(result.metrics),
            "spread": dict(result.spread),
            "best_on_test": dict(result.best_on_test),
            "per_label": {label: dict(values) for label, values in result.per_label.items()},
            "seeds": {seed: dict(values) for seed, values in result.seeds.items()},
        }
    if cells:
        record["train_s"] = round(statistics.fmean(c["wall_s"] for c in cells), 1)
        record["train_cpu_s"] = round(statistics.fmean(c["cpu_s"] for c in cells), 1)
    return record


def markdown(table: Mapping[str, Any], columns: Mapping[str, str] = COLUMNS) -> str:
    """The table with its config and signature, for docs/results.md; ``columns`` are metrics with their titles."""
    config, signed = table["config"], table["signature"]
    done = [row for row in table["rows"] if "metrics" in row]
    best = {key: max((row["metrics"].get(key, 0.0) for row in done), default=0.0) for key in columns}
    head = ["learned from", *columns.values(), "AP, best on test", "seeds", "pairs", "CPU min: generate, train once"]
    lines = [
        f"### {config['learned_from']} → {config['tested_on']}",
        "",
        _config_lines(config, signed),
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in done:
        cells = [_cell(row, key, best[key]) for key in columns]
        times = f"{row.get('generate_cpu_s', 0.0) / 60:.1f}, {row.get('train_cpu_s', 0.0) / 60:.1f}"
        chosen = row["best_on_test"].get("pixel_ap")
        lines.append(
            f"| `{row['row']}` | "
            + " | ".join([*cells, "" if chosen is None else f"{100 * chosen:.1f}"])
            + f" | {len(row['seeds'])} | {_pairs(row)} | {times} |"
        )
    if seen := pair_statistics_table(table["rows"]):
        lines += ["", seen.rstrip()]
    lines += [f"\n{note}" for note in table.get("notes", ())]
    lines += [f"\nLeft out: `{name}`: {why}." for name, why in table.get("left_out", {}).items()]
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any], key: str, best: float) -> str:
    value = row["metrics"].get(key)
    if value is None:
        return ""
    text = f"{100 * value:.1f}"
    if key in row["spread"]:
        text += f" ± {100 * row['spread'][key]:.1f}"
    return f"**{text}**" if value == best else text


def _pairs(row: Mapping[str, Any]) -> str:
    counts = row["learned_from"]
    total = sum(n for label, n in counts.items() if label != "good")
    given_up = f" ({row['given_up']} given up)" if row.get("given_up") else ""
    return f"{total}{given_up}"


def _config_lines(config: Mapping[str, Any], signed: Mapping[str, Any]) -> str:
    without = f" Left out: {', '.join(config['without'])}." if config["without"] else ""
    changed = f", changed: {config['params']}" if config["params"] else ""
    return (
        f"Percent, mean ± standard deviation over seeds, of the last epoch. {config['pairs_per_label']} pairs per "
        f"label and engine, none sorted out, generated once; each row also learns from the same good photos. Rows "
        f"with `+real`, and `real_few_shot`, learn from the learning folder's real anomalies too. Detector "
        f"`{config['detector']}`, preset `{config['preset']}`{changed}.{without} {signed['date']}, version "
        f"{signed['version']}, commit {signed['commit'] or 'unknown'}; {signed['processor']}, {signed['cores']} "
        f"cores, {signed['threads']} threads, {signed['device']}; torch {signed['libraries']['torch']}."
    )
