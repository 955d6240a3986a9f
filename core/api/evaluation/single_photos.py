"""One photo, or some, seen by a detector that was kept: what ``launch.py evaluate photo`` asks of the core.

Nothing here loads torch before a detector is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError, NotFound
from core.progress import Steps, unwatched

if TYPE_CHECKING:
    from core.evaluation.saved_detector import PhotoResult

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class ScoredPhoto:
    """What is said of a photo: where its map and picture were written, None without ``out``."""

    photo: Path
    score: float
    above_good: float
    neighbour: str | None
    map: Path | None
    picture: Path | None

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "photo": str(self.photo),
            "image_score": self.score,
            "above_good": self.above_good,
            "neighbour": self.neighbour,
            "map": str(self.map) if self.map else None,
            "picture": str(self.picture) if self.picture else None,
        }


def predict_photos(
    detector: Path,
    paths: Sequence[Path],
    out: Path | None = None,
    *,
    device: str = "auto",
    progress: Steps = unwatched,
) -> list[ScoredPhoto]:
    """What the kept detector in the folder (or file) ``detector`` says of photos, or of all photos of folders.

    With ``out`` each photo's score map is written there as NAME.tiff, float32 of the photo's size as
    ``evaluate maps`` reads it, and NAME.png: the photo, its nearest good one, and the scores over it.
    NotFound and InputError in one line.
    """
    from core.evaluation.saved_detector import load_detector
    from core.evaluation.set_depth import scales_of_photos
    from core.images import isolated

    files = _photo_files(paths)
    if out is not None:
        _check_unique_names(files)
    trained = load_detector(detector, device)
    scales = {**scales_of_photos(files), **trained.scales}
    found = []
    for done, path in enumerate(files, 1):
        look = trained.predict(isolated.read_photo(path, scales=scales).pixels)
        where = _write_outputs(look, out, path.stem) if out is not None else (None, None)
        name = look.neighbour.name if look.neighbour else None
        found.append(ScoredPhoto(path, look.score, look.above_good, name, *where))
        progress(done, len(files))
    return found


def _photo_files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in (Path(p).expanduser() for p in paths):
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.is_file():
            files.append(path)
        else:
            raise NotFound(f"{path}: there is no such photo; give photos, or folders of them")
    if not files:
        raise InputError(f"{paths[0] if paths else 'photos'}: found no photo; give photos, or folders of them")
    return files


def _check_unique_names(files: Sequence[Path]) -> None:
    stems = [f.stem for f in files]
    if twice := next((f for f in files if stems.count(f.stem) > 1), None):
        raise InputError(f"two photos are called {twice.stem}; give them in two runs, maps go by this name")


def _write_outputs(look: PhotoResult, out: Path, stem: str) -> tuple[Path, Path]:
    from core.images import atomic_write
    from core.images.tiff import float_tiff

    out.mkdir(parents=True, exist_ok=True)
    scores, picture = out / f"{stem}.tiff", out / f"{stem}.png"
    atomic_write(scores, float_tiff(look.scores))
    atomic_write(picture, look.picture())
    return scores, picture
