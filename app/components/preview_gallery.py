"""The studio's previews: a film of small pictures, the chosen one beside its photo, keep or discard."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components.attention_panel import attention_panel_html, nearest_good_part_html, svg_picture, unrefined_outline
from app.components.drawn_pair_panel import CHOOSE_MASK_JS, copy_in_words, drawn_pair_html
from app.components.photo_panel import SERIAL_EVENTS
from app.page_context import PageContext, on, on_html_event
from app.session import Session, file_url
from core.api import SampleRow
from core.api.review import ReviewRules, SampleComparison, flaw_places
from core.api.studio.attention_evidence import AttentionEvidence
from core.api.studio.drawn_pairs import NearestExample
from core.errors import InputError, NotFound
from core.types import ReviewStatus

MAX_JOBS = 12
"""Studio jobs whose previews stay in the film."""
MAX_SHOWN = 24
CLOSE_UP_ASPECT = 4 / 3
"""Width by height of the close-ups."""
EMPTY = (
    "<div class='fs-film-empty'><b>Previews appear here</b><p>Draw a mask on the photo or let a rule place one, "
    "choose an engine and press <kbd>Ctrl</kbd> <kbd>Enter</kbd>. With <b>Layout</b>, drag a part; with "
    "<b>Component edit</b>, strike out a component.</p></div>"
)
STATUS_MARKS = {"kept": "✓", "rejected": "✕", "new": ""}

GALLERY_JS = """
// Small pictures to choose from by mouse or arrow keys; "picked" tells {id}.
const items = () => [...element.querySelectorAll("[data-id]")];
let held = "";
element.addEventListener("click", (event) => {
  const item = event.target.closest("[data-id]");
  if (item) { held = item.dataset.id; trigger("picked", { id: held }); }
});
element.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const all = items(), next = all[all.indexOf(document.activeElement) + step];
  event.preventDefault();
  event.stopPropagation();
  if (next) { next.focus(); next.click(); }
});
watch("value", () => {
  // A new film takes the place of the one that had the focus.
  const item = held && items().find((i) => i.dataset.id === held);
  const idle = !document.activeElement || document.activeElement === document.body;
  if (item && idle) item.focus({ preventScroll: true });
  const chosen = element.querySelector("[aria-selected=true]");
  if (chosen) chosen.parentElement.scrollLeft = Math.max(0, chosen.offsetLeft - chosen.parentElement.clientWidth / 2);
});
"""


class PreviewGallery:
    """Previews of what the session tried last."""

    def __init__(self, shell: PageContext) -> None:
        self.gallery = gr.HTML(EMPTY, js_on_load=GALLERY_JS, elem_id="fs-strip")
        with gr.Column(visible=False, elem_classes="fs-detail", elem_id="fs-detail") as self.detail:
            self.slider = gr.ImageSlider(label="Photo and sample", max_height=330, interactive=False, format="png",
                                         elem_id="fs-slider", show_label=False, buttons=["fullscreen"])  # fmt: skip
            with gr.Row(elem_classes="fs-verdicts"):
                self.keep = gr.Button("Keep (A)", variant="primary", elem_id="fs-keep",
                                      size="sm", min_width=60)  # fmt: skip
                self.discard = gr.Button("Discard (X)", elem_id="fs-discard", size="sm", min_width=60)
                self.undo = gr.Button("Undo (U)", elem_id="fs-undo-verdict", size="sm",
                                      min_width=60)  # fmt: skip
                self.keep_all = gr.Button("Keep all", elem_id="fs-keep-all", size="sm", min_width=60)
            self.maps = gr.HTML(js_on_load=CHOOSE_MASK_JS, elem_id="fs-maps")
            self.facts = gr.HTML(elem_id="fs-facts")
            self.reuse = gr.Button("Copy settings from this sample", size="sm", elem_id="fs-reuse")
        self.parts = [self.gallery, self.detail, self.slider, self.maps, self.facts]
        on_html_event(self.gallery.picked, self._pick, shell, self.parts, role="viewer", **SERIAL_EVENTS)
        on(
            self.keep.click,
            lambda s: self._set_status(s, ReviewStatus.KEPT),
            shell,
            outputs=self.parts,
            **SERIAL_EVENTS,
        )
        on(
            self.discard.click,
            lambda s: self._set_status(s, ReviewStatus.REJECTED),
            shell,
            outputs=self.parts,
            **SERIAL_EVENTS,
        )
        on(self.undo.click, self._undo, shell, outputs=self.parts, **SERIAL_EVENTS)
        on(self.keep_all.click, self._keep_all, shell, outputs=self.parts)

    def job_started(self, session: Session, job_id: str) -> None:
        """A job was started: its previews come first, and its first one is shown as soon as it is there."""
        session.memory.previews.jobs = [*session.memory.previews.jobs, job_id][-MAX_JOBS:]
        session.memory.previews.awaited = job_id

    def job_ended(self, session: Session, job_id: str) -> None:
        """A job has ended: what it made again is in the film too, and said."""
        ids = session.required_api.jobs.result(job_id).get("sample_ids", ()) if job_id else ()
        rows = session.required_api.studio.samples_of(job_id) if ids else []
        mine = {row.id for row in rows}
        if any(row.component_paths or row.picture_paths for row in rows):
            session.memory.previews.shown = None  # their nearest good part was looked for last
        again = [i for i in ids if i not in mine]
        if again and job_id not in session.memory.previews.again:
            session.memory.previews.again[job_id] = again
            session.memory.previews.picked = again[0]
            session.memory.previews.shown = None
            gr.Info("Same settings, same sample: it was made before. Take another seed for another one.")

    def show(self, session: Session) -> list[object]:
        """Updates for ``parts``: the previews so far and the chosen one."""
        rows = _gallery_rows(session)
        session.memory.previews.shown = _row_states(rows)
        if not rows:
            session.memory.previews.picked = ""
            return [EMPTY, gr.update(visible=False), gr.skip(), "", ""]
        _update_picked(session, rows)
        picked = session.memory.previews.picked
        return [_gallery_html(session, rows, picked), gr.update(visible=True), *_detail_updates(session, picked)]

    def show_new(self, session: Session) -> list[object]:
        """The same, but nothing is touched while no new preview has come."""
        fresh = session.api is not None and _row_states(_gallery_rows(session)) != session.memory.previews.shown
        return self.show(session) if fresh else [gr.skip()] * len(self.parts)

    def _pick(self, session: Session, sent: dict[str, object]) -> list[object]:
        session.memory.previews.picked = str(sent.get("id", ""))
        session.memory.previews.awaited = ""
        return self.show(session)

    def _set_status(self, session: Session, verdict: ReviewStatus) -> list[object]:
        picked = session.memory.previews.picked
        if not picked:
            raise InputError("generate something first, then keep or discard it")
        rows = _gallery_rows(session)
        session.required_api.review.set_status([picked], verdict, by=session.login)
        ids = [r.id for r in rows]
        place = ids.index(picked) if picked in ids else 0
        waiting = [r.id for r in rows[place:] + rows[:place] if r.verdict == ReviewStatus.NEW and r.id != picked]
        session.memory.previews.picked = waiting[0] if waiting else picked
        return self.show(session)

    def _undo(self, session: Session) -> list[object]:
        back = session.required_api.review.undo(session.login)
        if not back:
            gr.Info("There is no verdict to take back.")
        elif back[0] in {r.id for r in _gallery_rows(session)}:
            session.memory.previews.picked = back[0]
        return self.show(session)

    def _keep_all(self, session: Session) -> list[object]:
        fresh = [r.id for r in _gallery_rows(session) if r.verdict == ReviewStatus.NEW]
        if not fresh:
            raise InputError("keep all: every preview here has its verdict already")
        session.required_api.review.set_status(fresh, ReviewStatus.KEPT, by=session.login)
        return self.show(session)


def _gallery_rows(session: Session) -> list[SampleRow]:
    """The film: samples of the newest job first."""
    if session.api is None:
        return []
    studio = session.api.studio
    rows: dict[str, SampleRow] = {}
    for job_id in reversed(session.memory.previews.jobs):
        for row in [*studio.samples_of(job_id), *_repeated_rows(session, job_id)]:
            rows.setdefault(row.id, row)
    return list(rows.values())[:MAX_SHOWN]


def _repeated_rows(session: Session, job_id: str) -> list[SampleRow]:
    """Samples that a job made and an earlier one had made too: the store keeps them once, as the earlier one's."""
    found = []
    for sample_id in session.memory.previews.again.get(job_id, ()):
        try:
            found.append(session.required_api.review.row(sample_id))
        except NotFound:
            continue  # deleted since
    return found


def _row_states(rows: list[SampleRow]) -> list[tuple[str, str]]:
    return [(r.id, str(r.verdict)) for r in rows]


def _update_picked(session: Session, rows: list[SampleRow]) -> None:
    awaited = next((r.id for r in rows if r.job_id == session.memory.previews.awaited), "")
    if awaited:
        session.memory.previews.picked, session.memory.previews.awaited = awaited, ""
    elif session.memory.previews.picked not in {r.id for r in rows}:
        session.memory.previews.picked = rows[0].id


def _gallery_html(session: Session, rows: list[SampleRow], picked: str) -> str:
    desk = session.required_api.review
    cells = "".join(
        f"<button type='button' role='option' data-id='{r.id}' data-verdict='{r.verdict}' "
        f"aria-selected='{str(r.id == picked).lower()}' tabindex='{0 if r.id == picked else -1}' "
        f"title='{html.escape(f'{r.label}, {r.engine}, seed {r.seed}, {r.verdict}')}'>"
        f"<img src='{file_url(desk.thumbnail(r))}' alt='{html.escape(r.label)}' draggable='false'>"
        f"<i>{STATUS_MARKS[r.verdict]}</i></button>"
        for r in rows
    )
    return f"<div class='fs-film' role='listbox' aria-label='Previews'>{cells}</div>"


def _detail_updates(session: Session, picked: str) -> list[object]:
    desk = session.required_api.review
    try:
        seen = desk.compare(picked)
    except NotFound:
        return [gr.skip(), "", ""]
    evidence, around = desk.attention_evidence(seen.sample), desk.outline(seen.sample)
    change = evidence.heatmap_path if evidence else seen.attention_path or desk.difference_map(picked)
    name = "Residual attention" if evidence else "Attention" if seen.attention_path else "What changed"
    maps = _close_ups_html(
        seen, around, [("Sample", seen.image_path), ("Mask", seen.mask_path), (name, change)], evidence
    )
    # The divider begins left of the mask, so that the sample's side shows what was made.
    start = max(4.0, min(85.0, 100 * around["box"][0] / seen.normal.width - 5))
    beside = gr.update(value=(str(seen.source_path), str(seen.image_path)), slider_position=start)
    if (pair := desk.drawn_pair(seen.sample)) is not None:
        near = desk.nearest_good_part(seen.sample)
        maps += drawn_pair_html(picked, pair) + (
            f"<div class='fs-why'>{nearest_good_part_html(*near)}</div>" if near else ""
        )
    return [beside, maps, facts_html(seen, desk.nearest_example(seen.sample))]


def _close_ups_html(
    seen: SampleComparison,
    around: Mapping[str, Any],
    pictures: list[tuple[str, Any]],
    evidence: AttentionEvidence | None,
) -> str:
    """Close-ups of the same place around the mask; the sample's with the mask outlined, the mask with what it was
    before it was refined, and what the engine saw of each component."""
    size = (seen.normal.width, seen.normal.height)
    view = "{:g} {:g} {:g} {:g}".format(*_close_up_box(around["box"], *size))
    marks = flaw_marks(seen.sample.scores, 0.035 * max(size))
    over = [f"<path d='{around['path']}'/>{marks}", unrefined_outline(evidence) if evidence else "", ""]
    cells = []
    for (name, path), line in zip(pictures, over, strict=True):
        said = f"{name} <span class='fs-coarse-key'>unrefined</span>" if evidence and name == "Mask" else name
        drawn = svg_picture(file_url(path), f"{name}, close-up", view, size, line)
        cells.append(f"<figure>{drawn}<figcaption>{said}</figcaption></figure>")
    return (
        f"<div class='fs-maps'>{''.join(cells)}</div>{attention_panel_html(seen, evidence, view) if evidence else ''}"
    )


def flaw_marks(scores: Mapping[str, float], radius: float) -> str:
    """SVG circles about the places where what gives the edit away is worst, each with its name."""
    return "".join(
        f"<circle class='fs-flaw' cx='{place.x}' cy='{place.y}' r='{radius:.1f}'>"
        f"<title>{html.escape(place.reason)}</title></circle>"
        for place in flaw_places(scores, ReviewRules())
    )


def _close_up_box(box: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    """(left, top, width, height) of a 4:3 view with some air around ``box`` (x0, y0, x1, y1), inside the photo."""
    x0, y0, x1, y1 = box
    wide = max(1.5 * (x1 - x0), 1.5 * (y1 - y0) * CLOSE_UP_ASPECT, 48.0)
    wide = min(wide, max(width, height * CLOSE_UP_ASPECT))
    tall = wide / CLOSE_UP_ASPECT
    left = min(max((x0 + x1 - wide) / 2, 0), width - wide) if wide <= width else (width - wide) / 2
    top = min(max((y0 + y1 - tall) / 2, 0), height - tall) if tall <= height else (height - tall) / 2
    return left, top, wide, tall


def facts_html(seen: SampleComparison, near: NearestExample | None) -> str:
    """Origin and scores of a sample in words, and how near it is to a real one, HTML."""
    row = seen.sample
    said = scores_in_words(row.scores) + ([copy_in_words(near)] if near is not None else [])
    lines = "".join(
        f"<li data-level='{level}'><span>{words}</span><span>{number}</span></li>" for words, number, level in said
    )
    verdict = ": ".join(filter(None, (str(row.verdict_by or ""), row.reason)))
    why = "".join(f"<p class='fs-quiet'>{html.escape(line)}</p>" for line in (verdict, seen.note) if line)
    return (
        f"<div class='fs-facts'><p><b>{html.escape(row.label)}</b> · {html.escape(row.engine)} · seed {row.seed}"
        f"<span class='fs-verdict' data-verdict='{row.verdict}'>{row.verdict}</span></p><ul>{lines}</ul>{why}</div>"
    )


def scores_in_words(scores: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """(words, number, "good" | "fair" | "bad" | "plain") for each score that says something to an inspector."""
    said: list[tuple[str, str, str]] = []
    if (covered := scores.get("mask_covered")) is not None:
        words, level = _level_of(covered, ((0.75, "Mask much wider than the change", "bad"),
                                       (0.95, "Mask a little wider than the change", "fair")),
                             ("Mask fits what changed", "good"))  # fmt: skip
        said.append((words, f"{covered:.0%} of it changed", level))
    if (outside := scores.get("change_outside")) is not None:
        words, level = ("Changed outside the mask", "bad") if outside else ("Rest of the photo untouched", "good")
        said.append((words, f"{outside:,.0f} px outside", level))
    if (inside := scores.get("change_inside")) is not None:
        words, level = _level_of(inside, ((0.02, "Hardly visible", "fair"), (0.06, "Subtle", "plain"),
                                      (0.18, "Clear", "plain")), ("Strong", "plain"))  # fmt: skip
        said.append((words, f"{255 * inside:.0f} grey levels", level))
    if (seam := scores.get("seam_contrast")) is not None:
        words, level = _level_of(
            seam,
            ((1.6, "No visible seam", "good"), (4.0, "Slight edge at the outline", "plain")),
            ("Hard edge at the outline", "plain"),
        )
        said.append((words, f"{seam:.1f} × the photo's own", level))
    return [*said, *_flaws_in_words(scores)]


def _flaws_in_words(scores: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """What gives an edit away or misses what was asked for, bad from the limits of the default review rules on."""
    rules = ReviewRules()
    told = (
        ("ghost", rules.max_ghost, "What was there shows through", "Nothing of what was there shows",
         "{:.2f} of {:.2f}"),
        ("light_step", rules.max_light_step, "The light steps at the mask's edge", "The light goes on",
         "{:.1f} of {:.1f} levels"),
        ("texture", rules.max_texture, "Texture unlike the surface", "Texture like the surface",
         "{:.1f} of {:.1f} times"),
    )  # fmt: skip
    said: list[tuple[str, str, str]] = []
    for name, limit, bad, good, form in told:
        if (value := scores.get(name)) is not None:
            over = value > limit
            said.append((bad if over else good, form.format(value, limit), "bad" if over else "good"))
    if (asked := scores.get("asked_kept")) is not None and asked < rules.min_asked:
        said.append(("Little of the mask asked for changed", f"{asked:.0%} of it", "bad"))
    if (off := scores.get("off_part")) is not None and off > rules.max_off_part:
        said.append(("Lies on the background, beside the part", f"{off:.0%} of it", "bad"))
    return said


def _level_of(value: float, below: tuple[tuple[float, str, str], ...], else_: tuple[str, str]) -> tuple[str, str]:
    return next(((words, level) for limit, words, level in below if value < limit), else_)
