"""What the model sees of the photo, set on the canvas by mouse and keyboard, and remembered with the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from app.session import Session
from app.tabs.studio.context_tool import ContextTool
from app.tabs.studio.engine_form import EngineForm
from core.api import Workbench
from core.errors import InputError
from tests.app.conftest import reload
from tests.app.hands import Hands, choose_engine, set_value


def kept(project: Path) -> str:
    with Workbench.open(project) as bench:
        return bench.studio.context.kept


def test_the_form_and_the_project_take_what_the_canvas_sends(discs_project: Path) -> None:
    with gr.Blocks():
        controls = EngineForm()
        controls.settings.build()
        controls.build_footer()
        tool = ContextTool(controls)
    values = [control.value for control in controls.settings.params]
    assert "inpaint" in tool.fields and "perlin" not in tool.fields
    with Workbench.open(discs_project) as bench:
        session = Session("one", api=bench)
        assert '"margin": 0.5' in tool.look(session, "inpaint", *values) and not tool.look(session, "perlin", *values)
        seen, *fields = tool.set_on_canvas(session, {"context": "60x50+8-5", "turn": 3}, "inpaint", *values)
        assert '"rectangle": "60x50+8-5"' in str(seen) and '"turn": 3' in str(seen)
        assert fields == ["60x50+8-5"] * len(tool.fields) and bench.studio.context.kept == "60x50+8-5"
        for wrong in ({"context": "wide", "turn": 4}, {"context": "60x50", "turn": "soon"}):
            with pytest.raises(InputError):
                tool.set_on_canvas(session, wrong, "inpaint", *values)
        restored = dict(zip(map(id, controls.form), controls.restore(session), strict=True))
        assert [restored[id(field)] for field in tool.fields.values()] == fields


@pytest.mark.browser
@pytest.mark.thorough
def test_the_frame_is_drawn_sized_and_remembered(new_page: Callable[..., Page], discs_project: Path) -> None:
    page = new_page(discs_project)
    studio = Hands(page, "studio").open(regions=2)
    button = studio.root.locator("[data-tool=context]")
    expect(button).to_be_hidden()
    choose_engine(page, "Inpaint by prompt")
    expect(button).to_be_visible()
    studio.box((50, 30), (70, 50))
    page.keyboard.press("2")
    expect(button).to_have_attribute("aria-checked", "true")
    studio.until("M.context()")
    box = lambda: tuple(studio.ask("Object.values(M.context())"))  # noqa: E731
    assert box() == (12, 0, 108, 96), "by the mask, and at least what the model was trained on"
    studio.drag((108, 40), (90, 40))
    assert box() == (12, 0, 90, 96)
    page.locator("#fs-settings button").first.click()
    title = page.get_by_text("Context rectangle", exact=True)
    field = page.locator("#fs-settings .fs-form:visible label", has=title).locator("input, textarea")
    expect(field).to_have_value("78x96-9+8")
    stage = page.locator("#fs-studio-canvas .fsc-stage")
    stage.focus()
    for key in ("Control+Shift+ArrowUp", "Control+ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert box() == (13, 1, 90, 87)
    expect(field).to_have_value("77x86-8+4")
    assert kept(discs_project) == "77x86-8+4"
    choose_engine(page, "Perlin")
    expect(button).to_be_hidden()
    studio.until("M.state.tool !== 'context'")
    reload(page)
    studio.open(regions=2)
    choose_engine(page, "Inpaint by prompt")
    page.locator("#fs-settings button").first.click()
    expect(field).to_have_value("77x86-8+4")
    studio.box((50, 30), (70, 50))
    button.click()
    studio.until("M.context() && M.context().y1 === 87")
    set_value(page, "#fs-label", "crack")
    studio.until("M.color() === '#7f95ff'")  # what the page says of a canvas reaches it, labels too
    stage.focus()
    page.keyboard.press("Backspace")
    expect(field).to_have_value("")
    assert box() == (12, 0, 108, 96) and kept(discs_project) == ""
