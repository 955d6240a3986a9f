"""Model weights: which there are, where they live, whether they are whole, and how they get here.

Flawsmith works without any of them. A folder of the user's data directory holds what was fetched
(``FLAWSMITH_MODELS`` overrides it); ``assets/models`` holds the small ones that are shipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import Unavailable
from core.lookup import named
from core.progress import Steps
from core.weights.transfer import check_disk_space, download, failure_reason, known_sha256, move_into_place
from core.weights.transfer import file_sha256 as file_sha256

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"


@dataclass(frozen=True)
class WeightFile:
    """One file of weights. ``sha256`` is of the whole file, ``size`` in bytes; no ``url``: it is shipped."""

    name: str
    title: str
    purpose: str
    file: str
    url: str
    size: int
    sha256: str
    licence: str


@dataclass(frozen=True)
class WeightStatus:
    """Where a file of weights stands; ``path`` is where it is, or where it would be put."""

    weights: WeightFile
    state: Literal["present", "missing", "corrupt"]
    path: Path
    size: int


def _shipped(name: str, title: str, purpose: str, folder: str) -> WeightFile:
    """A row for the model in ``assets/models/<folder>``, whose config.json tells size and sha256."""
    try:
        file = json.loads((SHIPPED / folder / "config.json").read_text())["file"]
        size, sha256 = int(file["size"]), str(file["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        size, sha256 = 0, ""
    return WeightFile(name, title, purpose, f"{folder}/model.safetensors", "", size, sha256, "Apache-2.0")


_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
CATALOGUE: dict[str, WeightFile] = {
    w.name: w
    for w in (
        _shipped(
            "mini_click",
            "Mini-click",
            "Click segmentation: shipped, small, a tenth of a second a click on a CPU.",
            "mini-click",
        ),
        WeightFile(
            "sam_mobile",
            "MobileSAM",
            "Click segmentation: small, about 2 s a photo on a CPU.",
            "mobile_sam.pt",
            "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
            "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
            40_728_226,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            "Apache-2.0",
        ),
        WeightFile(
            "sam_vit_b",
            "Segment Anything, base",
            "Click segmentation: about 12 s a photo on a CPU, well under 1 s on a GPU.",
            "sam_vit_b_01ec64.pth",
            _SAM + "sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            "Apache-2.0",
        ),
        WeightFile(
            "sam_vit_l",
            "Segment Anything, large",
            "Click segmentation for a GPU.",
            "sam_vit_l_0b3195.pth",
            _SAM + "sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            "Apache-2.0",
        ),
        WeightFile(
            "sam_vit_h",
            "Segment Anything, huge",
            "Click segmentation for a GPU, the most exact.",
            "sam_vit_h_4b8939.pth",
            _SAM + "sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            "Apache-2.0",
        ),
        WeightFile(
            "inception_fid",
            "Inception v3 (FID, 2015-12-05)",
            "Inception Score and KID as they are published.",
            "weights-inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            95_628_359,
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            "Apache-2.0",
        ),
        WeightFile(
            "vgg16_lpips",
            "VGG16, ImageNet",
            "IC-LPIPS as it is published.",
            "vgg16-397923af.pth",
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            553_433_881,
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            "BSD-3-Clause",
        ),
    )
}


def models_dir() -> Path:
    """The folder for fetched weights; it need not exist yet."""
    given = os.environ.get("FLAWSMITH_MODELS")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("flawsmith") / "models"


def weight_file(name: str) -> WeightFile:
    """The row called ``name``; NotFound names those there are."""
    return named(CATALOGUE, name, "weights")


def find_weights(name: str) -> Path | None:
    """The file of ``name`` where its size is right, in the user's folder or among the shipped; else None."""
    row = weight_file(name)
    for path in (models_dir() / row.file, SHIPPED / row.file):
        if path.is_file() and path.stat().st_size == row.size:
            return path
    return None


def status() -> list[WeightStatus]:
    """Every row of the catalogue. Whole files are told from broken ones by size here; ``verify`` hashes them."""
    return [_status(row) for row in CATALOGUE.values()]


def _status(row: WeightFile) -> WeightStatus:
    for path in (models_dir() / row.file, SHIPPED / row.file):
        if path.is_file():
            size = path.stat().st_size
            whole = size == row.size and known_sha256(path) in (None, row.sha256)
            return WeightStatus(row, "present" if whole else "corrupt", path, size)
    return WeightStatus(row, "missing", models_dir() / row.file, 0)


def verify(name: str) -> WeightStatus:
    """``name`` with its sha256 checked; remembered until the file changes."""
    row = weight_file(name)
    found = _status(row)
    if found.state == "missing" or found.size != row.size:
        return found
    good = file_sha256(found.path) == row.sha256
    return WeightStatus(row, "present" if good else "corrupt", found.path, found.size)


def fetch(
    name: str,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download ``name`` and return its path; a whole file that is there already is not fetched again.

    ``progress(bytes, total)``. The download goes to ``<file>.part`` and is taken up again there after a broken
    connection or a stop; only a file with the right sha256 gets the final name.
    Unavailable: no connection, or another file came. Cancelled: stopped; the part is kept for the next time.
    """
    row = weight_file(name)
    if verify(name).state == "present":
        return _status(row).path
    if not row.url:
        raise Unavailable(
            f"{row.title}: {SHIPPED / row.file} comes with Flawsmith and is not whole; get its files again"
        )
    folder, final = models_dir(), models_dir() / row.file
    part = final.with_name(f"{final.name}.part")
    check_disk_space(folder, row.size - (part.stat().st_size if part.is_file() else 0), row.title)
    try:
        download(row.url, part, row.size, progress, cancelled)
    except OSError as error:
        raise Unavailable(_by_hand(row, folder, error)) from error
    if (came := file_sha256(part)) != row.sha256:
        part.unlink()
        raise Unavailable(
            f"{row.title}: what came from {row.url} has sha256 {came[:12]}…, not {row.sha256[:12]}…; "
            "it was deleted. Try again, or fetch it over another connection"
        )
    move_into_place(part, final)
    return final


def _by_hand(row: WeightFile, folder: Path, error: Exception) -> str:
    return (
        f"{row.title}: {row.url} could not be fetched ({failure_reason(error)}). On a machine with a connection open "
        f"that address, then put the file as {folder / row.file}"
    )
