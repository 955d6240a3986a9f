"""Models in folders that answer clicks or find words: those that are known, and those in the models folder now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import weights
from core.segmentation.onnx_sam import OnnxSegmenter, onnx_folders
from core.segmentation.sam_family import FAMILY, FamilySegmenter, family_folders, model_type
from core.segmentation.word_detector import DETECTORS, detector_folders


@dataclass(frozen=True)
class KnownFolder:
    """A model of huggingface.co that a person may put into the models folder as ``name``; ``size`` in bytes, about."""

    name: str
    title: str
    purpose: str
    repo: str
    size: int
    licence: str


KNOWN_FOLDERS = (
    KnownFolder(
        "EdgeTAM-hf",
        "EdgeTAM",
        "Click segmentation: about 1 s a photo on a CPU; it also needs 'pip install timm'.",
        "yonigozlan/EdgeTAM-hf",
        56_000_000,
        "Apache-2.0",
    ),
    KnownFolder(
        "sam2.1-hiera-tiny",
        "SAM 2.1, tiny",
        "Click segmentation: about 3 s a photo on a CPU.",
        "facebook/sam2.1-hiera-tiny",
        156_000_000,
        "Apache-2.0",
    ),
    KnownFolder(
        "sam-hq-vit-base",
        "HQ-SAM, base",
        "Click segmentation with finer outlines; as slow as SAM base.",
        "syscv-community/sam-hq-vit-base",
        379_000_000,
        "Apache-2.0",
    ),
    KnownFolder(
        "owlv2-base-patch16-ensemble",
        "OWLv2, base",
        "Words to regions.",
        "google/owlv2-base-patch16-ensemble",
        620_000_000,
        "Apache-2.0",
    ),
    KnownFolder(
        "grounding-dino-tiny",
        "Grounding DINO, tiny",
        "Words to regions.",
        "IDEA-Research/grounding-dino-tiny",
        690_000_000,
        "Apache-2.0",
    ),
)
"""SAM 3 is not among them: its licence restricts its use, so that each person has to accept it and fetch it."""


@dataclass(frozen=True)
class FolderModel:
    """A model in a folder at ``path``, ``present`` or to come; ``problem`` says why a present one cannot be used."""

    name: str
    title: str
    purpose: str
    path: Path
    present: bool
    size: int
    licence: str
    repo: str = ""
    problem: str = ""


def folder_models() -> list[FolderModel]:
    """Every known model, and every folder of such a kind that is in the models folder."""
    known = {k.name: k for k in KNOWN_FOLDERS}
    here = [*family_folders(), *onnx_folders(), *detector_folders()]
    missing = [
        FolderModel(k.name, k.title, k.purpose, weights.models_dir() / k.name, False, k.size, k.licence, k.repo)
        for k in KNOWN_FOLDERS
        if all(folder.name != k.name for folder in here)
    ]
    return [_present(folder, known.get(folder.name)) for folder in here] + missing


def _present(folder: Path, known: KnownFolder | None) -> FolderModel:
    title, purpose, problem = _described(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    licence, repo = (known.licence, known.repo) if known else ("yours to know", "")
    reason = problem.removeprefix(f"{title}: ")
    return FolderModel(
        folder.name, title, known.purpose if known else purpose, folder, True, size, licence, repo, reason
    )


def _described(folder: Path) -> tuple[str, str, str]:
    """Title, purpose and what is wrong ("" for nothing) of a folder."""
    kind = model_type(folder)
    if kind in DETECTORS:
        return f"{DETECTORS[kind]} ({folder.name})", "Words to regions.", ""
    one: FamilySegmenter | OnnxSegmenter = FamilySegmenter(folder) if kind in FAMILY else OnnxSegmenter(folder)
    return one.title, "Click segmentation.", one.available() or ""
