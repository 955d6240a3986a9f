"""Other schedulers for an editor that is a U-Net; those of flow matching are bound to their models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.diffusion.editor.loading import Editor
from core.diffusion.part_loading import quiet_libraries

_KINDS = {"lcm": "LCMScheduler", "tcd": "TCDScheduler", "dpmpp_2m": "DPMSolverMultistepScheduler"}


@contextmanager
def scheduler_for(editor: Editor, sampler: str, few_steps: bool = False) -> Iterator[None]:
    """``editor`` with the scheduler that ``sampler`` names while the block runs; ``ddim`` is the model's own.

    With ``few_steps`` the steps begin at the noisiest one, as distilled LoRAs learned it (Lightning, Hyper); schedules
    that leave it out never see pure noise.
    """
    own = editor.pipe.scheduler
    if editor.found.family.unet and (few_steps or sampler in _KINDS):
        editor.pipe.scheduler = _made(own, sampler, few_steps)
    try:
        yield
    finally:
        editor.pipe.scheduler = own


def _made(own: Any, sampler: str, few_steps: bool) -> Any:
    import diffusers

    kind = getattr(diffusers, _KINDS[sampler]) if sampler in _KINDS else type(own)
    more = {"timestep_spacing": "trailing"} if few_steps and sampler not in ("lcm", "tcd") else {}
    with quiet_libraries():
        return kind.from_config(own.config, **more)
