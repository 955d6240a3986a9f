"""Which image goes into train, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.device import numpy_rng
from core.errors import ExportError
from core.exporters.api import SPLITS, DatasetFormat, DatasetItem, ExportOptions, PlacedItem, Split


def split_counts(total: int, shares: Sequence[float]) -> list[int]:
    """``total`` things dealt by ``shares`` (sum <= 1), by largest remainder.

    Every share above 0 gets at least one where there are enough things, so a small project still has a
    validation and a test set.
    """
    exact = [total * share for share in shares]
    dealt = [int(e + 1e-9) for e in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (dealt[i] - exact[i], i))
    for i in by_remainder[: round(sum(exact)) - sum(dealt)]:
        dealt[i] += 1
    for i, share in enumerate(shares):
        richest = max(range(len(shares)), key=lambda j: dealt[j])
        if share > 0 and dealt[i] == 0 and dealt[richest] > 1:
            dealt[richest] -= 1
            dealt[i] = 1
    return dealt


def assign_splits(
    items: Sequence[DatasetItem], fmt: DatasetFormat, options: ExportOptions
) -> tuple[list[PlacedItem], list[str]]:
    """Give every item a split and a number; returns them in the order of ``items``, and warnings.

    An item's own split is kept where the format can hold it. Normals that a test anomaly was made from go to
    test and validation first, so that train shares as few photos with the test as the shares allow.
    """
    splits: dict[int, Split] = {i: item.split for i, item in enumerate(items) if item.split is not None}
    warnings = _place_anomalies(items, fmt, options, splits)
    held_out = {
        item.source for i, item in enumerate(items) if not item.good and item.source and splits.get(i) != "train"
    }
    warnings += _place_normals(items, fmt, options, splits, held_out)
    placed = [PlacedItem(items[i], splits[i], f"{n:06d}") for n, i in enumerate(sorted(splits))]
    return placed, warnings + _split_warnings(placed, fmt)


def _place_anomalies(
    items: Sequence[DatasetItem], fmt: DatasetFormat, options: ExportOptions, splits: dict[int, Split]
) -> list[str]:
    anomalies = [i for i, item in enumerate(items) if not item.good]
    if not fmt.trains_on_anomalies:
        moved = sum(splits.get(i, "test") != "test" for i in anomalies)
        splits.update(dict.fromkeys(anomalies, "test"))
        line = f"{moved} anomalies meant for train or validation are in test: {fmt.name} learns from normals only"
        return [line] if moved else []
    rest = 1 - options.anomaly_train
    val_and_test = options.normal_val + options.normal_test
    to_val = rest * options.normal_val / val_and_test if val_and_test else 0.0
    shares = (options.anomaly_train, to_val, rest - to_val)
    for label in sorted({items[i].label for i in anomalies}):
        members = [i for i in anomalies if items[i].label == label and i not in splits]
        order = numpy_rng(options.seed, "export", "anomalies", label).permutation(len(members))
        _deal([members[k] for k in order], shares, splits)
    return []


def _place_normals(
    items: Sequence[DatasetItem],
    fmt: DatasetFormat,
    options: ExportOptions,
    splits: dict[int, Split],
    held_out: set[str],
) -> list[str]:
    warnings = []
    free = [i for i, item in enumerate(items) if item.good and i not in splits]
    shares = (options.normal_train, options.normal_val, options.normal_test)
    if not fmt.has_val:
        shares = (options.normal_train + options.normal_val, 0.0, options.normal_test)
        for i, item in enumerate(items):
            if item.good and splits.get(i) == "val":
                splits[i] = "train"
        if "normal_val" in options.model_fields_set and options.normal_val > 0:
            warnings.append(f"{fmt.name} has no validation set: the validation share of the normals is in train")
    order = [free[k] for k in numpy_rng(options.seed, "export", "normals").permutation(len(free))]
    _deal(sorted(order, key=lambda i: items[i].name in held_out), shares, splits)
    left = sum(i not in splits for i in free)
    if left:
        warnings.append(f"{left} normals are left out: the shares of normals make less than 1")
    return warnings


def _deal(order: Sequence[int], shares: Sequence[float], splits: dict[int, Split]) -> None:
    at = 0
    for split, count in zip(SPLITS, split_counts(len(order), shares), strict=True):
        splits.update(dict.fromkeys(order[at : at + count], split))
        at += count


def _split_warnings(placed: Sequence[PlacedItem], fmt: DatasetFormat) -> list[str]:
    """Warnings about what a detector can learn and be judged on."""
    good = Counter(p.split for p in placed if p.item.good)
    if not fmt.trains_on_anomalies and not good["train"]:
        raise ExportError(f"{fmt.name}: no normal photo in train; import normals or raise their train share")
    warnings = []
    if not good["test"]:
        warnings.append("no normal photo in test: false alarms cannot be counted; raise the test share of the normals")
    if fmt.has_val and not fmt.trains_on_anomalies and not good["val"]:
        warnings.append("no normal photo in validation: thresholds cannot be tuned; raise the validation share")
    trained = {p.item.source if not p.item.good else p.item.name for p in placed if p.split == "train"} - {None}
    tested = [p for p in placed if p.split == "test" and not p.item.good]
    shared = sum(p.item.source in trained for p in tested)
    if shared:
        warnings.append(
            f"{shared} of {len(tested)} test anomalies were made from photos that train holds too: "
            "scores look better than on new parts; keep some photos for the test only"
        )
    return warnings
