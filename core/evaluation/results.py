"""What an evaluation leaves behind: one frozen value, and its folder on disk."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import InputError, NewerFormat, NotFound, StoreError
from core.images import TEMP_PREFIX
from core.stored import JsonObject, StoredFormat, read_record

ResultKind = Literal["maps", "localization", "detection", "classification", "generation"]
RESULT_KINDS: tuple[ResultKind, ...] = get_args(ResultKind)
MAX_POINTS = 400
"""Points of a curve that are kept: more than a screen shows."""

_FILE = "result.json"
_PICTURES = "pictures"
_OWN_KEYS = frozenset(
    {"selection", "best_on_test", "per_label", "spread", "seeds", "config", "notes", "kind", "title"}
)


def _own_number_gone(raw: JsonObject) -> JsonObject:
    """1 → 2: what was ``flawsmith_result`` is ``format`` now."""
    return {name: value for name, value in raw.items() if name != "flawsmith_result"}


FORMAT = StoredFormat("result", 2, {1: _own_number_gone})


@dataclass(frozen=True)
class Curve:
    """Points (x, y) in the order they are joined; at most MAX_POINTS of them."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.x) > MAX_POINTS:
            raise ValueError(f"curve: expected as many x as y, at most {MAX_POINTS}, got {len(self.x)}, {len(self.y)}")


@dataclass(frozen=True)
class Picture:
    """A picture of the report: ``name`` becomes its file name, ``png`` holds the file's bytes."""

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class EvalResult:
    """One evaluation.

    ``config`` is all it takes to run it again. ``metrics`` are the headline values, means over seeds where
    something was trained; ``spread`` holds their standard deviations (n - 1), {} for one seed; ``seeds`` the
    values of each seed. ``selection`` says of which epoch the metrics are; ``best_on_test`` holds those of the
    epoch that was best on the test set, which is how papers choose and what flatters a detector. ``notes`` are
    plain sentences: what was left out, which stand-in was used. A metric that is not defined for the data is
    missing, never NaN. ``files`` are kept beside the result under their names, such as the trained detector: bytes,
    or where they lie. ``extra`` are keys of a newer version.
    """

    kind: ResultKind
    title: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    spread: Mapping[str, float] = field(default_factory=dict)
    per_label: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    selection: str = "last"
    best_on_test: Mapping[str, float] = field(default_factory=dict)
    seeds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in RESULT_KINDS:
            raise ValueError(f"result kind {self.kind!r}: expected one of {', '.join(RESULT_KINDS)}")
        if clash := _OWN_KEYS & set(self.metrics):
            raise ValueError(f"metric {sorted(clash)[0]!r}: this name is taken by the result itself")
        odd = [name for name, value in _numbers(self) if not math.isfinite(value)]
        if odd:
            raise ValueError(f"metric {odd[0]!r}: expected a finite number; leave out what is not defined")
        names = [picture.name for picture in self.pictures]
        if len(set(names)) != len(names) or not all(map(_plain_name, names)):
            raise ValueError(f"pictures: expected different plain names, got {names}")
        if not all(_plain_name(name) and name not in (_FILE, _PICTURES) for name in self.files):
            raise ValueError(f"files: expected plain names other than the result's own, got {list(self.files)}")

    def json(self) -> dict[str, Any]:
        """The flat object that the command line prints: the metrics, then what they mean; no curves, no pictures."""
        return {
            **{name: float(value) for name, value in self.metrics.items()},
            "selection": self.selection,
            "best_on_test": dict(self.best_on_test),
            "per_label": {label: dict(values) for label, values in self.per_label.items()},
            "spread": dict(self.spread),
            "seeds": {seed: dict(values) for seed, values in self.seeds.items()},
            "kind": self.kind,
            "title": self.title,
            "config": dict(self.config),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class _StoredPicture:
    """A picture as the result's file names it."""

    name: str
    caption: str


@dataclass(frozen=True)
class _StoredResult:
    """A result's file, key by key."""

    created: float
    kind: ResultKind
    title: str
    config: dict[str, Any]
    metrics: dict[str, float]
    spread: dict[str, float]
    per_label: dict[str, dict[str, float]]
    selection: str
    best_on_test: dict[str, float]
    seeds: dict[str, dict[str, float]]
    curves: dict[str, Curve]
    notes: tuple[str, ...]
    pictures: tuple[_StoredPicture, ...]
    files: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedResult:
    """A result on disk: ``path`` is its folder, ``created`` seconds since 1970."""

    id: str
    path: Path
    created: float
    result: EvalResult


def save_result(folder: Path, result: EvalResult) -> Path:
    """Write ``result`` into a new folder under ``folder`` and return it; it appears whole or not at all.

    ``<id>/result.json``, ``<id>/pictures/<name>.png`` and the result's files; the id begins with the time. StoreError
    if the disk is full or the folder cannot be written.
    """
    created = time.time()
    id = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(created))}-{result.kind}-{secrets.token_hex(3)}"
    part = folder / f"{TEMP_PREFIX}{id}"
    try:
        (part / _PICTURES).mkdir(parents=True)
        for picture in result.pictures:
            (part / _PICTURES / f"{picture.name}.png").write_bytes(picture.png)
        text = json.dumps(FORMAT.stamped({"created": created, **_plain(result)}), indent=1)
        with (part / _FILE).open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        for name, content in result.files.items():
            if isinstance(content, bytes):
                (part / name).write_bytes(content)
            else:
                _linked(content, part / name)
        part.rename(folder / id)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{folder}: the result cannot be written ({reason}); check its rights and free space") from (
            error
        )
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / id


def load_result(path: Path) -> EvalResult:
    """The result in the folder ``path``; NotFound if there is none, InputError if it is damaged, NewerFormat."""
    return load_saved_result(path).result


def load_saved_result(path: Path) -> SavedResult:
    """As load_result, with its id and time."""
    try:
        text, where = (path / _FILE).read_text("utf-8"), str(path / _FILE)
        stored = read_record(_StoredResult, FORMAT.parse(text, where), where)
        return SavedResult(path.name, path, stored.created, _result(stored, path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{path}: there is no result in it; give a folder that --out wrote") from error
    except (OSError, ValueError) as error:
        raise InputError(f"the result is damaged, run the evaluation again: {error}") from error


def list_results(folder: Path) -> list[SavedResult]:
    """The results under ``folder``, newest first; folders without one that can be read are passed over."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith(".") or not (path / _FILE).is_file():
            continue
        try:
            found.append(load_saved_result(path))
        except (InputError, NewerFormat, NotFound):
            continue
    return sorted(found, key=lambda saved: (saved.created, saved.id), reverse=True)


def _numbers(result: EvalResult) -> list[tuple[str, float]]:
    tables = [result.metrics, result.spread, result.best_on_test, *result.per_label.values(), *result.seeds.values()]
    return [(name, value) for table in tables for name, value in table.items()]


def _plain(result: EvalResult) -> dict[str, Any]:
    pictures = [{"name": p.name, "caption": p.caption} for p in result.pictures]
    tables = ("metrics", "spread", "best_on_test", "config")
    return {
        **result.extra,
        "kind": result.kind,
        "title": result.title,
        "selection": result.selection,
        **{name: dict(getattr(result, name)) for name in tables},
        "per_label": {label: dict(values) for label, values in result.per_label.items()},
        "seeds": {seed: dict(values) for seed, values in result.seeds.items()},
        "notes": list(result.notes),
        "curves": {name: asdict(curve) for name, curve in result.curves.items()},
        "pictures": pictures,
        "files": list(result.files),
    }


def _plain_name(name: str) -> bool:
    return bool(name) and name == Path(name).name and not name.startswith(".")


def _linked(source: Path, target: Path) -> None:
    """The same file under another name where the disk can do that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _result(stored: _StoredResult, folder: Path) -> EvalResult:
    pictures = tuple(
        Picture(p.name, p.caption, (folder / _PICTURES / f"{Path(p.name).name}.png").read_bytes())
        for p in stored.pictures
    )
    return EvalResult(
        kind=stored.kind,
        title=stored.title,
        config=stored.config,
        metrics=stored.metrics,
        spread=stored.spread,
        per_label=stored.per_label,
        selection=stored.selection,
        best_on_test=stored.best_on_test,
        seeds=stored.seeds,
        curves=stored.curves,
        notes=stored.notes,
        pictures=pictures,
        files={name: folder / name for name in stored.files if (folder / name).is_file()},
        extra=stored.extra,
    )
