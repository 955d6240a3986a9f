"""Evaluate: numbers on the pairs and on what detectors learn from them; results stay and can be compared."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from app.components import result_list
from app.components.calibration_panel import CalibrationPanel
from app.components.loop_panel import LoopPanel
from app.components.photo_score_panel import PhotoScorePanel
from app.components.progress_bar import ProgressBar
from app.components.result_list import RunList
from app.page_context import PageContext, on, on_html_event
from app.server.roots import roots
from app.session import Session
from core.api.evaluation.evaluations import EvalSpec, detector_cards
from core.errors import FlawsmithError, InputError

KINDS: tuple[tuple[Literal["generation", "localization", "classification", "maps"], str, str], ...] = (
    ("generation", "Generation quality", "Are the pairs varied, clean and like real anomalies? No training."),
    ("localization", "Localization", "Train a detector on the pairs and test it on real anomalies."),
    ("classification", "Classification", "Train a classifier on the pairs and test it on real anomalies."),
    ("maps", "Score maps", "Any detector's own output: one score map per test photo."),
)
IMPORTED, FOLDER = "imported", "folder"
TRAINED_KINDS = ("localization", "classification")
PRESETS = [("Quick, on a CPU", "cpu"), ("As in the papers, on a GPU", "paper")]
ALL_ENGINES = "all engines"
MAX_TRAININGS = 5


class EvaluateForm:
    """The left column's upper card: what is evaluated, on what, how thoroughly."""

    def __init__(self) -> None:
        self.kind = gr.Radio([(f"{title}\n{says}", kind) for kind, title, says in KINDS], value=KINDS[0][0],
                             label="What to evaluate", elem_classes="fs-formats", elem_id="fs-ev-kind")  # fmt: skip
        self.against = gr.Radio([("Imported real anomalies", IMPORTED), ("A folder", FOLDER)], value=IMPORTED,
                                label="Test on", elem_classes="fs-segments", elem_id="fs-ev-against")  # fmt: skip
        self.folder = gr.Textbox(label="Folder of real anomalies", max_lines=1, visible=False, elem_id="fs-ev-folder",
                                 placeholder="/data/line3/test",
                                 info="A dataset in the MVTec AD or LOCO layout, an export, or another "
                                 "project.")  # fmt: skip
        self.scores = gr.Textbox(label="Folder of score maps", max_lines=1, visible=False, elem_id="fs-ev-scores",
                                 placeholder="/data/maps",
                                 info="One .tiff, .npy or 16-bit PNG per test photo.")  # fmt: skip
        self.masks = gr.Textbox(label="Folder of masks", max_lines=1, visible=False, elem_id="fs-ev-masks",
                                placeholder="/data/line3/ground_truth",
                                info="ground_truth of the dataset, or the dataset itself.")  # fmt: skip
        self.defects = gr.Textbox(label="defects_config.json (optional)", max_lines=1, visible=False,
                                  info="How much of each defect must be found to count in full, for sPRO.",
                                  elem_id="fs-ev-defects")  # fmt: skip
        with gr.Accordion("Details", open=False, elem_classes="fs-fold") as self.details:
            self.engine = gr.Dropdown(
                [ALL_ENGINES], value=ALL_ENGINES, label="Pairs of engine", elem_id="fs-ev-engine"
            )
            self.detector = gr.Dropdown([], label="Detector", visible=False, elem_id="fs-ev-detector")
            self.preset = gr.Radio(PRESETS, value="cpu", label="Training preset", visible=False,
                                   info="Quick takes minutes on one core.",
                                   elem_classes="fs-segments", elem_id="fs-ev-preset")  # fmt: skip
            self.trainings = gr.Slider(1, MAX_TRAININGS, value=1, step=1, label="Training seeds", visible=False,
                                       info="With two or more, the result also shows the spread between them.",
                                       elem_id="fs-ev-trainings")  # fmt: skip
            self.name = gr.Textbox(label="Name of the run (optional)", max_lines=1, elem_id="fs-ev-name",
                                   placeholder="after the second review")  # fmt: skip

    @property
    def inputs(self) -> list[Any]:
        """All controls, in the order that ``trial`` takes their values."""
        return [self.kind, self.against, self.folder, self.scores, self.masks, self.defects, self.engine,
                self.detector, self.preset, self.trainings, self.name]  # fmt: skip

    def trial(self, values: Sequence[Any]) -> EvalSpec:
        """What is asked for; InputError if a folder is missing."""
        # A hidden field has no value in the browser.
        kind, against, folder, scores, masks, defects, engine, detector, preset, trainings, name = (
            value or "" for value in values
        )
        if kind == "maps":
            return EvalSpec("maps", name.strip(), scores=_path(scores, "the folder of score maps"),
                         masks=_path(masks, "the folder of masks"),
                         defects_config=_path(defects, "") if defects.strip() else None)  # fmt: skip
        where = _path(folder, "a folder of real anomalies") if against == FOLDER else None
        pairs_of = "" if engine == ALL_ENGINES else engine
        seeds = int(trainings or 1)
        chosen = next(known for known, _, _ in KINDS if known == kind)
        return EvalSpec(chosen, name.strip(), where, pairs_of, detector or "unet", preset or "cpu", seeds)

    def show(self, session: Session) -> list[object]:
        """Updates of ``inputs`` for the session's project; what was chosen stays."""
        plain = [KINDS[0][0], None, "", "", "", "", ALL_ENGINES, "unet", "cpu", 1, ""]
        values = [p if v is None else v for p, v in zip(plain, session.memory.evaluate.form or plain, strict=True)]
        real = session.api.photos.count_test_examples() if session.api else 0
        values[1] = values[1] or (IMPORTED if real or session.api is None else FOLDER)
        made = session.api.evaluations.engines() if session.api else {}
        engines = [
            (f"all engines ({sum(made.values()):,})", ALL_ENGINES),
            *((f"{e} ({n:,})", e) for e, n in made.items()),
        ]
        values[6] = values[6] if values[6] in made else ALL_ENGINES
        session.memory.evaluate.form = values
        shown = self.fitting(values)
        split = session.api is not None and session.api.photos.split() is not None
        own = f"{'Kept for the test' if split else 'Imported real anomalies'} ({real:,})"
        shown[1] |= {"choices": [(own, IMPORTED), ("A folder", FOLDER)]}
        shown[6] |= {"choices": engines}
        shown[7] |= {"choices": [(card.title, card.name) for card in detector_cards() if card.reason is None]}
        return [update | {"value": value} for update, value in zip(shown, values, strict=True)]

    @staticmethod
    def fitting(values: Sequence[Any]) -> list[dict[str, Any]]:
        """Updates of ``inputs`` that hide what means nothing to the kind of evaluation."""
        kind, against = values[0], values[1]
        maps, trained = kind == "maps", kind in TRAINED_KINDS
        visible = [True, not maps, not maps and against == FOLDER, maps, maps, maps, not maps,
                   kind == "localization", trained, trained, True]  # fmt: skip
        return [gr.update(visible=shown) for shown in visible]


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Evaluate", id="evaluate") as tab, gr.Row(equal_height=False, elem_classes="fs-ev"):
        with gr.Column(scale=4, min_width=330):
            with gr.Group(elem_classes="fs-card"):
                controls = EvaluateForm()
                plan = gr.HTML(elem_id="fs-ev-plan")
                go = gr.Button("Evaluate", variant="primary", elem_id="fs-ev-go")
                bar = ProgressBar(shell, "evaluate_id")
            runs = RunList()
        with gr.Column(scale=9, min_width=480):
            live = gr.HTML(elem_id="fs-ev-live")
            one = PhotoScorePanel()
            shown = gr.HTML(elem_id="fs-ev-result")
            loop = LoopPanel(shell)
            calibration = CalibrationPanel(shell)
    ready, right = [plan, go], [runs.html, shown, *one.parts]

    def both(session: Session) -> list[object]:
        return [*result_list.run_list_updates(session), *one.show(session)]

    def fill(session: Session) -> list[object]:
        if session.api is not None:  # a run goes on when its window is closed; the next one takes it over
            session.evaluate_id = session.api.evaluations.running() or session.evaluate_id
        updates = controls.show(session)
        shown = [*bar.refresh(session), result_list.live_curves_html(session), *both(session)]
        own = [*calibration.bar.refresh(session), *calibration.show(session)]
        own += [*loop.bar.refresh(session), *loop.show(session)]
        return [*updates, *_plan_updates(session, controls), *shown, *own]

    own_parts = [*calibration.bar.parts, *calibration.parts, *loop.bar.parts, *loop.parts]
    shell.fill_on_select(tab, fill, [*controls.inputs, *ready, *bar.parts, live, *right, *own_parts])

    def look(session: Session, *values: Any) -> list[object]:
        if list(values) == session.memory.evaluate.filled:  # the server's own update comes back as a change
            return [gr.skip()] * len([*controls.inputs, *ready])
        session.memory.evaluate.filled = session.memory.evaluate.form = list(values)
        return [*controls.fitting(values), *_plan_updates(session, controls)]

    for control in controls.inputs:
        # A field's first input after the server filled it in goes unheard, and so does a number beside a slider.
        happens = control.change if isinstance(control, gr.Textbox | gr.Slider) else control.input
        on(happens, look, shell, controls.inputs, [*controls.inputs, *ready], role="viewer",
           trigger_mode="always_last")  # fmt: skip

    def start(session: Session, *values: Any) -> list[object]:
        session.memory.evaluate.form = list(values)
        session.evaluate_id = session.required_api.evaluations.start(controls.trial(values))
        return [gr.update(interactive=False), *bar.refresh(session), result_list.live_curves_html(session)]

    on(go.click, start, shell, controls.inputs, [go, *bar.parts, live])
    on(bar.timer.tick, result_list.live_curves_html, shell, outputs=[live], role="viewer", concurrency_limit=None)

    def ended(session: Session) -> list[object]:
        made = session.required_api.jobs.result(session.evaluate_id).get("id")
        # A reloaded page hears of the end again; by then another run may be in front.
        if made and session.memory.evaluate.made != made:
            session.memory.evaluate.shown = [made]
            session.memory.evaluate.made = made
        return [*_plan_updates(session, controls), "", *both(session)]

    bar.on_end(shell, ended, outputs=[*ready, live, *right])
    for event, handler in ((runs.html.opened, result_list.open_run), (runs.html.compared, result_list.compare)):
        on_html_event(event, _with_results(handler, both), shell, right, role="viewer", trigger_mode="multiple")
    on_html_event(runs.html.removed, _with_results(result_list.remove, both), shell, right, trigger_mode="multiple")
    one.wire(shell)
    calibration.wire(shell)
    loop.wire(shell)


def _with_results(handler: Callable[..., Any], both: Callable[[Session], list[Any]]) -> Callable[..., list[Any]]:
    """``handler``, and the right column as it then is."""

    def handle(session: Session, sent: dict[str, object]) -> list[object]:
        handler(session, sent)
        return both(session)

    return handle


def _plan_updates(session: Session, controls: EvaluateForm) -> list[object]:
    """What would be measured on what, or what is missing; and whether the button can be pressed."""
    if session.api is None:
        return [_hint("Open a project in <b>Product</b> first."), gr.update(interactive=False)]
    try:
        trial = controls.trial(session.memory.evaluate.form or ())
        plan = session.api.evaluations.preview(trial)
    except FlawsmithError as error:
        return [_hint(html.escape(_sentence(str(error)))), gr.update(interactive=False)]
    facts = "".join(f"<dt>{html.escape(verb)}</dt><dd>{html.escape(what)}</dd>" for verb, what in plan.facts.items())
    said = "".join(f"<p class='fs-warn'>{html.escape(line)}</p>" for line in plan.warnings)
    said += "".join(_hint(html.escape(line)) for line in plan.notes)
    return [f"<dl class='fs-ev-plan'>{facts}</dl>{said}", gr.update(interactive=not result_list.is_running(session))]


def _path(text: str, what: str) -> Path:
    if not text.strip():
        raise InputError(f"give {what}")
    path = roots.checked(Path(text.strip()))
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder on the machine that runs Flawsmith")
    return path


def _hint(text: str) -> str:
    return f"<p class='fs-hint'>{text}</p>"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
