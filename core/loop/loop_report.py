"""The loop's page: what was reached, what was missed, what was made of it and why, round by round. One HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from core.errors import FlawsmithError
from core.evaluation.charts import line_chart
from core.evaluation.pair_sheet import contact_sheet
from core.evaluation.panels import outlined, side_by_side
from core.evaluation.photo_sets import Shot
from core.evaluation.report import figure_html, page_html, section_html
from core.evaluation.results import Curve
from core.images import atomic_write, png_bytes
from core.images.geometry import mask_box, resized
from core.loop.contract import BoundCheck, LoopContract
from core.loop.loop_photos import pair_shots, real_shots
from core.loop.loop_state import Diagnosis, LoopRound, LoopState, LoopTraining
from core.store import Project
from core.types import Image

STAGE_SAID = {
    "split": "splitting the photos", "baseline": "training the baseline", "diagnose": "looking at what is missed",
    "plan": "planning pairs", "generate": "making pairs", "review": "waiting for a look at the pairs",
    "retrain": "training again", "gate": "weighing the gain", "end": "ended",
}  # fmt: skip
_CLUSTERS, _PER_CLUSTER, _TILE = 6, 5, 150
_CLOSE = 1.5
_LONG_CELL = 40


def write_loop_report(path: Path, project: Project, state: LoopState, folder: Path) -> None:
    """Write the page of ``state`` to ``path``."""
    contract = LoopContract.parse(state.spec.contract)
    parts = [section_html("In short", _in_short(state, contract)), section_html("Photos", _split(state))]
    if state.trials:
        parts.append(section_html("Engines, tried on the learning part", _trials(state)))
    for one in state.rounds:
        shown = " open" if one is state.rounds[-1] else ""
        inside = _round(one, state, project, contract)
        parts.append(f"<section><details{shown}><summary>Round {one.number}</summary>{inside}</details></section>")
    page = page_html("Loop", f"{contract} · {state.spec.detector} · {folder.name}", "".join(parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, page.encode())


def loop_progress(state: LoopState) -> str:
    """Where the loop is, in a sentence."""
    if state.ended:
        return f"Ended: {state.ended}."
    at = f"Round {state.round.number}: " if state.rounds else ""
    return f"{at}{STAGE_SAID[state.stage]}."


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts; "" without rows."""
    lines = "".join(f"<tr><th>{escape(first)}</th>{''.join(map(_cell, cells))}</tr>" for first, *cells in rows)
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    table = f"<table class='ev-table'><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<div class='ev-wide'>{table}</div>" if lines else ""


def _cell(text: str) -> str:
    wrapped = " style='white-space: normal; min-width: 200px'" if len(text) > _LONG_CELL else ""
    return f"<td{wrapped}>{escape(text)}</td>"


def rounds_table(state: LoopState) -> str:
    """What each round brought, on the photos that judge and on those that guide. HTML."""
    contract = LoopContract.parse(state.spec.contract)
    rows: list[tuple[str, ...]] = []
    if state.baseline is not None and state.baseline.test.scores:
        rows.append(("baseline", str(len(state.baseline.pairs)), *_reached(state.baseline, contract), ""))
    for one in state.rounds:
        if one.gate is None:
            continue
        reached = ("", "") if one.training is None else _reached(one.training, contract)
        what = "kept" if one.gate.kept else "taken back"
        rows.append((f"round {one.number}", str(len(one.kept)), *reached, f"{what}: {one.gate.reason}"))
    goal = contract.goal.name
    return table_html(("", "pairs", f"{goal}, judged", f"{goal}, guided", "what came of it"), rows)


def _in_short(state: LoopState, contract: LoopContract) -> str:
    said = f"<p>{escape(loop_progress(state))}</p>"
    best = state.best
    if best is None or not best.test.scores:
        return said
    tiles = "".join(_tile(check) for check in contract.check(best.test))
    notes = (
        f"Judged on {len(best.test.names)} photos that guided nothing, means of {len(best.test.scores)} seeds; rounds "
        f"are kept or taken back by {len(best.validation.names)} others. {state.seconds / 60:.0f} minutes so far."
    )
    shown = f"{said}<dl class='ev-tiles'>{tiles}</dl><p class='ev-note'>{escape(notes)}</p>"
    return shown + rounds_table(state) + _chart(state, contract)


def _tile(check: BoundCheck) -> str:
    met = "met" if check.passed else "not met"
    return (
        f"<div><dt>{escape(check.bound.name)}</dt><dd>{check.value:.3f} <small>± {check.spread:.3f}</small></dd>"
        f"<p>wanted {check.bound.least:g}: {met}</p></div>"
    )


def _chart(state: LoopState, contract: LoopContract) -> str:
    """The goal over the rounds, where there are some."""
    done = [one.training for one in state.rounds if one.training is not None and one.gate is not None]
    if state.baseline is None or not done:
        return ""
    trainings, goal = [state.baseline, *done], contract.goal.name
    sets = {"photos that judge": [t.test for t in trainings], "photos that guide": [t.validation for t in trainings]}
    lines = [
        (name, Curve(tuple(range(len(tables))), tuple(contract.check(t)[0].value for t in tables), "round", goal))
        for name, tables in sets.items()
    ]
    return f"<div class='ev-charts'>{line_chart(goal, lines)}</div>"


def _reached(training: LoopTraining, contract: LoopContract) -> tuple[str, str]:
    judged, guided = (contract.check(table)[0] for table in (training.test, training.validation))
    return f"{judged.value:.3f} ± {judged.spread:.3f}", f"{guided.value:.3f} ± {guided.spread:.3f}"


def _split(state: LoopState) -> str:
    parts = state.split
    if parts is None:
        return ""
    rows = [
        ("teach", str(len(parts.learn_good)), str(len(parts.learn_real))),
        ("guide", str(len(parts.validation_good)), str(len(parts.validation_real))),
        ("judge", str(len(parts.test_good)), str(len(parts.test_real))),
    ]
    return table_html(("photos that", "good parts", "real anomalies"), rows) + _list(parts.notes)


def _trials(state: LoopState) -> str:
    labels = sorted({label for trial in state.trials for label in trial.gains})
    rows = [("no pairs", *(f"{state.trial_baseline.get(label, 0):.3f}" for label in labels), "image AUROC")]
    rows += [
        (
            trial.engine,
            *(f"{trial.gains[label]:+.3f}" if label in trial.gains else "" for label in labels),
            trial.reason,
        )
        for trial in state.trials
    ]
    return table_html(("pairs by", *labels, ""), rows)


def _round(one: LoopRound, state: LoopState, project: Project, contract: LoopContract) -> str:
    found = _diagnosis(one.diagnosis, project) if one.diagnosis is not None else ""
    if one.plan:
        rows = [(p.label, p.engine, str(p.count), _placed(p.placement), p.reason) for p in one.plan]
        found += "<h3>Plan</h3>" + table_html(("label", "engine", "pairs", "place and size", "why"), rows)
    if one.mined:
        found += "<h3>Photos to label: they look like what is missed</h3>" + _list(
            f"{Path(m.path).name}, like {m.like} ({m.likeness:+.3f})" for m in one.mined
        )
    made = [id for ids in one.made.values() for id in ids]
    if shots := _readable(project, one.kept or made):
        found += f"<h3>Pairs</h3>{figure_html(contact_sheet(shots), f'{len(shots)} pairs', ' class=ev-sheet')}"
    if one.mix_goals:
        mixes = [(name, f"{value:.3f}") for name, value in one.mix_goals.items()]
        head = ("mix", f"{contract.goal.name}, with a seed of its own")
        found += f"<h3>How much is synthetic</h3>{table_html(head, mixes)}"
    if one.gate is not None:
        found += f"<h3>Gate</h3><p><b>{'Kept' if one.gate.kept else 'Taken back'}</b>: {escape(one.gate.reason)}.</p>"
    return found + _list(one.notes)


def _diagnosis(found: Diagnosis, project: Project) -> str:
    rows = [
        (f"{one.by}: {one.name}", str(one.photos), f"{one.missed:.1f}", f"{one.missed / one.photos:.0%}")
        for one in found.bins
    ]
    alarms = [(one.name, f"{one.rejected:.0%}", one.place) for one in found.alarms[:10]]
    return (
        f"<h3>What is missed</h3>{_list(found.sentences)}"
        + table_html(("anomalies", "photos", "missed", "share"), rows)
        + _clusters(found, project)
        + ("<h3>Good parts that are rejected</h3>" if alarms else "")
        + table_html(("photo", "in so many seeds", "its map is highest"), alarms)
    )


def _clusters(found: Diagnosis, project: Project) -> str:
    """Misses that look alike, side by side: each whole with its outline, and close."""
    figures = ""
    for names in found.clusters[:_CLUSTERS]:
        tiles = [tile for name in names[:_PER_CLUSTER] if (tile := _miss_tile(name, project)) is not None]
        if tiles:
            alike = f"{len(names)} that look alike" if len(names) > 1 else "Like no other"
            said = f"{alike}: {', '.join(names[:_PER_CLUSTER])}"
            figures += figure_html(png_bytes(side_by_side(tiles)), said)
    return f"<h3>Misses by their looks</h3><div class='ev-pictures'>{figures}</div>" if figures else ""


def _miss_tile(name: str, project: Project) -> Image | None:
    """A miss, _TILE pixels high: the photo with its outline, then the defect close; None where it is gone."""
    try:
        (shot,) = real_shots(project, [name.rpartition("/")[2]])
        image = shot.read()
        mask = shot.mask((image.shape[0], image.shape[1]))
    except FlawsmithError:
        return None
    rows, columns = mask_box(mask, pad=round(_CLOSE * max(8, mask.sum() ** 0.5)))
    close = image[rows, columns]
    sizes = [max(1, round(a.shape[1] * _TILE / a.shape[0])) for a in (image, close)]
    return side_by_side([outlined(image, mask, (sizes[0], _TILE)), resized(close, (_TILE, sizes[1]))])


def _readable(project: Project, ids: Iterable[str]) -> list[Shot]:
    shots: list[Shot] = []
    for id in ids:
        try:
            shots += pair_shots(project, [id])
        except FlawsmithError:
            continue
    return shots


def _placed(placement: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in placement.items()) or "as real ones lie"


def _list(lines: Iterable[str]) -> str:
    inside = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul class='ev-notes'>{inside}</ul>" if inside else ""
