"""A window of a photo drawn by an Editor: inside a mask, or as an instruction says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.device import torch_generator
from core.diffusion.backbone import nonfinite_advice
from core.diffusion.editor.loading import Editor
from core.diffusion.part_loading import quiet_libraries, short_words
from core.errors import Cancelled, FlawsmithError, InputError, Unavailable
from core.images.geometry import resized
from core.progress import Steps
from core.types import Image, Mask

LEAST_REFERENCE = 64
"""Sides of a reference picture in pixels, at least: FLUX.2 refuses smaller ones."""


@dataclass(frozen=True)
class EditTask:
    """What is drawn: ``prompt`` into ``window`` uint8 (h, w, 3), inside ``mask`` bool (h, w) where the pipeline reads
    one, from the noise of ``seed``. ``reference`` uint8 (h', w', 3) is a further picture to draw like."""

    window: Image
    mask: Mask
    prompt: str
    seed: int
    negative: str = ""
    reference: Image | None = None


@dataclass(frozen=True)
class EditSettings:
    """``steps`` of the sampler, ``guidance`` (1 is off) and ``strength`` in 0..1: 1 draws from noise."""

    steps: int
    guidance: float
    strength: float = 1.0


def edit(
    editor: Editor,
    task: EditTask,
    settings: EditSettings,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Image:
    """The window as the editor draws it, uint8 (h, w, 3); what is outside the mask may differ too.

    InputError where what it draws is not finite or it refuses a setting, Unavailable where a GPU has no room for one
    picture. Cancelled within a step.
    """
    if cancelled is not None and cancelled():
        raise Cancelled("stopped; what was finished is kept")
    given = _arguments(editor, task, settings, progress, cancelled)
    try:
        with quiet_libraries(), torch.no_grad():
            (picture,) = np.asarray(editor.pipe(**given).images, np.float32)
    except FlawsmithError:
        editor.pipe.maybe_free_model_hooks()
        raise
    except torch.OutOfMemoryError:
        raise Unavailable(
            f"{editor.name}: one picture is more than the GPU's memory holds; close what else uses it, or take a "
            "smaller model"
        ) from None
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        raise InputError(f"{editor.name}: it could not draw this ({short_words(error)})") from error
    if not np.isfinite(picture).all():
        raise InputError(nonfinite_advice(editor.name, editor.dtype, "drew"))
    pixels = np.asarray(np.clip(np.rint(picture * 255), 0, 255), np.uint8)
    # Some pipelines draw at an area of their own.
    return resized(pixels, (task.window.shape[0], task.window.shape[1]))


def _arguments(
    editor: Editor,
    task: EditTask,
    settings: EditSettings,
    progress: Steps | None,
    cancelled: Callable[[], bool] | None,
) -> dict[str, Any]:
    """What the pipeline is called with: all that it takes of what there is."""
    import PIL.Image

    takes, named = editor.takes, inspect.signature(editor.pipe.__call__).parameters
    height, width = task.window.shape[:2]
    window = PIL.Image.fromarray(task.window)
    reference = None if task.reference is None else PIL.Image.fromarray(_large_enough(task.reference))
    given: dict[str, Any] = {
        "prompt": task.prompt,
        "image": [window, reference] if reference is not None and takes.reference == "images" else window,
        "num_inference_steps": settings.steps,
        takes.guidance: settings.guidance,
        "generator": torch_generator(task.seed),
        "output_type": "np",
        "callback_on_step_end": _at_each_step(progress, cancelled),
    }
    if takes.negative:
        given["negative_prompt"] = task.negative
    if takes.strength:
        given["strength"] = settings.strength
    if reference is not None and takes.reference == "image_reference":
        given["image_reference"] = reference
    if editor.way == "mask":
        given["mask_image"] = PIL.Image.fromarray(task.mask.astype(np.uint8) * 255)
    sizes = {"height": height, "width": width, "max_area": height * width, "_auto_resize": False}
    return given | {name: value for name, value in sizes.items() if name in named}


def _large_enough(picture: Image) -> Image:
    """``picture`` uint8 (h, w, 3), enlarged where a side is shorter than the pipelines read."""
    height, width = picture.shape[:2]
    scale = max(1.0, LEAST_REFERENCE / min(height, width))
    return resized(picture, (round(height * scale), round(width * scale)))


def _at_each_step(
    progress: Steps | None, cancelled: Callable[[], bool] | None
) -> Callable[[Any, int, object, Mapping[str, Any]], Mapping[str, Any]]:
    def after(pipe: Any, step: int, time: object, tensors: Mapping[str, Any]) -> Mapping[str, Any]:
        if progress is not None:
            progress(step + 1, int(pipe.num_timesteps))
        if cancelled is not None and cancelled():
            raise Cancelled("stopped; what was finished is kept")
        return tensors

    return after
