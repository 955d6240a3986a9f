"""The families of inpainting and editing models that diffusers draws with, and what each takes. Needs no torch.

A family is told by the class that a folder's ``model_index.json`` names; ``masked`` and ``instruction`` are the
pipelines that it is drawn with, whatever class the folder was saved by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import InputError, Unavailable
from core.given_files import given_json

EditorWay = Literal["mask", "instruction"]
"""Inside a mask that the pipeline reads, or by an instruction for the whole window."""


@dataclass(frozen=True)
class EditorPipeline:
    """A pipeline of diffusers by its class name, and which settings it takes.

    ``guidance`` is what its setting for classifier-free or embedded guidance is called; ``reference`` how it takes a
    further picture: "" not at all, ``image_reference`` under that name, ``images`` as the second of a list.
    """

    name: str
    guidance: Literal["guidance_scale", "true_cfg_scale"] = "guidance_scale"
    negative: bool = False
    strength: bool = False
    reference: Literal["", "image_reference", "images"] = ""


@dataclass(frozen=True)
class EditorFamily:
    """A family of models.

    ``classes`` are the names in ``model_index.json`` that stand for it. ``steps`` and ``guidance`` are its own
    defaults, ``few_steps`` and a guidance of 1 (off) those of a distilled member. ``learned``: our own sampling
    works on it too, and with it the learned engines; without a ``unet`` only those that leave self-attention alone.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    masked: EditorPipeline | None
    instruction: EditorPipeline | None
    steps: int
    guidance: float
    few_steps: int = 4
    unet: bool = False
    learned: bool = False

    @property
    def half(self) -> Literal["float16", "bfloat16"]:
        """The half precision that it was trained in: transformers overflow in float16."""
        return "float16" if self.unet else "bfloat16"

    def pipeline(self, way: EditorWay) -> EditorPipeline | None:
        """What draws in this way, or None."""
        return self.masked if way == "mask" else self.instruction


def _three(stem: str, title: str = "Inpaint") -> tuple[str, ...]:
    return (f"{stem}Pipeline", f"{stem}Img2ImgPipeline", f"{stem}{title}Pipeline")


EDITOR_FAMILIES: tuple[EditorFamily, ...] = (
    EditorFamily(
        "sd-inpainting", "Stable Diffusion inpainting (9 channels)", ("StableDiffusionInpaintPipeline",),
        EditorPipeline("StableDiffusionInpaintPipeline", negative=True, strength=True), None, 50, 7.5, unet=True,
        learned=True,
    ),
    EditorFamily(
        "sd-instruct", "InstructPix2Pix", ("StableDiffusionInstructPix2PixPipeline",), None,
        EditorPipeline("StableDiffusionInstructPix2PixPipeline", negative=True), 100, 7.5, unet=True,
    ),
    EditorFamily(
        "sdxl", "Stable Diffusion XL", _three("StableDiffusionXL"),
        EditorPipeline("StableDiffusionXLInpaintPipeline", negative=True, strength=True), None, 50, 7.5,
        unet=True, learned=True,
    ),
    EditorFamily(
        "sd3", "Stable Diffusion 3", _three("StableDiffusion3"),
        EditorPipeline("StableDiffusion3InpaintPipeline", negative=True, strength=True), None, 50, 7.0,
    ),
    EditorFamily(
        "flux", "FLUX.1", _three("Flux"), EditorPipeline("FluxInpaintPipeline", strength=True), None, 28, 7.0,
    ),
    EditorFamily(
        "flux-fill", "FLUX.1 Fill", ("FluxFillPipeline",), EditorPipeline("FluxFillPipeline", strength=True), None, 50,
        30.0,
    ),
    EditorFamily(
        "flux-kontext", "FLUX.1 Kontext", ("FluxKontextPipeline", "FluxKontextInpaintPipeline"),
        EditorPipeline("FluxKontextInpaintPipeline", strength=True, reference="image_reference"),
        EditorPipeline("FluxKontextPipeline"), 28, 3.5,
    ),
    EditorFamily(
        "flux2-klein", "FLUX.2 klein", ("Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
        EditorPipeline("Flux2KleinInpaintPipeline", strength=True, reference="image_reference"),
        EditorPipeline("Flux2KleinPipeline", reference="images"), 50, 4.0,
    ),
    EditorFamily(
        "qwen-image", "Qwen-Image", _three("QwenImage"),
        EditorPipeline("QwenImageInpaintPipeline", "true_cfg_scale", negative=True, strength=True), None, 50, 4.0,
    ),
    EditorFamily(
        "qwen-image-edit", "Qwen-Image-Edit", ("QwenImageEditPipeline", "QwenImageEditInpaintPipeline"),
        EditorPipeline("QwenImageEditInpaintPipeline", "true_cfg_scale", negative=True, strength=True),
        EditorPipeline("QwenImageEditPipeline", "true_cfg_scale", negative=True), 50, 4.0,
    ),
    EditorFamily(
        "qwen-image-edit-plus", "Qwen-Image-Edit Plus", ("QwenImageEditPlusPipeline",), None,
        EditorPipeline("QwenImageEditPlusPipeline", "true_cfg_scale", negative=True, reference="images"), 40, 4.0,
    ),
    EditorFamily(
        "z-image", "Z-Image", _three("ZImage"),
        EditorPipeline("ZImageInpaintPipeline", negative=True, strength=True), None, 50, 5.0, few_steps=9,
        learned=True,
    ),
)  # fmt: skip
"""Not among them, since they cannot be drawn with as they lie on a disk: Kandinsky 2.2 (its prior is a second model),
and Chroma, whose inpainting pipeline asks its transformer for a setting that this has not."""

_DISTILLED_WORDS = ("turbo", "schnell", "lightning", "hyper", "lcm", "tcd")
_DISTILLED_SCHEDULERS = ("LCMScheduler", "TCDScheduler")


@dataclass(frozen=True)
class FoundEditor:
    """A folder of a family. ``distilled``: it was taught to draw in few steps without guidance."""

    folder: Path
    family: EditorFamily
    distilled: bool

    @property
    def steps(self) -> int:
        """Steps of the sampler by default."""
        return self.family.few_steps if self.distilled else self.family.steps

    @property
    def guidance(self) -> float:
        """Guidance by default; 1 is off."""
        return 1.0 if self.distilled else self.family.guidance

    @property
    def default_way(self) -> EditorWay:
        """Inside the mask where it can."""
        return "mask" if self.family.masked is not None else "instruction"


def read_index(folder: Path) -> Mapping[str, Any]:
    """``model_index.json``; Unavailable, in one line, where it is missing or unreadable."""
    path = folder / "model_index.json"
    if not path.exists():
        raise Unavailable(
            f"{folder}: expected a model in diffusers' layout, but model_index.json is missing; give the folder that "
            "holds it"
        )
    try:
        index = given_json(path)
    except InputError as error:
        raise Unavailable(f"{path}: it can't be read ({' '.join(str(error).split())[:80]})") from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise Unavailable(f"{path}: expected the name of a pipeline under _class_name; give a model of diffusers")
    return index


def find_editor(folder: Path) -> FoundEditor | None:
    """The family of a folder with a ``model_index.json``; None where it is none of EDITOR_FAMILIES.

    What was saved as Stable Diffusion is drawn by our own sampler, unless its U-Net reads a mask too (9 channels).
    """
    index = read_index(folder)
    named = str(index["_class_name"])
    channels = _config(folder, "unet").get("in_channels")
    if named in ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline"):
        if channels != 9:
            return None
        named = "StableDiffusionInpaintPipeline"
    family = next((one for one in EDITOR_FAMILIES if named in one.classes), None)
    return None if family is None else FoundEditor(folder, family, _is_distilled(folder, index))


def _is_distilled(folder: Path, index: Mapping[str, Any]) -> bool:
    """Whether index, scheduler, transformer or name say so."""
    if isinstance(index.get("is_distilled"), bool):
        return bool(index["is_distilled"])
    scheduler = index.get("scheduler")
    if isinstance(scheduler, list) and scheduler[-1:] and scheduler[-1] in _DISTILLED_SCHEDULERS:
        return True
    if index["_class_name"] in _three("Flux") and _config(folder, "transformer").get("guidance_embeds") is False:
        return True
    said = f"{folder.name} {index.get('_name_or_path', '')}".lower()
    return any(word in said for word in _DISTILLED_WORDS)


def _config(folder: Path, part: str) -> Mapping[str, Any]:
    try:
        config = given_json(folder / part / "config.json")
    except InputError:
        return {}
    return config if isinstance(config, dict) else {}
