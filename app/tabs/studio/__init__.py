"""Studio: photo, mask, engine; variants side by side; keep or discard; the same in bulk."""

from __future__ import annotations

import gradio as gr

from app.components.photo_panel import PhotoPanel
from app.components.preview_gallery import PreviewGallery
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tab_memory import TabMemory
from app.tabs.studio import bulk_panel, context_tool, prompt_editor, real_defects, recipe_loader, try_out
from app.tabs.studio import mask_tools as masks
from app.tabs.studio import part_tools as parts
from app.tabs.studio.engine_form import EngineForm

CANVAS_HEIGHT = "clamp(280px, calc(100vh - var(--fs-above, 232px)), 980px)"
"""The canvas ends where the window does: header, navigation, tool bar and status line take the rest."""

LABEL_COLOUR_JS = """(label) => {
  (window.flawsmithLabels ??= {})['fs-studio-canvas'] = label || '';
  window.flawsmithLabel?.('fs-studio-canvas', label);
}"""
"""The mask has its label's colour. The label may come before the canvas, which then finds it there."""


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Studio", id="studio") as tab, gr.Row(elem_classes="fs-studio", equal_height=False):
        with gr.Column(min_width=320, elem_classes="fs-studio-photo"):
            table = PhotoPanel(shell, "studio", CANVAS_HEIGHT, masks.drop)
        with gr.Column(min_width=300, elem_classes="fs-studio-result"):
            with gr.Column(elem_classes="fs-bar-slot"):
                bar = ProgressBar(shell, "try_id", poll_s=0.25)
            come = bulk_panel.BulkProgress(shell)
            strip = PreviewGallery(shell)
        with gr.Column(min_width=300, elem_classes="fs-side"):
            with gr.Column(elem_classes="fs-side-scroll"):
                controls = EngineForm()
                defects = real_defects.RealDefects()
                mask_tools = masks.MaskTools()
                part_tools = parts.PartTools()
                board = prompt_editor.PromptEditor() if controls.with_tool("prompt") else None
                controls.settings.build()
                if board is not None:
                    board.attach_form(controls)
                work = bulk_panel.BulkForm()
                loader = recipe_loader.RecipeLoader()
            controls.build_footer()
            seen = context_tool.ContextTool(controls)
            maker = try_out.TryOutRunner(shell, controls, table, bar, strip)
    choices = [controls.label, mask_tools.regions, mask_tools.kept, controls.engine]
    shown = [*table.parts, *bar.parts, *come.bar.parts, *come.parts, *strip.parts, *part_tools.shown, *choices]
    shown += defects.parts
    shown += board.shown if board is not None else []

    def fill(session: Session) -> list[object]:
        if session.api is None:
            session.memory = TabMemory()
        laid, session.memory.studio.laid = session.memory.studio.laid, None
        if laid is not None:
            table.set_mask(session, *laid)
        return [
            *table.show(session), *bar.refresh(session), *come.bar.refresh(session), *come.show(session),
            *strip.show(session), *part_tools.show(session), controls.labels.update(session),
            gr.update(choices=sorted(session.api.regions.names()) if session.api else []),
            masks.kept_masks_update(session),
            controls.readiness_update(session),
            *defects.show(session),
            *(board.show(session) if board is not None else []),
        ]  # fmt: skip

    shell.fill_on_select(tab, fill, shown)
    on(shell.project_opened.change, controls.restore, shell, outputs=controls.form, role="viewer")
    on(tab.select, controls.take_handover, shell, outputs=controls.form, role="viewer")
    on(table.photo_changed.change, part_tools.show, shell, outputs=part_tools.shown, role="viewer")
    controls.wire(shell, [mask_tools.box, part_tools.box, *([board.box] if board is not None else [])])
    controls.label.change(None, [controls.label], js=LABEL_COLOUR_JS, api_visibility="private")
    context_tool.wire(seen, shell, table)
    masks.wire(mask_tools, shell, controls, table)
    on_html_event(shell.pulse.verdicts_changed, lambda s, _: strip.show_new(s), shell, strip.parts, role="viewer")
    maker.wire()
    real_defects.wire(defects, maker)
    parts.wire(part_tools, maker)
    if board is not None:
        prompt_editor.wire(board, maker)
    bulk_panel.wire(work, come, shell, controls, mask_tools)
    recipe_loader.wire(loader, shell, controls, table, strip)
