"""Parts of a page about results, as HTML text: the report and the Evaluate tab show the same ones.

Everything that comes from a person, a file or a dataset is escaped here. ``Named`` results carry the name under
which they are compared. assets/css/figures.css gives the parts their looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from core.evaluate.charts import bar_chart, line_chart
from core.evaluate.glossary import in_order, meaning, number, with_spread
from core.evaluate.result import Picture, Result

Named = tuple[str, Result]

KINDS = {
    "generation": "Generation quality", "localization": "Localization", "detection": "Detection",
    "classification": "Classification", "maps": "Score maps",
}  # fmt: skip
CURVES = {
    "roc": "ROC, pixels", "pr": "Precision and recall, pixels", "pro": "PRO", "spro": "sPRO",
    "image_roc": "ROC, images", "image_pr": "Precision and recall, images", "loss": "Training loss",
}  # fmt: skip
CHANCE = ("roc", "image_roc")
FIRST = ("pixel_ap", "pro", "pixel_auroc", "image_auroc")
"""What a detector is judged by at a glance; the other kinds show the first of their metrics."""
BEST = "best on test"
SELECTION = {
    "last": "Values of the last epoch: nothing was chosen by looking at the test photos.",
}
BEST_SAYS = (
    "Best on test is the epoch that scored highest on the test photos themselves, as many papers print it. It "
    "flatters: on new parts expect the plain value."
)
_TILES = 4
_BARS = 3


def tiles(result: Result) -> str:
    """The headline numbers, each with what it means."""
    cells = "".join(
        f"<div><dt>{escape(meaning(name).title)}</dt><dd>{number(result.metrics[name])}"
        f"{_small(result.spread.get(name))}</dd><p>{escape(meaning(name).says)}</p></div>"
        for name in _first(result.metrics)[:_TILES]
    )
    return f"<dl class='ev-tiles'>{cells}</dl>"


def metric_table(result: Result) -> str:
    """Every metric with its spread, the best-on-test value marked as such, and its meaning."""
    best = bool(result.best_on_test)
    head = f"<th>metric</th><th>{'last epoch' if best else 'value'}{' ± spread' if result.spread else ''}</th>"
    head += f"<th class='ev-best'>{BEST}</th>" if best else ""
    rows = "".join(
        f"<tr><th>{escape(meaning(name).title)}<span>{escape(_says(name))}</span></th>"
        f"<td>{_value(result.metrics.get(name), result.spread.get(name))}</td>"
        + (f"<td class='ev-best'>{_value(result.best_on_test.get(name))}</td>" if best else "")
        + "</tr>"
        for name in in_order([*result.metrics, *result.best_on_test])
    )
    foot = f"<p class='ev-note'>{SELECTION.get(result.selection, '')} {BEST_SAYS}</p>" if best else ""
    return f"<table class='ev-table'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{foot}"


def seed_table(result: Result) -> str:
    """One row per training; "" where there was one or none."""
    if len(result.seeds) < 2:
        return ""
    rows = [(f"seed {seed}", values) for seed, values in result.seeds.items()]
    spread = [("± spread", result.spread)] if result.spread else []
    return _matrix("training", [*rows, ("mean", result.metrics), *spread])


def label_table(result: Result) -> str:
    """Metrics of each label; "" without labels."""
    return _matrix("label", list(result.per_label.items())) if result.per_label else ""


def bars(results: Sequence[Named]) -> str:
    """A small chart for each of the first metrics that labels have; several results side by side."""
    labels = list(dict.fromkeys(label for _, r in results for label in r.per_label))
    keys = _first(key for _, r in results for values in r.per_label.values() for key in values)
    names = [name for name, _ in results] if len(results) > 1 else [""]
    charts = [
        bar_chart(
            meaning(key).title,
            [(label, [r.per_label.get(label, {}).get(key) for _, r in results]) for label in labels],
            names,
        )
        for key in keys[:_BARS]
    ]
    return _row(charts)


def curves(results: Sequence[Named]) -> str:
    """A chart for each kind of curve, with one line for each result that has it."""
    keys = list(dict.fromkeys(key for _, r in results for key in r.curves))
    keys.sort(key=lambda key: list(CURVES).index(key) if key in CURVES else len(CURVES))
    charts = []
    for key in keys:
        lines = [(name, r.curves[key]) for name, r in results if key in r.curves]
        charts.append(line_chart(CURVES.get(key, key.replace("_", " ").capitalize()), lines, key in CHANCE))
    return _row(charts)


def pictures(result: Result, source: Callable[[Picture], str], link: bool = False) -> str:
    """The result's pictures with their captions; ``source`` gives each one's address, ``link`` opens it alone."""
    cells = ""
    for picture in result.pictures:
        address, caption = escape(source(picture)), escape(picture.caption)
        image = f"<img src='{address}' alt='{caption}'>"
        image = f"<a href='{address}' target='_blank' rel='noopener'>{image}</a>" if link else image
        cells += f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
    return f"<div class='ev-pictures'>{cells}</div>" if cells else ""


def compare_table(results: Sequence[Named]) -> str:
    """One column per result, the best value of each metric marked; best-on-test values are not in it."""
    names = in_order(key for _, r in results for key in r.metrics)
    head = "<th>metric</th>" + "".join(f"<th>{escape(name)}</th>" for name, _ in results)
    rows = []
    for key in names:
        values = [r.metrics.get(key) for _, r in results]
        won = _best(values, meaning(key).better)
        cells = "".join(
            f"<td{' data-best' if place in won else ''}>{_value(value, r.spread.get(key))}</td>"
            for place, (value, (_, r)) in enumerate(zip(values, results, strict=True))
        )
        rows.append(f"<tr><th>{escape(meaning(key).title)}<span>{escape(_says(key))}</span></th>{cells}</tr>")
    return f"<table class='ev-table'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def notes(result: Result) -> str:
    """What the person should know of how it was measured."""
    lines = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    return f"<ul class='ev-notes'>{lines}</ul>" if lines else ""


def config_table(config: Mapping[str, Any]) -> str:
    """All settings, nested ones with dotted names."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _flat(config))
    return f"<table class='ev-table ev-config'><tbody>{rows}</tbody></table>"


def _matrix(corner: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    keys = in_order(key for _, values in rows for key in values)
    head = "".join(f"<th>{escape(meaning(key).title)}</th>" for key in keys)
    lines = "".join(
        f"<tr><th>{escape(name)}</th>" + "".join(f"<td>{_value(values.get(key))}</td>" for key in keys) + "</tr>"
        for name, values in rows
    )
    return (
        f"<div class='ev-wide'><table class='ev-table'><thead><tr><th>{corner}</th>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _first(names: Iterable[str]) -> list[str]:
    ordered = in_order(names)
    return [*(name for name in FIRST if name in ordered), *(name for name in ordered if name not in FIRST)]


def _best(values: Sequence[float | None], better: str) -> set[int]:
    known = [v for v in values if v is not None]
    if not better or len(known) < 2 or min(known) == max(known):
        return set()
    top = max(known) if better == "high" else min(known)
    return {place for place, value in enumerate(values) if value == top}


def _says(name: str) -> str:
    what = meaning(name)
    way = {"high": "higher is better", "low": "lower is better", "": ""}[what.better]
    return "; ".join(part for part in (what.says, way) if part)


def _value(value: float | None, spread: float | None = None) -> str:
    return "–" if value is None else with_spread(value, spread)


def _small(spread: float | None) -> str:
    return "" if spread is None else f" <small>± {number(spread)}</small>"


def _row(charts: Sequence[str]) -> str:
    drawn = "".join(charts)
    return f"<div class='ev-charts'>{drawn}</div>" if drawn else ""


def _flat(config: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{before}{name}", ", ".join(map(str, value)) or "none"))
        else:
            found.append((f"{before}{name}", "none" if value is None else str(value)))
    return found
