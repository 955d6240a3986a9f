"""Recipes: the settings of a sample, back in the form; out of the film or out of a PNG."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.components.photo_panel import PhotoPanel
from app.components.preview_gallery import PreviewGallery
from app.page_context import PageContext, on
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from core.errors import InputError, MaskError, NotFound
from core.types import Recipe


class RecipeLoader:
    """The fold-out that reads a recipe from a file."""

    def __init__(self) -> None:
        with gr.Accordion("Recipe from a PNG", open=False, elem_classes="fs-fold", elem_id="fs-recipe"):
            self.file = gr.UploadButton("Choose a PNG that Flawsmith wrote", file_types=[".png"], size="sm",
                                        elem_id="fs-recipe-file")  # fmt: skip
            self.said = gr.HTML()


def wire(
    loader: RecipeLoader, shell: PageContext, controls: EngineForm, table: PhotoPanel, strip: PreviewGallery
) -> None:
    """Both ways to a recipe end in the form, with photo and mask."""
    outputs = [*table.parts, table.photo_changed, *controls.form]

    def from_sample(session: Session) -> list[object]:
        picked = session.memory.previews.picked
        if not picked:
            raise InputError("choose a preview first")
        return _apply(session, session.required_api.studio.recipe(picked), controls, table)

    def from_file(session: Session, path: str | None) -> list[object]:
        if not path:
            return [gr.skip()] * len(outputs)
        recipe = session.required_api.studio.recipe_from_png(Path(path))
        return _apply(session, recipe, controls, table)

    on(strip.reuse.click, from_sample, shell, outputs=outputs)
    on(loader.file.upload, from_file, shell, [loader.file], outputs)


def _apply(session: Session, recipe: Recipe, controls: EngineForm, table: PhotoPanel) -> list[object]:
    if recipe.engine not in controls.settings.forms:
        raise InputError(f"the recipe's engine {recipe.engine!r} cannot be used on this machine")
    moved = _load_photo(session, recipe, table)
    controls.labels.remember(session, recipe.engine, recipe.label)
    form = [recipe.engine, recipe.label, str(recipe.seed), False, gr.skip()]
    return [*moved, *form, *controls.settings.params_update(recipe.engine, dict(recipe.params))]


def _load_photo(session: Session, recipe: Recipe, table: PhotoPanel) -> list[object]:
    """The recipe's photo with its mask on the table; on another photo only a mask of its size."""
    bench = session.required_api
    try:
        row = bench.photos.row(recipe.normal_id)
    except NotFound:
        row = bench.photos.row(table.photo_id(session))
        gr.Info("Its photo is not in this project: the settings are set, and the mask if it fits this photo.")
    if recipe.mask:
        try:
            table.set_mask(session, row.id, bench.masks.unpack(recipe.mask, (row.height, row.width)))
        except MaskError:
            gr.Info("The recipe's mask is not of this photo's size; draw or place one.")
    return table.open_photo(session, row.id)
