"""Calibrate a threshold: which detector, which target; then a plot of all scores with the threshold to drag."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on
from app.session import Session
from core.api.evaluation.calibrations import CalibrationSpec
from core.api.evaluation.evaluations import detector_cards

TARGETS = ["false rejects <= 1 %", "false rejects <= 5 %", "missed <= 5 %", "best f1"]
PLOT_JS = """
// The slider is the threshold: the line follows it, and the shares at each row and below are counted anew.
element.addEventListener("input", (event) => {
  const slider = event.target.closest("input[type=range]");
  const plot = slider && slider.closest("[data-rows]");
  if (!plot) return;
  const at = Number(slider.value), low = Number(slider.min), high = Number(slider.max);
  const line = plot.querySelector("[data-line]");
  line.style.left = `${100 * (at - low) / Math.max(high - low, 1e-12)}%`;
  plot.querySelector("output").textContent = at.toPrecision(4);
  JSON.parse(plot.dataset.rows).forEach((row, place) => {
    const over = row.scores.filter((score) => score >= at).length;
    const share = row.good ? over / row.scores.length : 1 - over / row.scores.length;
    const said = `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)} % ${row.good ? "rejected" : "missed"}`;
    plot.querySelectorAll("[data-share]")[place].textContent = said;
  });
});
"""


class CalibrationPanel:
    """The card below a run's result; ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Accordion("Calibrate a threshold", open=False, elem_classes="fs-fold", elem_id="fs-calibrate"):
            gr.HTML(
                "<p class='fs-hint'>Sets a detector's threshold by the pairs, where real anomalies are few or none. "
                "Where there are some, it says what that loses against the best threshold.</p>"
            )
            with gr.Row(equal_height=True, elem_classes="fs-inline"):
                self.detector = gr.Dropdown([], label="Detector", elem_id="fs-cal-detector")
                self.target = gr.Dropdown(
                    TARGETS, value=TARGETS[0], label="Target", allow_custom_value=True, elem_id="fs-cal-target"
                )
                self.go = gr.Button("Calibrate", variant="primary", size="sm", scale=0, min_width=110,
                                    elem_id="fs-cal-go")  # fmt: skip
            self.bar = ProgressBar(shell, "calibrate_id")
            self.plot = gr.HTML(js_on_load=PLOT_JS, elem_id="fs-cal-plot")
        self.parts = [self.detector, self.plot]

    def show(self, session: Session) -> list[object]:
        """Updates of ``parts``: the detectors there are, and the newest calibration."""
        known = [(card.title, card.name) for card in detector_cards() if card.reason is None]
        found = session.api.calibrations.latest() if session.api is not None else {}
        value = found.get("detector") if found.get("detector") in [name for _, name in known] else "features"
        return [gr.update(choices=known, value=value), calibration_html(found) if found else ""]

    def wire(self, shell: PageContext) -> None:
        """The button, and the end of the job."""
        on(self.go.click, self._start, shell, [self.detector, self.target], self.bar.parts, trigger_mode="once")
        self.bar.on_end(shell, self.show, outputs=self.parts)

    def _start(self, session: Session, detector: str | None, target: str | None) -> list[object]:
        spec = CalibrationSpec(
            required_text("Detector", detector, "features"), required_text("Target", target, TARGETS[0])
        )
        session.calibrate_id = session.required_api.calibrations.start(spec)
        return self.bar.refresh(session)


def calibration_html(found: Mapping[str, Any]) -> str:
    """The plot of a calibration (as ``Calibration.as_dict`` has it), and what it says. HTML."""
    rows = _rows(found["points"])
    low, high = found["ranges"]["image"]
    at, interval = found["image"], found["image_interval"]

    def place(score: float) -> float:
        return float(100 * (score - low) / max(high - low, 1e-12))

    lanes = "".join(_lane(row, place, at) for row in rows)
    band = (
        f"<i class='cal-band' style='left:{place(interval[0]):.2f}%;"
        f"width:{max(0.2, place(interval[1]) - place(interval[0])):.2f}%'></i>"
    )
    data = html.escape(json.dumps(rows), quote=True)
    return (
        f"<div class='cal' data-rows='{data}'>{lanes}"
        f"<div class='cal-over'>{band}<i data-line style='left:{place(at):.2f}%'></i>"
        f"<input type='range' min='{low}' max='{high}' step='any' value='{at}' aria-label='Image threshold'></div>"
        f"<p>Image threshold <output>{at:.4g}</output>, chosen {at:.4g} for {html.escape(found['target'])} "
        f"(95 %: {interval[0]:.4g} to {interval[1]:.4g}); pixels {found['pixel']:.4g}.</p>"
        f"{_real(found.get('real'))}{_notes(found['notes'])}</div>"
    )


def _rows(points: list[list[Any]]) -> list[dict[str, Any]]:
    """One row for good photos, for each engine's pairs and for each label of real anomalies."""
    rows: dict[str, list[float]] = {}
    for source, engine, label, score in points:
        name = "good" if source == "good" else engine or "pairs" if source == "synthetic" else f"real {label}"
        rows.setdefault(name, []).append(score)
    return [{"name": name, "good": name == "good", "scores": scores} for name, scores in rows.items()]


def _lane(row: Mapping[str, Any], place: Callable[[float], float], at: float) -> str:
    dots = "".join(
        f"<circle cx='{place(score):.2f}%' cy='{7 + 3 * (number % 3)}' r='2.6'/>"
        for number, score in enumerate(row["scores"])
    )
    over = sum(score >= at for score in row["scores"]) / len(row["scores"])
    share = over if row["good"] else 1 - over
    said = f"{100 * share:.{1 if 0 < share < 0.1 else 0}f} % {'rejected' if row['good'] else 'missed'}"
    kind = "good" if row["good"] else "real" if row["name"].startswith("real ") else "made"
    return (
        f"<div class='cal-row cal-{kind}'><b>{html.escape(row['name'])} <span>{len(row['scores']):,}</span></b>"
        f"<svg height='20' role='img' aria-label='Scores of {html.escape(row['name'], quote=True)}'>{dots}</svg>"
        f"<span data-share>{said}</span></div>"
    )


def _real(real: Mapping[str, Any] | None) -> str:
    if not real:
        return ""
    return (
        f"<p>On {real['count']:,} real anomalies: image F1 {real['image_f1']:.1%}, {real['image_kept']:.0%} of the "
        f"best possible; pixel F1 {real['pixel_f1']:.1%}, {real['pixel_kept']:.0%}.</p>"
    )


def _notes(notes: list[str]) -> str:
    return "".join(f"<p class='fs-hint'>{html.escape(note)}</p>" for note in notes)
