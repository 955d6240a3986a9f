"""Folders that a stranger sends: score maps of a detector, and a dataset in ASBench's layout."""

from __future__ import annotations

import io
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.api import Workbench
from core.api.evaluation.calibrations import CalibrationSpec
from core.bench.hostile.attempts import Attempt, drawn
from core.bench.hostile.pictures import LARGE, MUTATIONS, circle_tiff, flat_png, lying_png
from core.jobs.import_images import preview_import
from core.types import ReviewStatus

Random = np.random.Generator
SIDE = 96


def map_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Score maps of a test set made from ``project``, one of them damaged, from which thresholds are set."""
    _keep_all(project)
    with Workbench.open(project) as bench:
        bench.datasets.export("mvtec-ad", place / "set")
    photos = sorted((place / "set").rglob("test/*/*.png"))
    maps = place / "maps"
    for photo in photos:
        file = maps / photo.parent.name / f"{photo.stem}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, rng.random((SIDE, SIDE), np.float32))
    chosen = sorted(maps.rglob("*.npy"))[0]
    sound = chosen.read_bytes()
    for number, made in enumerate(drawn(maps_by_hand().items(), rng, count)):
        name, write = made or ("random.npy", _mutating(sound, rng))
        chosen.unlink(missing_ok=True)
        file = chosen.with_suffix(Path(name).suffix)
        write(file)
        yield f"map {number} ({name})", lambda: _calibrated(project, maps, photos[0].parents[2])
        _gone(file)
        chosen.write_bytes(sound)


def maps_by_hand() -> dict[str, Callable[[Path], object]]:
    """Ways to write something in place of a score map, by a name with its suffix."""
    arrays: dict[str, Any] = {
        "nan": np.full((SIDE, SIDE), np.nan), "infinite": np.full((SIDE, SIDE), 1e300), "empty": np.zeros((0, 0)),
        "flat": np.zeros(SIDE), "lone": np.float32(1), "complex": np.zeros((SIDE, SIDE), np.complex64),
        "dates": np.zeros((SIDE, SIDE), "datetime64[s]"), "texts": np.full((SIDE, SIDE), "x"), "other size":
        np.zeros((9, 9)), "colour": np.zeros((SIDE, SIDE, 3)), "records": np.zeros((SIDE, SIDE), "f4,i4"),
        "axes of one": np.zeros((1, 1, SIDE, SIDE, 1), np.float16), "truth": np.zeros((SIDE, SIDE), bool), "huge":
        np.full((SIDE, SIDE), 2**64 - 1, np.uint64), "long": np.zeros((SIDE, SIDE), np.longdouble),
        "many axes": np.zeros((1,) * 30), "big end": np.zeros((SIDE, SIDE), ">f4"), "constant":
        np.ones((SIDE, SIDE), np.float32), "tiny": np.full((SIDE, SIDE), 1e-45, np.float32),
    }  # fmt: skip
    made: dict[str, Callable[[Path], object]] = {
        f"{name}.npy": (lambda path, array=array: np.save(path, array))  # type: ignore[misc]
        for name, array in arrays.items()
    }
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}, None]), allow_pickle=True)
    packed = io.BytesIO()
    np.savez(packed, np.zeros((SIDE, SIDE)))
    files = {
        "pickle.npy": pickled.getvalue(), "archive.npy": packed.getvalue(), "none.npy": b"",
        "claims a terabyte.npy": _npy_header("(500000, 500000)"), "claims too much.npy": _npy_header("(2**40, 1)"),
        "claims a number of axes.npy": _npy_header(f"({'1, ' * 900})"), "negative.npy": _npy_header("(-1, 96)"),
        "endless.npy": _npy_header("(" * 3000), "code.npy": _npy_header("__import__('os').getcwd()"),
        "large.png": flat_png(LARGE, LARGE, 16, 0), "claims.png": lying_png(LARGE, LARGE), "eight.png": _png(np.uint8),
        "sixteen.png": _png(np.uint16), "circle.tif": circle_tiff(), "text.tiff": b"hello", "none.png": b"",
    }  # fmt: skip
    made |= {name: (lambda path, data=data: path.write_bytes(data)) for name, data in files.items()}  # type: ignore[misc]
    made |= {f"a folder{suffix}": lambda path: path.mkdir() for suffix in (".npy", ".png", ".tiff")}
    if hasattr(os, "mkfifo"):
        made |= {f"a pipe{suffix}": lambda path: os.mkfifo(path) for suffix in (".npy", ".png", ".tiff")}
        made |= {f"a device{suffix}": lambda path: path.symlink_to("/dev/zero") for suffix in (".npy", ".tiff")}
        made["lost link.npy"] = lambda path: path.symlink_to("nowhere")
    return made


def asbench_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Datasets in ASBench's layout with something wrong, as an import plans them and, in a project of their own,
    takes them in."""
    _keep_all(project)
    with Workbench.open(project) as bench:
        bench.datasets.export("asbench", place / "asbench")
    for number, made in enumerate(drawn(_trees_by_hand().items(), rng, count)):
        name, change = made or ("random", lambda path: _mutate_one(path, rng))
        copy = place / f"asbench-{number}"
        shutil.copytree(place / "asbench", copy)
        change(copy)
        yield f"asbench {number} ({name})", lambda copy=copy: _imported(copy, place / "taken")  # type: ignore[misc]
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(place / "taken", ignore_errors=True)


def _trees_by_hand() -> dict[str, Callable[[Path], object]]:
    """Changes to a dataset in ASBench's layout, by what they do."""

    def first(path: Path, within: str, pattern: str = "*.*") -> Path:
        return next(found for found in sorted((path / within).rglob(pattern)) if found.is_file())

    made: dict[str, Callable[[Path], object]] = {}
    for part in ("pairs_train", "pairs_train/images", "pairs_train/masks", "aug", "mask", "origin"):
        made[f"no {part}"] = lambda path, part=part: shutil.rmtree(path / part)  # type: ignore[misc]
        made[f"{part} a file"] = lambda path, part=part: _file_in_place(path / part)  # type: ignore[misc]
    for name in ("con", "..x", "a b", "ü\u202e", "x" * 200, "\x1b[31m", "good", "-", "a'b\"c<b>", "%41", "\n"):
        made[f"label {name[:12]!r}"] = lambda path, name=name: (  # type: ignore[misc]
            (path / "pairs_train" / "images" / "dent").rename(path / "pairs_train" / "images" / name),
            (path / "pairs_train" / "masks" / "dent").rename(path / "pairs_train" / "masks" / name),
        )  # fmt: skip
    for within in ("pairs_train/images", "pairs_train/masks"):
        for said, data in {
            "empty": b"", "text": b"hello", "too large": flat_png(20_000, 20_000), "small": flat_png(3, 3), "wide":
            flat_png(4000, 20), "claims": lying_png(65_535, 65_535),
        }.items():  # fmt: skip
            made[f"{within} {said}"] = lambda path, within=within, data=data: first(path, within).write_bytes(data)  # type: ignore[misc]
        made[f"{within} gone"] = lambda path, within=within: first(path, within).unlink()  # type: ignore[misc]
        if hasattr(os, "mkfifo"):
            made[f"{within} a pipe"] = lambda path, within=within: _replace(first(path, within), os.mkfifo)  # type: ignore[misc]
            made[f"{within} a device"] = lambda path, within=within: _replace(  # type: ignore[misc]
                first(path, within), lambda file: file.symlink_to("/dev/zero"))  # fmt: skip
            made[f"{within} a circle of links"] = lambda path, within=within: (  # type: ignore[misc]
                path / within / "again").symlink_to(path)  # fmt: skip
    made["labels by case"] = lambda path: shutil.copytree(
        path / "pairs_train" / "images" / "dent", path / "pairs_train" / "images" / "DENT"
    )
    return made


def _imported(folder: Path, target: Path) -> None:
    said = [problem.reason for problem in preview_import(folder).problems]
    assert all("\n" not in line for line in said), "unclear line"
    with Workbench.create(target) as bench:
        bench.photos.import_images(folder)
        for example in bench.photos.examples():
            assert example.label.isprintable()


def _calibrated(project: Path, maps: Path, masks: Path) -> None:
    with Workbench.open(project) as bench:
        found = bench.calibrations.run(CalibrationSpec(str(maps), masks=masks))
        assert np.isfinite([found.image, found.pixel, *found.image_interval, *found.pixel_interval]).all()


def _keep_all(project: Path) -> None:
    with Workbench.open(project) as bench:
        ids = [row.id for row in bench.project.samples()]
        bench.review.set_status(ids, ReviewStatus.KEPT)


def _npy_header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(64)


def _png(dtype: Any) -> bytes:
    return cv2.imencode(".png", np.zeros((SIDE, SIDE), dtype))[1].tobytes()


def _mutating(data: bytes, rng: Random) -> Callable[[Path], object]:
    damaged = MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, rng)
    return lambda path: path.write_bytes(damaged)


def _mutate_one(folder: Path, rng: Random) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    chosen = files[int(rng.integers(len(files)))]
    chosen.write_bytes(MUTATIONS[int(rng.integers(len(MUTATIONS)))](chosen.read_bytes(), rng))


def _file_in_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
