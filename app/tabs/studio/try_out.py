"""One press, one job: the form and the mask become an order, its variants fill the film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.components.fields import whole_number
from app.components.labels import required_label
from app.components.photo_panel import PhotoPanel
from app.components.preview_gallery import PreviewGallery
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.mask_tools import mask_of
from core.api.studio.studio import TryRequest
from core.errors import InputError

PUT_BACK_JS = """(ended) => {
  const canvas = document.querySelector("#fs-studio-canvas .fsc");
  if (ended && canvas && canvas.__mask) canvas.__mask.putBack();
  return ended;
}"""
"""Once the result of a drag is there, the part lies on the canvas where it was."""


class TryOutRunner:
    """Starts jobs and shows what comes of them. ``outputs`` are what ``start`` updates."""

    def __init__(
        self, shell: PageContext, controls: EngineForm, table: PhotoPanel, bar: ProgressBar, strip: PreviewGallery
    ) -> None:
        self.shell, self.controls, self.table, self.bar, self.strip = shell, controls, table, bar, strip
        # A State never reaches the browser, where the part is put back.
        self.ended = gr.Textbox(visible="hidden")
        self.outputs = [*bar.parts, controls.seed, controls.label]

    def start(self, session: Session, order: TryRequest) -> list[object]:
        """Queue the order; updates for ``outputs``."""
        session.try_id = session.required_api.studio.start_try_out(order)
        self.strip.job_started(session, session.try_id)
        return [*self.bar.refresh(session), str(order.seed), order.label]

    def generate(self, session: Session, seen: str, *values: Any) -> list[object]:
        """The Generate button: ``values`` of the whole form, on the photo the person sees."""
        engine, label, seed, fresh, variants, *params = values
        needs_mask = "mask" in self.controls.cards[engine].needs
        called = required_label(label)
        order = TryRequest(
            engine=engine,
            label=called,
            normal_id=seen,
            params=self.controls.settings.engine_params(engine, params),
            mask=mask_of(self.table, session, seen, called) if needs_mask else None,
            seed=self.controls.choose_seed(seed, fresh),
            variants=whole_number("Variants", variants, 1, 16),
        )
        shown = self.start(session, order)
        self.controls.remember(session, [engine, order.label, str(order.seed), fresh, variants, *params])
        return shown

    def remake_with_mask(self, session: Session, sent: dict[str, object]) -> list[object]:
        """The picked sample once more, with another of its pair's masks; updates for the job's bar."""
        studio = session.required_api.studio
        session.try_id = studio.start_remake(str(sent.get("id", "")), {"mask": str(sent.get("way", ""))})
        self.strip.job_started(session, session.try_id)
        return self.bar.refresh(session)

    def start_layout_edit(
        self, session: Session, seen: str, changes: Mapping[str, Any], label: str, values: Sequence[Any]
    ) -> list[object]:
        """One edit of one part, with the rest of the layout engine's settings; ``values`` of the whole form."""
        _, _, seed, fresh, variants, *params = values
        engine = self.controls.with_tool("parts")
        if engine is None:
            raise InputError("no engine on this machine edits parts; see which are missing under the list of engines")
        settings = self.controls.settings.engine_params(engine, params) | dict(changes)
        order = TryRequest(engine, label, seen, settings, seed=self.controls.choose_seed(seed, fresh), variants=1)
        shown = self.start(session, order)
        self.controls.remember(session, [engine, label, str(order.seed), fresh, variants, *params])
        return shown

    def wire(self) -> None:
        """Generate, its keys, and the news of running jobs."""
        controls, bar, strip, shell = self.controls, self.bar, self.strip, self.shell
        presses = (
            controls.generate_button.click,
            controls.seed.submit,
            controls.variants.submit,
            self.table.canvas.confirmed,
        )
        for press in presses:
            begun = self.table.on_visible_photo(press, self.generate, controls.form, self.outputs, trigger_mode="once")
            # A look that began before the press may have put the timer to sleep.
            on(begun.success, bar.refresh, shell, outputs=bar.parts)
        on(bar.timer.tick, strip.show_new, shell, outputs=strip.parts, role="viewer", concurrency_limit=None)

        taken = on_html_event(strip.maps.taken, self.remake_with_mask, shell, bar.parts, trigger_mode="once")
        on(taken.success, bar.refresh, shell, outputs=bar.parts)

        def ended(session: Session, job_id: str) -> list[object]:
            strip.job_ended(session, job_id)
            return [*strip.show_new(session), job_id]

        bar.on_end(shell, ended, [bar.ended_job], [*strip.parts, self.ended])
        self.ended.change(None, self.ended, None, js=PUT_BACK_JS, api_visibility="private")

        def stop(session: Session) -> None:
            for job_id in session.memory.previews.jobs:
                session.required_api.jobs.cancel(job_id)

        on(bar.cancel.click, stop, shell, queue=False)


def no_updates(count: int) -> list[object]:
    """Updates that touch nothing."""
    return [gr.skip()] * count
