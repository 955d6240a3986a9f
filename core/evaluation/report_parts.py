"""Parts of a page about results, as HTML text: the report and the Evaluate tab show the same ones.

Everything that comes from a person, a file or a dataset is escaped here. ``NamedResult`` results carry the name under
which they are compared. assets/css/figures.css gives the parts their looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from core.evaluation.charts import bar_chart, line_chart
from core.evaluation.glossary import format_number, format_with_spread, metric_description, metrics_in_order
from core.evaluation.results import Curve, EvalResult, Picture

NamedResult = tuple[str, EvalResult]

KIND_TITLES = {
    "generation": "Generation quality", "localization": "Localization", "detection": "Detection",
    "classification": "Classification", "maps": "Score maps",
}  # fmt: skip
CURVE_TITLES = {
    "roc": "ROC, pixels", "pr": "Precision and recall, pixels", "pro": "PRO", "spro": "sPRO",
    "image_roc": "ROC, images", "image_pr": "Precision and recall, images", "loss": "Training loss",
}  # fmt: skip
CHANCE = ("roc", "image_roc")
HEADLINE_METRICS = (
    "pixel_ap", "pro", "pixel_auroc", "image_auroc", "mask_iou", "ars", "memorised", "ic_lpips", "ic_efflite",
)  # fmt: skip
"""What a detector or the pairs are judged by at a glance; classifications show the first of their metrics."""
YARDSTICKS = {"ars": ("ars_real", "ars_sd", "ars_real_sd")}
"""Numbers that say little alone: the same of the real anomalies, and the spreads of both."""
BEST = "best on test"
CONFUSION = "confusion"
"""Of a classification's config and pictures: the counts, and the same as a picture, which the table replaces."""
EPOCH = "epoch"
"""Among the best-on-test values: which epoch they are of."""
SELECTION_NOTES = {
    "last": "Values of the last epoch: nothing was chosen by looking at the test photos.",
}
_TILES = 4
_BARS = 3


def metric_tiles(result: EvalResult) -> str:
    """The headline numbers, each with what it means."""
    cells = "".join(
        f"<div><dt>{escape(metric_description(name).title)}</dt><dd>{format_number(result.metrics[name])}"
        f"{_small(result.spread.get(name))}</dd>{_yardstick(result, name)}"
        f"<p>{escape(metric_description(name).description)}</p></div>"
        for name in headline_first(result.metrics)[:_TILES]
    )
    return f"<dl class='ev-tiles'>{cells}</dl>"


def _yardstick(result: EvalResult, name: str) -> str:
    """The same number of the real anomalies, and how much both vary; "" for numbers that speak for themselves."""
    if name not in YARDSTICKS:
        return ""
    other, own_sd, other_sd = (result.metrics.get(key) for key in YARDSTICKS[name])
    varies = "" if own_sd is None else f"± {format_number(own_sd)} between pairs; "
    if other is None:
        says = "nothing to compare with: there are no real anomalies of these labels; import some in Product"
        return f"<p class='ev-yardstick'>{varies}{says}</p>"
    beside = f"real anomalies have <b>{format_number(other)}</b>{_small(other_sd)}"
    return f"<p class='ev-yardstick'>{varies}{beside}</p>"


def metric_table(result: EvalResult) -> str:
    """Every metric with its spread, the best-on-test value marked as such, and its meaning."""
    best = bool(result.best_on_test)
    shown = [name for name in result.best_on_test if name != EPOCH]
    head = f"<th>metric</th><th>{'last epoch' if best else 'value'}{' ± spread' if result.spread else ''}</th>"
    head += f"<th class='ev-best'>{BEST}</th>" if best else ""
    rows = "".join(
        f"<tr><th>{escape(metric_description(name).title)}<span>{escape(_metric_help(name))}</span></th>"
        f"<td>{_value(result.metrics.get(name), result.spread.get(name))}</td>"
        + (f"<td class='ev-best'>{_value(result.best_on_test.get(name))}</td>" if best else "")
        + "</tr>"
        for name in metrics_in_order([*result.metrics, *shown])
    )
    foot = f"<p class='ev-note'>{SELECTION_NOTES.get(result.selection, '')} {_best_says(result)}</p>" if best else ""
    return f"<table class='ev-table'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{foot}"


def seed_table(result: EvalResult) -> str:
    """One row per training; "" where there was one or none."""
    if len(result.seeds) < 2:
        return ""
    rows = [(f"seed {seed}", values) for seed, values in result.seeds.items()]
    spread = [("± spread", result.spread)] if result.spread else []
    return _matrix("training", [*rows, ("mean", result.metrics), *spread])


def label_table(result: EvalResult) -> str:
    """Metrics of each label; "" without labels."""
    return _matrix("label", list(result.per_label.items())) if result.per_label else ""


def label_charts(results: Sequence[NamedResult]) -> str:
    """A small chart for each of the first metrics that labels have; several results side by side."""
    labels = list(dict.fromkeys(label for _, r in results for label in r.per_label))
    keys = headline_first(key for _, r in results for values in r.per_label.values() for key in values)
    names = [name for name, _ in results] if len(results) > 1 else [""]
    charts = [
        bar_chart(
            metric_description(key).title,
            [(label, [r.per_label.get(label, {}).get(key) for _, r in results]) for label in labels],
            names,
        )
        for key in keys[:_BARS]
    ]
    return _row(charts)


def result_curve_charts(results: Sequence[NamedResult]) -> str:
    """A chart for each kind of curve, with one line for each result that has it."""
    return curve_charts([(name, result.curves) for name, result in results])


def curve_charts(sets: Sequence[tuple[str, Mapping[str, Curve]]]) -> str:
    """The same of named sets of curves that belong to no result yet."""
    sets = sets if len(sets) > 1 else _by_seed(*sets[0])
    keys = list(dict.fromkeys(key for _, curves in sets for key in curves))
    keys.sort(key=lambda key: list(CURVE_TITLES).index(key) if key in CURVE_TITLES else len(CURVE_TITLES))
    charts = []
    for key in keys:
        lines = [(name, curves.get(key)) for name, curves in sets]
        title = CURVE_TITLES.get(key) or f"{metric_description(key).title}, while learning"
        charts.append(line_chart(title, lines, key in CHANCE))
    return _row(charts)


def _by_seed(name: str, curves: Mapping[str, Curve]) -> list[tuple[str, Mapping[str, Curve]]]:
    """Curves named ``NAME, seed N`` as sets of their own, so that they share a chart with the first seed's."""
    found: dict[str, dict[str, Curve]] = {"": {}}
    for key, curve in curves.items():
        plain, _, seed = key.partition(", seed ")
        found.setdefault(seed, {})[plain] = curve
    if len(found) == 1:
        return [(name, curves)]
    return [(f"seed {seed}" if seed else "first seed", own) for seed, own in found.items()]


def picture_gallery(result: EvalResult, source: Callable[[Picture], str], link: bool = False) -> str:
    """The result's pictures with their captions; ``source`` gives each one's address, ``link`` opens it alone."""
    cells = ""
    for picture in result.pictures:
        if picture.name == CONFUSION and CONFUSION in result.config:
            continue
        address, caption = escape(source(picture)), escape(picture.caption)
        image = f"<img src='{address}' alt='{caption}'>"
        image = f"<a href='{address}' target='_blank' rel='noopener'>{image}</a>" if link else image
        cells += f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
    return f"<div class='ev-pictures'>{cells}</div>" if cells else ""


def compare_table(results: Sequence[NamedResult]) -> str:
    """One column per result, the best value of each metric marked; best-on-test values are not in it.

    Metrics that only one result has are left out: there is nothing to compare.
    """
    counts = Counter(key for _, r in results for key in r.metrics)
    names = metrics_in_order(key for key, times in counts.items() if times > 1)
    if not names:
        return "<p class='ev-note'>These runs measure different things: they have no metric in common.</p>"
    head = "<th>metric</th>" + "".join(f"<th>{escape(name)}</th>" for name, _ in results)
    rows = []
    for key in names:
        values = [r.metrics.get(key) for _, r in results]
        won = _best(values, metric_description(key).better)
        cells = "".join(
            f"<td{' data-best' if place in won else ''}>{_value(value, r.spread.get(key))}</td>"
            for place, (value, (_, r)) in enumerate(zip(values, results, strict=True))
        )
        rows.append(
            f"<tr><th>{escape(metric_description(key).title)}<span>{escape(_metric_help(key))}</span></th>{cells}</tr>"
        )
    return f"<table class='ev-table'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def confusion_table(result: EvalResult) -> str:
    """How many photos of each label were given which label, darker for a larger share; "" for other kinds."""
    counts: Mapping[str, Mapping[str, int]] = result.config.get(CONFUSION, {})
    if not counts:
        return ""
    said = list(dict.fromkeys(name for row in counts.values() for name in row))
    rows = ""
    for label, row in counts.items():
        total = max(1, sum(row.values()))
        cells = "".join(
            f"<td style='--ev-share: {100 * row.get(name, 0) / total:.0f}%'{' data-right' if name == label else ''}>"
            f"{row.get(name, 0)}</td>"
            for name in said
        )
        rows += f"<tr><th>{escape(label)}</th>{cells}</tr>"
    head = "".join(f"<th>{escape(name)}</th>" for name in said)
    return (
        "<h3>Predicted label</h3><div class='ev-wide'><table class='ev-confusion'><thead><tr><th>true label</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def notes(result: EvalResult) -> str:
    """What the person should know of how it was measured."""
    lines = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    return f"<ul class='ev-notes'>{lines}</ul>" if lines else ""


def config_table(config: Mapping[str, object]) -> str:
    """All settings, nested ones with dotted names; the confusion counts have a table of their own."""
    config = {name: value for name, value in config.items() if name != CONFUSION}
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _flat(config))
    return f"<table class='ev-table ev-config'><tbody>{rows}</tbody></table>"


def _matrix(corner: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    keys = metrics_in_order(key for _, values in rows for key in values)
    head = "".join(f"<th>{escape(metric_description(key).title)}</th>" for key in keys)
    lines = "".join(
        f"<tr><th>{escape(name)}</th>" + "".join(f"<td>{_value(values.get(key))}</td>" for key in keys) + "</tr>"
        for name, values in rows
    )
    return (
        f"<div class='ev-wide'><table class='ev-table'><thead><tr><th>{corner}</th>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def headline_first(names: Iterable[str]) -> list[str]:
    """``names`` with those first that a person looks at first."""
    ordered = metrics_in_order(names)
    return [
        *(name for name in HEADLINE_METRICS if name in ordered),
        *(name for name in ordered if name not in HEADLINE_METRICS),
    ]


def _best(values: Sequence[float | None], better: str) -> set[int]:
    known = [v for v in values if v is not None]
    if not better or len(known) < 2 or min(known) == max(known):
        return set()
    top = max(known) if better == "high" else min(known)
    return {place for place, value in enumerate(values) if value == top}


def _best_says(result: EvalResult) -> str:
    epoch = result.best_on_test.get(EPOCH)
    which = "" if epoch is None else f" ({'on average ' if len(result.seeds) > 1 else ''}epoch {epoch:g})"
    return (
        f"Best on test is the epoch{which} that scored highest on the test photos themselves, as many papers print "
        "it. It flatters: on new parts expect the plain value."
    )


def _metric_help(name: str) -> str:
    what = metric_description(name)
    way = {"high": "higher is better", "low": "lower is better", "": ""}[what.better]
    return "; ".join(part for part in (what.description, way) if part)


def _value(value: float | None, spread: float | None = None) -> str:
    return "–" if value is None else format_with_spread(value, spread)


def _small(spread: float | None) -> str:
    return "" if spread is None else f" <small>± {format_number(spread)}</small>"


def _row(charts: Sequence[str]) -> str:
    drawn = "".join(charts)
    return f"<div class='ev-charts'>{drawn}</div>" if drawn else ""


def _flat(config: Mapping[str, object], before: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{before}{name}", ", ".join(map(str, value)) or "none"))
        else:
            found.append((f"{before}{name}", "none" if value is None else str(value)))
    return found
