"""What the Studio's form says and takes, asked without a page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from app.components.engine_texts import unavailable_html
from app.components.preview_gallery import flaw_marks, scores_in_words
from app.components.pulse import Pulse
from app.page_context import PageContext
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from core.api import Workbench
from core.api.studio.engine_cards import engine_cards
from core.training.checkpoints import Concept, save_concept
from tests.diffusion.editor_toys import write_editor


@pytest.fixture
def project(discs_project: Path) -> Path:
    """A project whose first photo has its two discs named alike: "disc" and "disc_2"."""
    return discs_project


def test_engines_that_cannot_run_are_named_with_the_reason() -> None:
    card = next(card for card in engine_cards().values() if card.reason is None)
    assert unavailable_html([card]) == ""
    shown = unavailable_html(
        [card, dataclasses.replace(card, title="Dream", reason="no <weights>. Fetch them in Models")]
    )
    assert shown.count("<li") == 1 and all(t in shown for t in ("Dream", "no &lt;weights&gt;", "Fetch them in Models"))


def test_choosing_an_engine_that_learned_takes_a_label_that_it_knows(project: Path) -> None:
    with gr.Blocks():
        controls = EngineForm()
    with Workbench.open(project) as bench:
        session = Session("one", api=bench)
        session.memory.studio.labels["structural"] = "scratch"
        assert controls.labels.update(session, "gaa")["value"] == "scratch"
        assert controls.missing_notice_update(session, "gaa")["visible"]
        for number, label in enumerate(("dent", "pore")):
            concept = Concept(f"{label}-1", "gaa", label, label, "toy", "0", f"2026-01-0{number + 1}")
            save_concept(bench.material.concepts, concept, {})
        assert controls.labels.update(session, "gaa")["value"] == "pore"
        assert not controls.missing_notice_update(session, "gaa")["visible"]
        session.memory.studio.labels["structural"] = "dent"
        assert controls.labels.update(session, "gaa")["value"] == "dent"
        assert controls.labels.update(session, "cut_paste")["value"] == "dent"


def test_scores_in_words_tell_good_from_bad() -> None:
    good = scores_in_words({"mask_covered": 1.0, "change_outside": 0.0, "change_inside": 0.1, "seam_contrast": 1.1})
    bad = scores_in_words({"mask_covered": 0.4, "change_outside": 12.0, "change_inside": 0.001, "seam_contrast": 9.0})
    assert [level for *_, level in good[:2]] == ["good", "good"]
    assert [level for *_, level in bad[:3]] == ["bad", "bad", "fair"]
    assert not {words for words, *_ in good} & {words for words, *_ in bad}


def test_what_gives_an_edit_away_is_circled_where_it_is_worst() -> None:
    scores = {
        "ghost": 0.6,
        "ghost_x": 12.0,
        "ghost_y": 34.0,
        "light_step": 1.0,
        "light_step_x": 5.0,
        "light_step_y": 6.0,
    }
    marks = flaw_marks(scores, 10)
    assert marks.count("<circle") == 1 and "cx='12' cy='34'" in marks and "ghost of what was there" in marks


def test_partners_of_another_kind_come_first(project: Path, disc_masks: dict[str, np.ndarray]) -> None:
    with Workbench.open(project) as bench:
        photo = bench.photos.page()[0].id
        bench.regions.save(photo, "knob", disc_masks["left disc"])
        assert bench.studio.parts.swap_partners(photo, "disc") == ["knob", "disc_2"]
        assert bench.studio.parts.region_params(photo, "disc") == {"region": "disc", "instance": 1}
        assert bench.studio.parts.region_params(photo, "disc_2") == {"region": "disc_2", "instance": 1}


@pytest.mark.parametrize("turn, scale", [(0.0, 1.0), (90.0, 1.0), (-30.0, 1.5), (180.0, 0.5)])
def test_a_move_on_the_canvas_is_the_same_move_in_the_engine(project: Path, turn: float, scale: float) -> None:
    """Where the canvas puts the part's centroid, the engine's shift of the centroid leads too."""
    bent = np.zeros((96, 128), np.bool_)
    bent[20:60, 30:36] = bent[54:60, 30:70] = True
    with Workbench.open(project) as bench:
        photo = bench.photos.page()[1].id
        bench.regions.save(photo, "hook", bent)
        params = bench.studio.parts.move_params(photo, "hook", 7, -5, turn, scale)
    rows, columns = np.nonzero(bent)
    middle = np.array([(30 + 69) / 2, (20 + 59) / 2])
    centroid = np.array([columns.mean(), rows.mean()])
    way = np.radians(turn)
    around = scale * np.array([[np.cos(way), -np.sin(way)], [np.sin(way), np.cos(way)]])
    expected = around @ (centroid - middle) + middle + (7, -5)
    assert centroid + (params["dx"], params["dy"]) == pytest.approx(expected, abs=0.5)
    assert (params["angle"], params["scale"]) == (-turn, scale)


def test_settings_that_the_chosen_model_does_not_take_are_not_shown(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(toy_folder))
    klein = write_editor("flux2-klein", tmp_path / "klein")
    with gr.Blocks() as page:
        controls = EngineForm()
        controls.settings.build()
        controls.build_footer()
        controls.wire(PageContext(gr.Textbox(), gr.State(), gr.Tabs(), gr.HTML(), Pulse(), gr.Textbox()), [])
    form = controls.settings.forms["inpaint"]
    hidden = {field for field, _ in form.fields if not form.control(field).visible}
    assert hidden == {"reference", "drawing"}
    (watch,) = (f for f in page.fns.values() if (form.control("backbone")._id, "change") in f.targets)
    updates = dict(zip([c._id for c in watch.outputs], watch.fn(str(klein), "auto"), strict=True))
    shown = {field for field, _ in form.fields if updates.get(form.control(field)._id, {}).get("visible")}
    assert {"reference", "drawing", "strength"} <= shown and not shown & {"negative", "sampler", "eta"}
    assert updates[form.control("sampler")._id]["value"] == "ddim"
