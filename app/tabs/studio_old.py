"""Studio: photo, mask, engine; variants side by side; keep or discard; the same in bulk."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app import forms
from app.canvas.canvas import FLUSH_JS
from app.jobbar import JobBar
from app.session import Session
from app.shell import Shell, on, on_canvas
from app.strip import Strip
from app.table import Table
from core.errors import InputError
from core.workbench import Batch
from core.workbench.masks import Masks
from core.workbench.studio import EngineCard, Order, engine_cards

MASK_EDITS = (
    ("Grow", "grow"),
    ("Shrink", "shrink"),
    ("Smooth", "smooth"),
    ("Fill", "fill_holes"),
    ("Invert", "invert"),
)


class Controls:
    """The right-hand column: engine, label, mask tools, settings."""

    def __init__(self) -> None:
        self.cards = engine_cards()
        with gr.Group(elem_classes="fs-card"):
            usable = [(c.title, n) for n, c in self.cards.items() if c.reason is None]
            self.engine = gr.Radio(usable, value=usable[0][1], label="Engine", elem_classes="fs-engines")
            self.about = gr.HTML(_about(self.cards[usable[0][1]]))
            self.label = gr.Dropdown([], value="scratch", label="Label", allow_custom_value=True,
                                     info="a-z, 0-9 and _; the folder name in the dataset.")  # fmt: skip
        self._mask_tools()
        with gr.Accordion("Settings of the engine", open=True):
            self.groups: dict[str, gr.Group] = {}
            self.forms: dict[str, forms.Form] = {}
            for position, (name, card) in enumerate(self.cards.items()):
                if card.reason is None:
                    with gr.Column(visible=position == 0) as self.groups[name]:
                        self.forms[name] = forms.build(card.params)
        with gr.Row(elem_classes="fs-buttons"):
            self.seed = gr.Number(1, label="Seed", precision=0, minimum=0, min_width=80)
            self.dice = gr.Button("New seed", size="sm", scale=0, min_width=84)
            self.variants = gr.Slider(1, 8, value=4, step=1, label="Variants", min_width=120)
        self.go = gr.Button("Generate", variant="primary", elem_id="fs-generate")

    def _mask_tools(self) -> None:
        with gr.Accordion("Mask", open=True) as self.mask_tools:
            with gr.Row():
                self.place = gr.Button("Place by rule", size="sm", min_width=110)
                self.perturb = gr.Button("Vary outline", size="sm", min_width=110)
            with gr.Row(elem_classes="fs-tight"):
                self.edits = [(gr.Button(title, size="sm", min_width=52), how) for title, how in MASK_EDITS]
            self.px = gr.Slider(1, 40, value=3, step=1, label="Step of grow, shrink, smooth (px)")
            with gr.Accordion("Placement rules", open=False):
                self.placement = forms.build(Masks.Placement)
            with gr.Accordion("How outlines vary", open=False):
                self.enhancement = forms.build(Masks.Enhancement)

    @property
    def params(self) -> list[Any]:
        """Every engine's controls, one after the other."""
        return [c for form in self.forms.values() for c in form.components]

    def engine_params(self, name: str, values: list[Any]) -> dict[str, Any]:
        """The chosen engine's values out of those of ``params``."""
        start = 0
        for engine, form in self.forms.items():
            if engine == name:
                return form.read(values[start : start + len(form.components)])
            start += len(form.components)
        raise InputError(f"engine {name!r} cannot be used on this machine; choose another")


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Studio", id="studio") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=8, min_width=500):
            table = Table(shell, tall="clamp(340px, 54vh, 820px)")
            bar = JobBar(shell, "job_id", poll_s=0.25)
            strip = Strip(shell)
        with gr.Column(scale=3, min_width=320):
            controls = Controls()
            batch = _bulk(shell)

    def fill(session: Session) -> list[Any]:
        labels = session.bench.studio.labels() if session.bench else []
        kept = session.memory.get("label", labels[0] if labels else "scratch")
        return [*table.show(session), *bar.look(session), *batch.bar.look(session), *strip.show(session),
                gr.update(choices=labels, value=kept)]  # fmt: skip

    shell.refresh(tab, fill, [*table.parts, *bar.parts, *batch.bar.parts, *strip.parts, controls.label])
    _wire_engine(controls)
    _wire_masks(shell, controls, table)
    _wire_generate(shell, controls, table, bar, strip)
    _wire_bulk(shell, controls, batch)


def _wire_engine(controls: Controls) -> None:
    names = list(controls.groups)

    def choose(name: str) -> list[Any]:
        card = controls.cards[name]
        shown = [gr.update(visible=n == name) for n in names]
        return [_about(card), gr.update(visible="mask" in card.needs), *shown]

    groups = [controls.groups[n] for n in names]
    controls.engine.change(choose, controls.engine, [controls.about, controls.mask_tools, *groups],
                           show_progress="hidden", api_visibility="private")  # fmt: skip
    controls.dice.click(
        None, None, controls.seed, js="() => Math.floor(Math.random() * 1e9)", api_visibility="private"
    )


def _wire_masks(shell: Shell, controls: Controls, table: Table) -> None:
    def edited(session: Session, how: str, px: float) -> list[Any]:
        return _put(table, session, session.open_bench.masks.edit(_mask(session), how, int(px)))

    for button, how in controls.edits:
        on(button.click, lambda s, px, how=how: edited(s, how, px), shell, [controls.px], table.parts, js=FLUSH_JS)

    def place(session: Session, label: str, *values: Any) -> list[Any]:
        photo = session.photo()
        session.memory["place"] = turn = session.memory.get("place", 0) + 1
        mask = session.open_bench.masks.place(photo, _label(label), controls.placement.read(values), turn)
        return _put(table, session, mask)

    on(controls.place.click, place, shell, [controls.label, *controls.placement.components], table.parts)

    def perturb(session: Session, label: str, *values: Any) -> list[Any]:
        # Each press varies the drawn mask anew; varying the varied one would wander off.
        base, last = session.memory.get("perturb", (None, None))
        mask = _mask(session)
        if last is None or base is None or mask.shape != last.shape or (mask != last).any():
            base = mask
        session.memory["turn"] = turn = session.memory.get("turn", 0) + 1
        params = controls.enhancement.read(values)
        varied = session.open_bench.masks.perturb(base, params, turn, _label(label))
        session.memory["perturb"] = (base, varied)
        return _put(table, session, varied)

    on(controls.perturb.click, perturb, shell, [controls.label, *controls.enhancement.components], table.parts,
       js=FLUSH_JS)  # fmt: skip


def _wire_generate(shell: Shell, controls: Controls, table: Table, bar: JobBar, strip: Strip) -> None:
    def generate(session: Session, engine: str, label: str, seed: float, variants: float, *values: Any) -> list[Any]:
        session.memory["label"] = _label(label)
        needs_mask = "mask" in controls.cards[engine].needs
        order = Order(
            engine=engine,
            label=_label(label),
            normal_id=session.photo(),
            params=controls.engine_params(engine, list(values)),
            mask=session.mask() if needs_mask else None,
            seed=int(seed or 0),
            variants=int(variants),
        )
        session.job_id = session.open_bench.studio.start(order)
        return [*bar.look(session), *strip.show(session)]

    inputs = [controls.engine, controls.label, controls.seed, controls.variants, *controls.params]
    outputs = [*bar.parts, *strip.parts]
    on(controls.go.click, generate, shell, inputs, outputs, js=FLUSH_JS)
    on(bar.timer.tick, strip.grow, shell, outputs=strip.parts, concurrency_limit=None)
    on(bar.ended.change, strip.show, shell, outputs=strip.parts)

    def moved(session: Session, sent: dict[str, Any]) -> list[Any]:
        params = {
            "op": "move", "region": str(sent.get("name", "")), "dx": round(float(sent.get("dx", 0))),
            "dy": round(float(sent.get("dy", 0))), "angle": float(sent.get("angle", 0)),
            "scale": float(sent.get("scale", 1)),
        }  # fmt: skip
        label = session.memory.get("label", "misplaced")
        order = Order("layout", label, session.photo(), params, variants=1)
        session.job_id = session.open_bench.studio.start(order)
        return [*bar.look(session), *strip.show(session)]

    on_canvas(table.canvas.region_moved, moved, shell, outputs)


class Bulk:
    """The fold-out for bulk work."""

    def __init__(self, shell: Shell) -> None:
        with gr.Accordion("In bulk, over all photos", open=False):
            with gr.Row(equal_height=True):
                self.count = gr.Number(100, label="How many", precision=0, minimum=1, maximum=100_000, min_width=90)
                self.best = gr.Number(None, label="Keep the best", precision=0, minimum=1, min_width=90,
                                      placeholder="all")  # fmt: skip
            gr.HTML("<p class='fs-hint'>Masks are placed by the placement rules above, on every photo in turn.</p>")
            self.go = gr.Button("Make them")
            self.bar = JobBar(shell, "batch_id")


def _bulk(shell: Shell) -> Bulk:
    return Bulk(shell)


def _wire_bulk(shell: Shell, controls: Controls, batch: Bulk) -> None:
    width = len(controls.placement.components)

    def start(session: Session, engine: str, label: str, seed: float, count: float, best: float | None,
              *values: Any) -> list[Any]:  # fmt: skip
        order = Batch(
            engine=engine,
            label=_label(label),
            count=int(count or 0),
            seed=int(seed or 0),
            params=controls.engine_params(engine, list(values[width:])),
            placement=controls.placement.read(values[:width]),
        )
        session.batch_id = session.open_bench.studio.start_batch(order, int(best) if best else None)
        return batch.bar.look(session)

    inputs = [controls.engine, controls.label, controls.seed, batch.count, batch.best,
              *controls.placement.components, *controls.params]  # fmt: skip
    on(batch.go.click, start, shell, inputs, batch.bar.parts)

    def ended(session: Session) -> None:
        result = session.open_bench.jobs.result(session.batch_id)
        if result:
            kept = f", {result['kept']} kept" if result.get("kept") else ""
            gr.Info(f"{result['message']}{kept}. Look through them in Review.", title="Done")

    on(batch.bar.ended.change, ended, shell)


def _mask(session: Session) -> Any:
    mask = session.mask()
    if mask is None:
        raise InputError("there is no mask yet: click a region, draw one, or press Place by rule")
    return mask


def _put(table: Table, session: Session, mask: Any) -> list[Any]:
    session.set_mask(session.photo(), mask)
    return table.show(session)


def _label(label: str | None) -> str:
    return (label or "").strip()


def _about(card: EngineCard) -> str:
    return f"<p class='fs-hint'>{card.summary}</p>"
