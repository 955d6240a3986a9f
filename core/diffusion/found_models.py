"""Diffusion models that a person put into the models folder, for what they are. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.diffusion.adapter_files import AdapterFile, adapter_files
from core.diffusion.editor.families import EditorPipeline, FoundEditor, find_editor, read_index
from core.diffusion.model_folders import folder_size
from core.diffusion.model_sources import KNOWN_MODELS, locate
from core.diffusion.weight_files import weights_of_part
from core.errors import FlawsmithError, Unavailable
from core.weights import models_dir

_WITHOUT_WEIGHTS = ("tokenizer", "scheduler", "processor", "feature_extractor", "safety_checker", "image_encoder")


@dataclass(frozen=True)
class FoundModel:
    """A folder ``name`` of the models folder; ``problem`` is "" or why it cannot be drawn with. ``size`` in bytes."""

    name: str
    title: str
    purpose: str
    path: Path
    size: int
    problem: str = ""


def found_models() -> list[FoundModel]:
    """Every folder of the models folder that holds a ``model_index.json``, but those of KNOWN_MODELS."""
    known = {one.folder for one in KNOWN_MODELS.values()}
    if not models_dir().is_dir():
        return []
    folders = [path.parent for path in sorted(models_dir().glob("*/model_index.json"))]
    return [_described(folder) for folder in folders if folder.name not in known and folder.suffix != ".part"]


def found_adapters() -> list[FoundModel]:
    """Every LoRA and textual inversion of the models folder, by the name that the setting *Adapter* takes."""
    rows = []
    for one in adapter_files():
        if isinstance(one, AdapterFile):
            rows.append(_of_adapter(one))
        else:
            path, problem = one
            rows.append(FoundModel(path.name, path.name, "", path, path.stat().st_size, problem))
    return rows


def _of_adapter(one: AdapterFile) -> FoundModel:
    few = f", draws in {one.steps} steps without guidance" if one.steps is not None else ""
    what = (
        "Words to use in prompts" if one.kind == "textual inversion" else f"A {one.kind} in the names of {one.layout}"
    )
    title = f"{one.kind[:1].upper()}{one.kind[1:]} for {one.of_model} ({one.name})"
    return FoundModel(one.name, title, f"{what}{few}.", one.path, one.path.stat().st_size)


def _described(folder: Path) -> FoundModel:
    try:
        editor = find_editor(folder)
        if editor is not None:
            return _of_editor(editor)
        locate(str(folder))
    except FlawsmithError as error:
        return FoundModel(folder.name, folder.name, "", folder, folder_size(folder), _without(folder, error))
    purpose = "Draws anomalies from words and learns from real ones, like Stable Diffusion 1.5."
    return FoundModel(folder.name, f"Stable Diffusion ({folder.name})", purpose, folder, folder_size(folder))


def _of_editor(editor: FoundEditor) -> FoundModel:
    problem = ""
    try:
        check_folder(editor.folder)
    except Unavailable as error:
        problem = _without(editor.folder, error)
    return FoundModel(
        editor.folder.name,
        f"{editor.family.title} ({editor.folder.name})",
        abilities(editor),
        editor.folder,
        folder_size(editor.folder),
        problem,
    )


def abilities(editor: FoundEditor) -> str:
    """What an editor does, in a sentence."""
    masked, instructed = editor.family.masked, editor.family.instruction
    how = [words for words, one in (("inside masks", masked), ("by an instruction", instructed)) if one is not None]
    pipelines: list[EditorPipeline] = [one for one in (masked, instructed) if one is not None]
    reference = ", also like a reference picture" if any(one.reference for one in pipelines) else ""
    few = f", in {editor.steps} steps" if editor.distilled else ""
    engines = "The learned engines" if editor.family.unet else "Learned engines that change no self-attention"
    learned = f" {engines} work on it too." if editor.family.learned else ""
    return f"Inpaint by prompt: draws {' or '.join(how)}{reference}{few}.{learned}"


def check_folder(folder: Path) -> None:
    """Unavailable, in one line, where a part that the index names is missing or its weights are not whole.

    Whether they are those of its configuration is seen when it is loaded.
    """
    for name, made in read_index(folder).items():
        if not isinstance(made, list) or made[:1] == [None] or name in ("safety_checker", "feature_extractor"):
            continue
        if not (folder / name).is_dir():
            raise Unavailable(
                f"{folder / name}: the folder is missing; the model's index names it, copy it from where the model "
                "came"
            )
        if not name.startswith(_WITHOUT_WEIGHTS):
            weights_of_part(folder / name)


def _without(folder: Path, error: FlawsmithError) -> str:
    """What is wrong, without the folder that the list shows anyway."""
    return str(error).replace(f"{folder}/", "").removeprefix(f"{folder}: ")
