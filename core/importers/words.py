"""What folders are called: good, bad, masks, photos, parts of a split; and labels that every format can hold."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Literal

from core.types import GOOD, check_label

Role = Literal["good", "bad", "mask", "photo", "train", "validation", "test"]

_ROLES: dict[str, Role] = {}
for _role, _words in {
    "good": "good ok normal normals pass passed defect_free defectfree no_defect nodefect non_defective io gut",
    "bad": "bad ng ko nok nio anomaly anomalies anomalous abnormal defect defects defective fail failed faulty",
    "mask": "mask masks ground_truth groundtruth gt gts label labels annotation annotations segmentation "
    "segmentations segmentationclass segmentationobject seg bin",
    "photo": "image images img imgs photo photos picture pictures rgb jpegimages data input",
    "train": "train training",
    "validation": "val valid validation dev",
    "test": "test testing test_public eval",
}.items():
    _ROLES |= dict.fromkeys(_words.split(), _role)  # type: ignore[arg-type]


@lru_cache(4096)
def role_of(folder: str) -> Role | None:
    """What a folder of this name holds; None where the name does not tell."""
    name = re.sub(r"[\s-]+", "_", folder.casefold())
    if found := _ROLES.get(name):
        return found
    tokens = re.split(r"[^a-z]+", name)
    return "mask" if {"mask", "masks", "gt", "groundtruth"} & set(tokens) or "ground_truth" in name else None


def safe_label(raw: str) -> str:
    """``raw`` as a label that every dataset format can hold: "Copper Hole" becomes "copper_hole"."""
    plain = unicodedata.normalize("NFKD", raw.casefold()).encode("ascii", "ignore").decode()
    clean = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64].strip("_")
    if not clean:
        clean = f"defect_{hashlib.sha256(raw.encode('utf-8', 'replace')).hexdigest()[:6]}"
    if clean in (GOOD, "ground_truth"):
        clean = f"{clean}_defect"
    return check_label(clean)
