"""Whether an adapter is for a model, told by what the model's configuration says. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.diffusion.adapter_files import ARCHITECTURES, TEXT_WIDTHS, AdapterFile, Architecture, read_settings_file
from core.diffusion.editor.families import FoundEditor
from core.diffusion.model_sources import ModelSource
from core.errors import InputError

_OF_FAMILY: Mapping[str, Architecture] = {
    "sd-inpainting": "unet", "sd-instruct": "unet", "sdxl": "unet", "sd3": "sd3", "flux": "flux", "flux-fill": "flux",
    "flux-kontext": "flux", "flux2-klein": "flux2", "qwen-image": "qwen-image", "qwen-image-edit": "qwen-image",
    "qwen-image-edit-plus": "qwen-image", "z-image": "z-image",
}  # fmt: skip


@dataclass(frozen=True)
class ModelWidth:
    """What an adapter must fit: a model's architecture and width (see AdapterFile)."""

    name: str
    architecture: Architecture
    width: int | None


def check_fits(adapter: AdapterFile, model: ModelWidth) -> None:
    """InputError, in one line, where the adapter is for another model."""
    wide = adapter.width is None or model.width is None or adapter.width == model.width
    if model.architecture in adapter.fits and wide:
        return
    own = f"{ARCHITECTURES[model.architecture]} of width {model.width}"
    if model.architecture == "unet":
        own = TEXT_WIDTHS.get(model.width or 0) or f"a U-Net that reads text of width {model.width}"
    its = adapter.of_model if adapter.fits == ("unet",) else f"{adapter.of_model} of width {adapter.width}"
    raise InputError(
        f"adapter {adapter.name}: it is a {adapter.kind} for {its}, and {model.name} is {own}; choose one for it"
    )


def model_width(found: ModelSource | FoundEditor) -> ModelWidth:
    """Architecture and width of a model, from its configuration."""
    if isinstance(found, FoundEditor):
        folder, name, architecture = found.folder, found.folder.name, _OF_FAMILY[found.family.name]
    else:
        folder, name, architecture = found.config or found.path, found.name, "unet"
    config = read_settings_file(folder / ("unet" if architecture == "unet" else "transformer") / "config.json")
    if architecture == "unet":
        width = config.get("cross_attention_dim")
    elif architecture == "z-image":
        width = config.get("dim")
    else:
        heads, each = config.get("num_attention_heads"), config.get("attention_head_dim")
        width = heads * each if isinstance(heads, int) and isinstance(each, int) else None
    return ModelWidth(name, architecture, width if isinstance(width, int) else None)
