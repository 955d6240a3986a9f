"""Any local folder of the SAM family in transformers' layout as a segmenter.

That is SAM, HQ-SAM, SAM 2 and 2.1, EdgeTAM and SAM 3. The folder's ``config.json`` says which model it is;
``AutoModelForMaskGeneration`` and ``AutoProcessor`` read the rest. Only safetensors are read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core import weights
from core.device import choose_device
from core.errors import InputError, Unavailable
from core.given_files import given_json
from core.memory_budget import BUDGET, MemoryBudget
from core.progress import Steps
from core.segmentation.photo_embedding import DecoderPrompt, EmbeddedGridPhoto, GridSegmenter
from core.segmentation.sam_candidates import FloatArray, photo_mask
from core.segmentation.sam_family_network import FamilyEmbedding, FamilyNetwork, load_family
from core.segmentation.segmenter import Cancel
from core.types import Image, Mask

FAMILY = {
    "sam": "SAM",
    "sam_hq": "HQ-SAM",
    "sam2": "SAM 2",
    "sam2_video": "SAM 2",
    "edgetam": "EdgeTAM",
    "edgetam_video": "EdgeTAM",
    "sam3_tracker": "SAM 3",
    "sam3_video": "SAM 3",
}
"""What transformers calls a model that finds masks at clicks, and what its authors call it."""


def model_type(folder: Path) -> str:
    """What ``config.json`` in the folder says the model is; "" where there is no such file, or it says nothing."""
    try:
        config = given_json(folder / "config.json")
    except InputError:
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def family_folders() -> list[Path]:
    """The folders in the models folder that hold a model of the family, by name."""
    root = weights.models_dir()
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and model_type(folder) in FAMILY)


class FamilySegmenter(GridSegmenter[FamilyEmbedding, "FamilyPreparedPhoto"]):
    """The model in one folder; it is loaded at the first photo."""

    def __init__(self, folder: Path, device: str = "auto", budget: MemoryBudget = BUDGET) -> None:
        super().__init__(budget)
        kind = FAMILY.get(model_type(folder), "SAM")
        self.folder, self._device = folder, device
        self.name = f"folder:{folder.name}"
        self.title = f"{kind} ({folder.name})"
        self._network: FamilyNetwork | None = None

    def available(self) -> str | None:
        """None, or what the folder lacks and where it comes from."""
        kind = model_type(self.folder)
        if kind not in FAMILY:
            what = f"a model of kind {kind!r}" if kind else "no model in transformers' layout (it has no config.json)"
            return f"{self.title}: {self.folder} is {what}; expected one of {', '.join(sorted(FAMILY))}"
        if not list(self.folder.glob("*.safetensors")):
            return f"{self.title}: {self.folder} has no *.safetensors; fetch the model's safetensors files into it"
        if not any((self.folder / f"{name}_config.json").is_file() for name in ("processor", "preprocessor")):
            return (
                f"{self.title}: {self.folder} has no preprocessor_config.json; fetch it from where the model is from"
            )
        return None

    def encode(self, photo: Image, progress: Steps | None, cancelled: Cancel | None) -> FamilyEmbedding:
        """The embedding of a photo; ``progress`` counts encoder blocks."""
        return self.network().encode(photo, progress, cancelled)

    def prepared(self, embedding: FamilyEmbedding) -> FamilyPreparedPhoto:
        """The photo of an embedding, ready for clicks."""
        return FamilyPreparedPhoto(self, embedding)

    def network(self) -> FamilyNetwork:
        """The loaded model; Unavailable names what is wrong with the folder."""
        with self.lock:
            if self._network is None:
                if (reason := self.available()) is not None:
                    raise Unavailable(reason)
                self._network = load_family(self.folder, self.title, choose_device(self._device))
            return self._network


class FamilyPreparedPhoto(EmbeddedGridPhoto[FamilyEmbedding]):
    """A photo with its embedding; a click costs one pass of the small decoder."""

    def __init__(self, owner: FamilySegmenter, embedding: FamilyEmbedding) -> None:
        super().__init__(embedding)
        self._owner = owner

    def decode_prompt(self, prompt: DecoderPrompt) -> tuple[list[Mask], list[float]]:
        """Three masks where the prompt asks for several, else one."""
        with self._owner.lock:
            logits, scores = self._owner.network().decode(
                self.embedding, prompt.clicks, prompt.box, prompt.mask, prompt.several
            )
        return [photo_mask(one, self.content, self.shape) for one in logits], scores.tolist()

    def decode_points(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See core.segmentation.sam_candidates.GridDecoder."""
        with self._owner.lock:
            return self._owner.network().decode_points(self.embedding, np.asarray(points, np.float32))
