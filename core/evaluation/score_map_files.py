"""Score maps of any detector, from files: one for each test photo, under the photo's label and stem."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from core.errors import ImageError, InputError, NotFound
from core.evaluation.metrics import check_scores
from core.exporters.api import folders_in
from core.exporters.png_files import image_size
from core.given_files import read_given
from core.images import MAX_PIXELS, isolated, png_size
from core.types import Image

SUFFIXES = (".tiff", ".tif", ".npy", ".png")
Floats = npt.NDArray[np.float32]


def find_score_maps(folder: Path) -> dict[str, Path]:
    """The score maps under ``folder`` by ``<label>/<stem>``.

    ``folder`` holds ``<label>/<stem>.tiff`` (or .npy, .png), or ``test/<label>/...`` as MVTec's scripts write
    it, or one folder with such a ``test``. InputError if there are none, or two for one photo.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise NotFound(f"{folder}: there is no such folder; give the folder of the score maps")
    base = _base(folder)
    found: dict[str, Path] = {}
    for label in folders_in(base):
        for path in sorted(label.iterdir()):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            name = f"{label.name}/{path.stem}"
            if name in found:
                raise InputError(f"{folder}: two maps for {name}: {found[name].name} and {path.name}; leave one")
            found[name] = path
    if not found:
        raise InputError(
            f"{folder}: found no score map; expected <label>/<photo's name>.tiff, .npy or 16-bit .png, "
            "the good photos' under good"
        )
    return found


def read_score_map(path: Path, name: str | None = None) -> Floats:
    """One score map, float32 (H, W), finite; higher is more anomalous. InputError in one line.

    Takes float or integer TIFF and .npy, and 16-bit grey PNG; axes of length 1 are dropped.
    """
    called = f"score map {name or path.name}"
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{called}: expected .tiff, .npy or 16-bit .png, got {path.suffix or 'no suffix'}")
    try:
        values = reader(path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{called}: cannot be read ({error.strerror or error}); write it again") from error
    except Exception as error:  # a decoder may raise anything on broken bytes
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{called}: {path.name} is damaged or no array ({text}); write it again") from error
    if values.ndim > 2:
        values = values.reshape([side for side in values.shape if side > 1] or [1, 1])
    return check_scores(values, called)


def read_photos_map(path: Path, name: str, source: Path | Image | None) -> Floats:
    """The score map of a photo, float32 (H, W), as large as ``source``, its photo or mask, where one is given; errors
    as read_score_map and check_map_size."""
    if source is None:
        return read_score_map(path, name)
    shape = image_size(source) if isinstance(source, Path) else (source.shape[0], source.shape[1])
    if path.suffix.lower() == ".png":  # said before a large one is decoded
        check_map_size(
            png_size(read_given(path, name=f"score map {name}", first=64), f"score map {name}"), shape, name
        )
    scores = read_score_map(path, name)
    check_map_size((scores.shape[0], scores.shape[1]), shape, name)
    return scores


def check_map_size(size: tuple[int, int], shape: tuple[int, int], name: str) -> None:
    """InputError if the map's size is not the mask's (H, W): scaling it is the detector's business, and choice."""
    if size != shape:
        raise InputError(
            f"score map {name}: {size[1]}x{size[0]} pixels, but its photo has {shape[1]}x{shape[0]}; "
            "scale the map to the photo's size before writing it"
        )


def match_maps(maps: Mapping[str, Path], wanted: Mapping[str, str], where: Path) -> tuple[dict[str, Path], list[str]]:
    """The map of each test photo in ``wanted`` (name → label), and the names of the maps that no photo needs.

    InputError names a photo without a map, or a label that only the maps have.
    """
    missing = [name for name in wanted if name not in maps]
    have = {name.split("/")[0] for name in maps}
    labels = {name.split("/")[0] for name in wanted}
    if have - labels:
        raise InputError(
            f"{where}: the labels don't match: there are maps for {sorted(have - labels)[0]!r}, the test photos have "
            f"{', '.join(sorted(labels))}; name the folders alike"
        )
    if missing:
        raise InputError(
            f"{where}: {len(missing)} of {len(wanted)} test photos have no score map (first: {missing[0]}); "
            "write one map for each test photo"
        )
    return {name: maps[name] for name in wanted}, sorted(set(maps) - set(wanted))


def _base(folder: Path) -> Path:
    if (folder / "test").is_dir():
        return folder / "test"
    inner = [p / "test" for p in folders_in(folder) if (p / "test").is_dir()]
    if len(inner) > 1:
        listed = ", ".join(p.parent.name for p in inner[:8])
        raise InputError(f"{folder}: holds the maps of several products ({listed}); give the folder of one")
    return inner[0] if inner else folder


def _tiff(path: Path) -> npt.NDArray[Any]:
    return isolated.read_tiff_values(path, f"score map {path.name}")


def _npy(path: Path) -> npt.NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(read_given(path, name=f"score map {path.name}")), allow_pickle=False))


def _png(path: Path) -> npt.NDArray[Any]:
    called = f"score map {path.name}"
    data = read_given(path, name=called)
    try:
        height, width = png_size(data, called)
    except ImageError as error:
        raise ValueError("not a PNG") from error
    if height * width > MAX_PIXELS:
        raise InputError(f"{called}: {width}x{height} pixels are above the limit of {MAX_PIXELS:,}")
    depth, colour = data[24:26].ljust(2, b"\0")
    if (depth, colour) != (16, 0):
        kind = f"{depth}-bit {'colour' if colour else 'grey'}"
        raise InputError(f"{called}: expected a 16-bit grey PNG, got {kind}; write the scores, no picture")
    with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        return np.asarray(picture).astype(np.uint16)


_READERS = {".tiff": _tiff, ".tif": _tiff, ".npy": _npy, ".png": _png}
