"""LoRA and textual-inversion files of other tools, told by the names and shapes of their tensors. Needs no torch.

Names are those of kohya's scripts (``lora_unet_...lora_down.weight``), of diffusers (``unet....lora_A.weight``), of
PEFT (``base_model.model....lora_A.weight``) and of ComfyUI (``diffusion_model....lora_A.weight``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.diffusion.weight_files import Shapes, read_shapes
from core.errors import InputError, Unavailable
from core.given_files import given_json
from core.weights import CATALOGUE, models_dir

Architecture = Literal["unet", "sd3", "flux", "flux2", "qwen-image", "z-image"]
ARCHITECTURES: Mapping[Architecture, str] = {
    "unet": "a U-Net",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX.1",
    "flux2": "FLUX.2",
    "qwen-image": "Qwen-Image",
    "z-image": "Z-Image",
}
TEXT_WIDTHS = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
"""U-Nets by the width of the text that they read."""

_DOWN = re.compile(r"\.(lora_down|lora_A|lora\.down|lora_A\.default|lora_linear_layer\.down)\.weight$")
_UP = re.compile(r"\.(lora_up|lora_B|lora\.up|lora_B\.default|lora_linear_layer\.up)\.weight$")
_FILES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
_EMBEDDINGS = ("emb_params", "clip_l", "clip_g")


AdapterLayout = Literal["kohya", "diffusers", "PEFT", "ComfyUI", "embedding"]
"""Whose names for the tensors a file uses."""


@dataclass(frozen=True)
class AdapterFile:
    """A file that changes a model a little.

    ``fits`` are the architectures that its tensors have the names of, ``width`` that of the text which a U-Net reads,
    or of the layers of a transformer; None where no tensor tells. ``scale`` is PEFT's alpha over rank where the file
    holds no alpha itself. ``steps``: of a distilled one, how many its name says, or 4.
    """

    path: Path
    kind: Literal["LoRA", "textual inversion"]
    layout: AdapterLayout
    fits: tuple[Architecture, ...]
    width: int | None
    scale: float = 1.0
    steps: int | None = None

    @property
    def name(self) -> str:
        """As in the models folder."""
        return self.path.parent.name if self.path.name in _FILES else self.path.name

    @property
    def of_model(self) -> str:
        """The family that it is for, in words."""
        if self.fits == ("unet",):
            known = TEXT_WIDTHS.get(self.width or 0)
            return known or f"a U-Net that reads text of width {self.width or 'unknown'}"
        return " or ".join(ARCHITECTURES[one] for one in self.fits)


def find_adapter(wanted: str) -> AdapterFile:
    """The adapter at a path, or called so in the models folder; Unavailable says what is there instead."""
    try:
        path = Path(wanted).expanduser()
        places = [path, models_dir() / wanted, models_dir() / f"{wanted}.safetensors"]
        there = next((place for place in places if place.exists()), None)
    except (OSError, ValueError, RuntimeError):  # too long, no such home
        there = None
    if there is None:
        raise InputError(f"adapter {wanted!r}: there is no such file; give its path or its name in {models_dir()}")
    found = read_adapter(there)
    if found is None:
        raise Unavailable(
            f"{there}: expected a LoRA or a textual inversion, its tensors are neither; give another file"
        )
    return found


def read_adapter(path: Path) -> AdapterFile | None:
    """What a file, or a folder that holds one, is; None where it is no adapter. Unavailable where it is cut off."""
    if path.is_dir():
        inside = next((path / name for name in _FILES if (path / name).is_file()), None)
        return None if inside is None else read_adapter(inside)
    if path.suffix != ".safetensors":
        return None
    shapes = read_shapes(path)
    return _lora(path, shapes) or _embedding(path, shapes)


def adapter_files() -> list[AdapterFile | tuple[Path, str]]:
    """Every adapter of the models folder, or a path and what is wrong with it."""
    found: list[AdapterFile | tuple[Path, str]] = []
    root = models_dir()
    ours = {weights.file for weights in CATALOGUE.values()}
    files = [path for path in root.glob("*.safetensors") if path.name not in ours]
    for path in sorted([*files, *(inside for name in _FILES for inside in root.glob(f"*/{name}"))]):
        try:
            one = read_adapter(path)
        except Unavailable as error:
            found.append((path, str(error).removeprefix(f"{path}: ")))
        else:
            found += [one] if one is not None else []
    return found


def _lora(path: Path, shapes: Shapes) -> AdapterFile | None:
    down = {_DOWN.sub("", key): shape for key, shape in shapes.items() if _DOWN.search(key) and len(shape) in (2, 4)}
    up = {_UP.sub("", key): shape for key, shape in shapes.items() if _UP.search(key)}
    if not down or not down.keys() & up.keys():
        return None
    first = next(iter(down))
    fits = _architectures(list(down), down, up)
    scale = 1.0
    layout: AdapterLayout = "diffusers"
    if first.startswith("lora_"):
        layout = "kohya"
    elif first.startswith("base_model."):
        layout = "PEFT"
        told = read_settings_file(path.parent / "adapter_config.json")
        alpha, rank = told.get("lora_alpha"), told.get("r")
        scale = alpha / rank if isinstance(alpha, int | float) and isinstance(rank, int) and rank > 0 else 1.0
    elif first.startswith("diffusion_model."):
        layout = "ComfyUI"
    return AdapterFile(path, "LoRA", layout, fits, _width(fits, down), scale, distilled_steps(path))


def _architectures(names: list[str], down: Shapes, up: Shapes) -> tuple[Architecture, ...]:
    said = " ".join(names)
    if re.search(r"(noise|context)_refiner|\blayers[._]\d+[._]attention", said) or "_layers_" in names[0]:
        return ("z-image",)
    if re.search(r"double_blocks|single_blocks|single_transformer_blocks", said):
        fused = [n for n in names if re.search(r"single_blocks[._]\d+[._]linear1$", n)]
        nine = any(up[n][0] == 9 * down[n][1] for n in fused if n in up)
        new = nine or "to_qkv_mlp_proj" in said or "stream_modulation" in said
        return ("flux2",) if new else ("flux",)
    if re.search(r"attn2|(input|output|down|up)_blocks|mid(dle)?_block", said):
        return ("unet",)
    if re.search(r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)", said):
        return ("qwen-image",)
    if re.search(r"joint_blocks", said):
        return ("sd3",)
    return ("sd3", "flux", "qwen-image") if "transformer_blocks" in said else ()


def _width(fits: tuple[Architecture, ...], down: Shapes) -> int | None:
    asked = r"attn2[._]to_[kv]$" if fits == ("unet",) else r"(to_q|to_k|to_v|qkv|linear1|to_qkv_mlp_proj)$"
    return next((shape[1] for name, shape in down.items() if re.search(asked, name)), None)


def _embedding(path: Path, shapes: Shapes) -> AdapterFile | None:
    if not 1 <= len(shapes) <= 2 or any(len(shape) not in (1, 2) for shape in shapes.values()):
        return None
    (name, shape), *more = shapes.items()
    named = name in _EMBEDDINGS or re.fullmatch(r"<[^<>\s]+>|\*", name)
    if not named or (more and set(shapes) != {"clip_l", "clip_g"}):
        return None
    width = 2048 if set(shapes) == {"clip_l", "clip_g"} else shape[-1]
    return AdapterFile(path, "textual inversion", "embedding", ("unet",), width)


def distilled_steps(path: Path) -> int | None:
    """How many steps a LoRA makes a model draw in, by its name; None where it does not say that it does so."""
    said = f"{path.parent.name} {path.stem}" if path.name in _FILES else path.stem
    if not re.search(r"turbo|lightning|hyper|lcm|tcd|schnell", said.lower()):
        return None
    told = re.search(r"(\d+)[-_ ]?steps?", said.lower())
    return int(told[1]) if told and 1 <= int(told[1]) <= 50 else 4


def read_settings_file(path: Path) -> Mapping[str, Any]:
    """What a JSON file holds; nothing where it is missing or holds no settings."""
    try:
        read = given_json(path)
    except InputError:
        return {}
    return read if isinstance(read, dict) else {}
