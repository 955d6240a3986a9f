"""The tables and, of every product, what each stage made, as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from core.bench.paper.published import PublishedPaper
from core.bench.paper.stage_clock import said_duration
from core.bench.paper.stages import Facts, ProductRun
from core.bench.paper.table import legend, remarks, table_rows
from core.evaluation import report_parts
from core.evaluation.pair_sheet import contact_sheet
from core.evaluation.photo_sets import Shot
from core.evaluation.report import figure_html, jpeg_uri, page_html, section_html
from core.evaluation.results import Curve, load_result

TITLES = {
    "split": "Learned from and tested on", "learn": "Learning", "generate": "Generated pairs", "score": "Scores",
    "localize": "Localization", "classify": "Classification",
}  # fmt: skip
GOOD_SHOWN = 7


def report_page(
    paper: PublishedPaper,
    tables: Mapping[str, Mapping[str, Any]],
    budget: str,
    made: Sequence[tuple[ProductRun, Mapping[str, Facts]]],
) -> str:
    """The page: ``tables`` by their numbers, then what was found at each stage of the products and rows ``made``."""
    parts = [section_html("Tables", "".join(_table(paper, *entry) for entry in tables.items()))]
    for run, found in made:
        name = f"{run.product.name}{': ' + run.row if run.row else ''}"
        stages = "".join(_stage(run, stage, facts) for stage, facts in found.items())
        shown = "" if run.row else " open"  # of an ablation the numbers come first, its pictures on demand
        parts.append(f"<section><details{shown}><summary>{escape(name)}</summary>{stages}</details></section>")
    return page_html(paper.paper, legend(budget), "".join(parts))


def _table(paper: PublishedPaper, number: str, numbers: Mapping[str, Any]) -> str:
    table = paper.table(number)
    head, *rows = table_rows(table, numbers)
    lines = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    foot = "".join(f"<p class='ev-note'>{escape(remark)}</p>" for remark in remarks(table))
    return (
        f"<h3>Table {escape(number)}: {escape(table.title)} ({escape(table.where)})</h3>"
        f"<div class='ev-wide'><table class='ev-table'><thead><tr>{''.join(f'<th>{escape(c)}</th>' for c in head)}"
        f"</tr></thead><tbody>{lines}</tbody></table></div>{foot}"
    )


def _stage(run: ProductRun, stage: str, facts: Facts) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in facts.get("notes", ()))
    said = f"<ul class='ev-notes'>{notes}</ul>" if notes else ""
    took = f" ({said_duration(facts['seconds'])})" if "seconds" in facts else ""
    shown = {"split": _split, "learn": _learning, "generate": _generated}.get(stage, _results)(run, facts)
    return f"<h3>{TITLES[stage]}{escape(took)}</h3>{said}{shown}"


def _split(run: ProductRun, facts: Facts) -> str:
    parts = ""
    for side, what in (("learn", "learned from"), ("test", "tested on")):
        shots = run.shots(side)
        anomalies, good = [s for s in shots if not s.good], [s for s in shots if s.good]
        parts += _sheet(anomalies or good[:GOOD_SHOWN], f"{what}: {len(anomalies)} anomalies, {len(good)} good photos")
    return parts


def _learning(run: ProductRun, facts: Facts) -> str:
    curves = [
        (name, {key: Curve(tuple(x), tuple(y), "step", key) for key, (x, y) in points.items()})
        for name, points in facts.get("curves", {}).items()
    ]
    figures = ""
    for concept in dict.fromkeys(facts["concepts"].values()):
        preview = run.out / "project" / "concepts" / concept / "preview.png"
        if preview.is_file():
            figures += figure_html(preview.read_bytes(), f"{concept}: what its card shows of it")
    return (report_parts.curve_charts(curves) if curves else "") + _pictures(figures)


def _generated(run: ProductRun, facts: Facts) -> str:
    pairs = run.pairs()
    return _sheet(pairs, f"{len(pairs)} pairs; below each, the outline of its mask") if pairs else ""


def _results(run: ProductRun, facts: Facts) -> str:
    found = ""
    for place in facts.get("results", ()):
        result = load_result(run.out / place)
        found += (
            report_parts.metric_tiles(result)
            + report_parts.label_table(result)
            + report_parts.confusion_table(result)
            + report_parts.result_curve_charts([("", result)])
            + report_parts.picture_gallery(result, lambda picture: jpeg_uri(picture.png))
        )
    return found


def _sheet(shots: Sequence[Shot], caption: str) -> str:
    return figure_html(contact_sheet(shots), caption, " class='ev-sheet'")


def _pictures(figures: str) -> str:
    return f"<div class='ev-pictures'>{figures}</div>" if figures else ""
