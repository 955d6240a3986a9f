"""From items to a dataset folder, all or nothing."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from inspect import isabstract
from pathlib import Path
from typing import Any, TypeVar

from core.errors import Cancelled, ExportError, InputError
from core.exporters.api import (
    SPLITS,
    DatasetFormat,
    DatasetItem,
    ExportOptions,
    ExportPlan,
    ExportReport,
    PlacedItem,
    Split,
    WrittenItem,
    read_options,
)
from core.exporters.atomic_folder import MARKER_FILE, atomic_folder, is_export
from core.exporters.png_files import load_content, looks_grey
from core.exporters.sidecar import write_sidecar
from core.exporters.split import assign_splits
from core.given_files import given_json
from core.lookup import named
from core.progress import Steps
from core.types import RESERVED_LABELS, Kind, check_label


def find_formats() -> dict[str, DatasetFormat]:
    """Every format of this folder by its name on the command line."""
    package = importlib.import_module("core.exporters")
    modules = [importlib.import_module(f"core.exporters.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    kinds = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DatasetFormat) and value.__module__ == module.__name__
    ]
    found = [kind() for kind in kinds if not isabstract(kind)]
    return {one.name: one for one in sorted(found, key=lambda one: (one.listed, one.name))}


_MAX_ITEMS = 1_000_000

T = TypeVar("T")
R = TypeVar("R")


def export(
    items: Iterable[DatasetItem],
    out: Path,
    format: str,
    options: ExportOptions | Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
    progress: Steps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ExportReport:
    """Write ``items`` as a dataset of ``format`` into the folder ``out``, which appears whole or not at all.

    Same items in the same order and same options: the same bytes in every file. ``progress(done, total)``
    counts images. ExportError: what cannot be written and why; InputError: wrong options; Cancelled: stopped.
    An earlier export at ``out`` is replaced with ``overwrite``, anything else never.
    """
    fmt = format_named(format)
    chosen = options if isinstance(options, ExportOptions) else read_options(options or {})
    given = list(items)
    out = Path(out).expanduser().resolve()
    _check_items(given)
    fmt.check(given, out, chosen)
    placed, warnings = assign_splits(given, fmt, chosen)
    warnings += _depth_warnings(given, chosen)
    with atomic_folder(out, overwrite) as folder:
        plan = ExportPlan(folder, chosen, _labels(placed), _kinds(placed))
        written = _write_all(plan, fmt, placed, progress, cancelled)
        warnings += fmt.finish(plan, written)
        report = ExportReport(fmt.name, out, _image_counts(placed), tuple(warnings))
        write_sidecar(plan, fmt, written, report)
        if cancelled is not None and cancelled():
            raise Cancelled("export stopped; nothing was written")
    return report


def preview_export(
    items: Iterable[DatasetItem], out: Path, format: str, options: ExportOptions
) -> tuple[ExportReport, str]:
    """What ``export`` would write, without reading or writing an image: its report so far, and its layout.

    The layout is the README's part on the files, Markdown. Raises as ``export`` does, but for files that turn
    out broken; warnings that need the pixels (holes that a format loses) come with the export itself.
    """
    fmt = format_named(format)
    given = list(items)
    out = Path(out).expanduser().resolve()
    _check_items(given)
    fmt.check(given, out, options)
    placed, warnings = assign_splits(given, fmt, options)
    warnings += _depth_warnings(given, options)
    plan = ExportPlan(out, options, _labels(placed), _kinds(placed))
    report = ExportReport(fmt.name, out, _image_counts(placed), tuple(warnings), _split_counts(placed))
    return report, fmt.layout(plan)


def read_dataset(path: Path, format: str | None = None) -> list[DatasetItem]:
    """The items of a dataset folder; ``format`` None asks ``detect_format``. ExportError if it cannot be read.

    Names, labels, kinds, sources and recipes come from what an export left beside the data, where it did;
    images and masks come from the data. Formats with one mask per image give the union of the instances.
    """
    path = Path(path).expanduser()
    name = format or detect_format(path)
    if name is None:
        raise ExportError(f"{path}: no dataset of a known format ({', '.join(FORMATS)}); give its top folder")
    items = format_named(name).read(path)
    if not items:
        raise ExportError(f"{path}: no image found in this {name} dataset; give its top folder")
    return items


def detect_format(path: Path) -> str | None:
    """The format of a dataset folder, None if it is none of FORMATS."""
    path = Path(path).expanduser()
    if not path.is_dir():
        return None
    if is_export(path):
        name = given_json(path / MARKER_FILE).get("format")
        if name in FORMATS:
            return str(name)
    return next((f.name for f in sorted(FORMATS.values(), key=lambda f: f.asked) if f.matches(path)), None)


def format_named(name: str) -> DatasetFormat:
    """The format called ``name``; ExportError names those there are."""
    return named(FORMATS, name, "format", ExportError)


def _check_items(items: Sequence[DatasetItem]) -> None:
    if not items:
        raise ExportError("nothing to export: there are no images; import photos and keep some samples first")
    if len(items) > _MAX_ITEMS:
        raise ExportError(f"at most {_MAX_ITEMS:,} images fit into one export, got {len(items):,}; export in parts")
    for item in items:
        _check_item(item)
    if all(item.good for item in items):
        raise ExportError("nothing to export: there are no anomalies; keep some samples in Review or export all")


def _depth_warnings(items: Sequence[DatasetItem], options: ExportOptions) -> list[str]:
    """What to know of an export in the source's depth; ExportError where no image has more than 8 bits."""
    if options.depth == "8-bit":
        return []
    shallow = sum(item.depth is None for item in items)
    if shallow == len(items):
        raise ExportError(
            "depth=source: no photo of this project has source values of more than 8 bits; export with depth=8-bit, "
            "or import the photos again into a new project"
        )
    warnings = ["images are PNGs of 16 bits with the source's own values; look whether your loader keeps them"]
    if shallow:
        warnings.append(f"{shallow} images come from photos of 8 bits: their levels are spread over 16 bits (x 257)")
    return warnings


def _check_item(item: DatasetItem) -> None:
    if item.good:
        if item.masks:
            raise ExportError(f"{item.name!r}: labelled good but has a mask; give it a label or drop the mask")
        return
    try:
        clean = check_label(item.label)
    except InputError as error:
        raise ExportError(f"{item.name!r}: {error}") from error
    if clean != item.label or clean in RESERVED_LABELS:
        raise ExportError(f"{item.name!r}: label {item.label!r} is a reserved word or has blanks around it; rename it")
    if not item.masks:
        raise ExportError(f"{item.name!r}: labelled {item.label!r} but has no mask; draw one or reject the sample")


def _labels(placed: Sequence[PlacedItem]) -> tuple[str, ...]:
    return tuple(sorted({p.item.label for p in placed if not p.item.good}))


def _kinds(placed: Sequence[PlacedItem]) -> dict[str, Kind | None]:
    """The kind of each label; None where its samples differ."""
    kinds: dict[str, Kind | None] = {}
    for p in placed:
        if not p.item.good:
            kinds[p.item.label] = p.item.kind if kinds.get(p.item.label, p.item.kind) == p.item.kind else None
    return kinds


def _image_counts(placed: Sequence[PlacedItem]) -> dict[str, int]:
    good = Counter(f"{p.split}_good" for p in placed if p.item.good)
    labels = Counter(p.item.label for p in placed if not p.item.good)
    named = {f"{s}_good": good[f"{s}_good"] for s in ("train", "val", "test") if s != "val" or good["val_good"]}
    return named | {label: labels[label] for label in sorted(labels)}


def _split_counts(placed: Sequence[PlacedItem]) -> dict[str, dict[Split, int]]:
    counts = Counter((p.item.label, p.split) for p in placed if not p.item.good)
    labels = sorted({label for label, _ in counts})
    return {label: {split: counts[label, split] for split in SPLITS if counts[label, split]} for label in labels}


def _write_all(
    plan: ExportPlan,
    fmt: DatasetFormat,
    placed: Sequence[PlacedItem],
    progress: Steps | None,
    cancelled: Callable[[], bool] | None,
) -> list[WrittenItem]:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("export stopped; nothing was written")

    def write(one: PlacedItem) -> WrittenItem:
        return fmt.write(plan, one, load_content(one.item, grey, plan.options.include_recipes, plan.options.depth))

    written = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        grey = _all_grey(pool, placed, check)
        for done in _ordered(pool, write, placed):
            check()
            written.append(done)
            if progress is not None:
                progress(len(written), len(placed))
    return written


def _all_grey(pool: ThreadPoolExecutor, placed: Sequence[PlacedItem], check: Callable[[], None]) -> bool:
    """Whether every image is grey; a dataset of mixed modes trips loaders, so one colour image makes all RGB."""

    def grey(one: PlacedItem) -> bool:
        try:
            return looks_grey(one.item.image)
        except (InputError, OSError):
            return True  # load() tells the person, with the item's name

    for found in _ordered(pool, grey, placed):
        check()
        if not found:
            return False
    return True


def _ordered(pool: ThreadPoolExecutor, work: Callable[[T], R], things: Sequence[T]) -> Iterable[R]:
    """``work`` of each thing in order; few are in flight, so that a stop is quick and memory stays small."""
    ahead = 16
    queue = [pool.submit(work, thing) for thing in things[:ahead]]
    try:
        for i in range(len(things)):
            yield queue.pop(0).result()
            if i + ahead < len(things):
                queue.append(pool.submit(work, things[i + ahead]))
    finally:
        for future in queue:
            future.cancel()


FORMATS = find_formats()
"""Every format by its name on the command line."""
