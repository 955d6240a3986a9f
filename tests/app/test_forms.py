"""Params as controls and back: what a form shows is what the model gets."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr
import pytest
from pydantic import BaseModel, Field, ValidationError

from app.components import param_form
from app.components.fields import NumberField, whole_number
from app.components.labels import required_label
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from app.tabs.studio.label_field import LabelField
from core.api.datasets import DatasetsApi
from core.api.masks import MasksApi
from core.api.review import ReviewRules
from core.api.studio.engine_cards import engine_cards
from core.errors import InputError


class Odd(BaseModel):
    """One field of every kind."""

    flag: bool = True
    way: Literal["left", "right"] = "right"
    share: float = Field(0.5, ge=0, le=1, title="Share")
    many: int = Field(3, ge=1, le=10)
    far: int = Field(0, ge=0)
    span: tuple[float, float] = (0.1, 0.9)
    names: tuple[str, ...] = ("washer",)
    limit: int | None = Field(None, ge=1)
    text: str = "plain"


def form_of(model: type[BaseModel], skip: tuple[str, ...] = ()) -> param_form.ParamForm:
    with gr.Blocks():
        return param_form.build_param_form(model, skip=skip)


def models() -> list[type[BaseModel]]:
    engines = [card.params for card in engine_cards().values()]
    return [Odd, ReviewRules, MasksApi.Placement, MasksApi.Enhancement, *engines]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__qualname__)
def test_untouched_controls_give_the_defaults(model: type[BaseModel]) -> None:
    form = form_of(model)
    values = [c.value for c in form.components]
    assert model(**form.params_of(values)) == model()
    assert model(**form.params_of(form.values_of({}))) == model()
    assert len(form.components) == sum(width for _, width in form.fields)


def test_skipped_options_have_no_control() -> None:
    form = form_of(DatasetsApi.Options, skip=("category", "saturation"))
    assert {name for name, _ in form.fields} == set(DatasetsApi.Options.model_fields) - {"category", "saturation"}


@pytest.mark.parametrize(
    "given",
    [
        {"flag": False, "way": "left", "share": 0.25, "many": 7, "far": 90_000, "span": (0.2, 0.3), "text": "x, y"},
        {"names": (), "limit": 12},
        {"names": ("nut", "bolt"), "limit": None},
    ],
)
def test_what_is_shown_is_read_back(given: dict[str, Any]) -> None:
    form = form_of(Odd)
    assert Odd(**form.params_of(form.values_of(given))) == Odd(**given)


def test_a_word_where_a_number_belongs_is_refused_by_name() -> None:
    form = form_of(Odd)
    values = form.values_of({})
    values[[c.label for c in form.components].index("Limit")] = "ten"
    with pytest.raises(ValidationError, match="limit"):
        Odd(**form.params_of(values))


def test_bounds_reach_the_controls() -> None:
    share = next(c for c in form_of(Odd).components if c.label == "Share")
    assert isinstance(share, gr.Slider) and (share.minimum, share.maximum) == (0, 1)


@pytest.mark.parametrize("name", ["gaa", "dual_ano_diff", "comgen"])
def test_draw_as_shows_all_that_it_stands_for(name: str) -> None:
    with gr.Blocks():
        form = EngineForm()
        form.settings.build()
    mine, preset = form.settings.forms[name], form.cards[name].drawing_presets["paper"]
    values = form.settings.preset_update(name, "paper")
    kept = mine.components.index(mine.control("concept"))
    assert values[kept] == gr.skip()
    read = mine.params_of(
        [c.value if i == kept else value for i, (c, value) in enumerate(zip(mine.components, values, strict=True))]
    )
    assert {key: read[key] for key in preset.params} == dict(preset.params) and read["draw_as"] == "paper"
    assert form.cards[name].params(**read).draw_as == "paper"


@pytest.mark.parametrize("given", [None, 0, 17])
def test_a_number_that_cannot_be_is_refused_by_the_fields_name(given: float | None) -> None:
    with pytest.raises(InputError, match="Variants.*from 1 to 16"):
        whole_number("Variants", given, 1, 16)
    assert whole_number("Variants", 4, 1, 16) == 4
    with gr.Blocks():
        field = NumberField(4, label="Variants", minimum=1, maximum=16, precision=0)
    assert field.preprocess(None) is None and field.preprocess(3.0) == 3 and field.get_block_name() == "number"
    if given is not None:
        with pytest.raises(gr.Error, match="Variants: give a number from 1 to 16, got"):
            field.preprocess(given)


def test_an_empty_label_is_refused_by_name_and_a_typed_one_stays() -> None:
    with pytest.raises(InputError, match="Label is empty"):
        required_label("  ")
    assert required_label("Oil film") == "oil_film"
    with gr.Blocks():
        form = EngineForm()
        form.settings.build()
    session = Session("labels")
    assert form.labels.update(session)["value"] == "scratch"
    for typed in ("oil film", ""):
        form.labels.remember(session, "cut_paste", typed)
        assert form.labels.update(session)["value"] == typed == session.memory.studio.shown_label
    assert form.labels.update(session, "layout")["value"] == "missing"
    assert form.labels.update(session, "cut_paste")["value"] == "oil film", "each kind of engine has its own"
    assert LabelField.first_label("structural", ["extra_nut", "stain", "crack"]) == "stain"


def test_the_prompt_stands_under_the_label_and_is_read_with_the_rest() -> None:
    with gr.Blocks():
        form = EngineForm()
        form.settings.build()
    engine = next(name for name, fields in form.settings.leads.items() if "prompt" in fields)
    (prompt,) = form.settings.leads[engine]["prompt"]
    assert form.settings.lead_boxes[engine] in (prompt.parent, prompt.parent.parent)
    assert prompt is form.settings.forms[engine].control("prompt")
    values = [c.value for f in form.settings.forms.values() for c in f.components]
    values[form.settings.params.index(prompt)] = "a deep scratch"
    assert form.settings.engine_params(engine, values)["prompt"] == "a deep scratch"
