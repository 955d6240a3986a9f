"""``evaluate maps``: the field's metrics for score maps that any detector wrote to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from core import exporters as exporting
from core.errors import Cancelled, InputError, MaskError, NotFound
from core.evaluation.loco_means import loco_folders, loco_means
from core.evaluation.metrics import MapMetrics, MetricAccumulator
from core.evaluation.panels import heat_panel
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.results import EvalResult, Picture
from core.evaluation.saturation import DEFECTS_CONFIG_FILE, DefectsConfig, read_defects_config
from core.evaluation.score_map_files import Floats, find_score_maps, match_maps, read_photos_map, read_score_map
from core.exporters.api import folders_in, images_in
from core.progress import Steps, unwatched
from core.types import GOOD

SHOWN = 4
"""Pictures of the best found anomalies, and of the worst."""


@dataclass(frozen=True)
class _MapTestSet:
    """Test photos by name; ``photos`` says whether the shots' images are photos or, where only masks were given,
    stand-ins."""

    shots: Mapping[str, Shot]
    photos: bool


@dataclass(frozen=True)
class _ScoreRange:
    low: float
    high: float


def evaluate_maps(
    scores: Path,
    masks: Path,
    defects_config: Path | None = None,
    *,
    pro_fpr: float = 0.3,
    spro_fpr: float = 0.05,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> EvalResult:
    """Metrics of the score maps under ``scores`` (see scoremaps.find_score_maps) against the masks at ``masks``.

    ``masks`` is a test set that ``read_photo_set`` takes, or a bare ground_truth folder: ``<label>/<stem>_mask.png``,
    ``<label>/<stem>.png`` or ``<label>/<stem>/000.png``; then the maps under ``good`` say which photos are good.
    Labels are the folders' names. sPRO takes each mask file as one defect where there is a defects config, given
    or in the dataset, or several files a photo; else connected components.
    Photos of anomalies whose masks are empty are left out, and noted.
    InputError in one line: a photo without a map, sizes that differ, NaN, labels that don't match, one class only.
    """
    scores, masks = Path(scores).expanduser(), Path(masks).expanduser()
    found = find_score_maps(scores)
    given = _test_set(masks, found, defects_config)
    paired, unused = match_maps(found, {name: shot.label for name, shot in given.shots.items()}, scores)
    metrics, means, seen = _tallied(given, paired, pro_fpr, spro_fpr, progress, cancelled)
    judged = replace(given, shots={name: shot for name, shot in given.shots.items() if name in seen})
    empty = [name for name in given.shots if name not in seen]
    config = {
        "scores": str(scores),
        "masks": str(masks),
        "defects_config": str(defects_config) if defects_config else None,
        "pro_fpr": pro_fpr,
        "spro_fpr": spro_fpr,
    }
    return EvalResult(
        kind="maps",
        title=f"Score maps of {scores.name or scores}",
        config=config,
        metrics={**metrics.overall, **means},
        per_label=metrics.per_label,
        curves=metrics.curves,
        notes=_notes(judged, metrics, unused, empty),
        pictures=_pictures(judged, paired, metrics.threshold, seen, cancelled),
    )


def _test_set(masks: Path, found: Mapping[str, Path], defects_config: Path | None) -> _MapTestSet:
    if not masks.is_dir():
        raise NotFound(f"{masks}: there is no such folder; give the test set, or its ground_truth folder")
    root = masks.parent if masks.name == "ground_truth" and (masks.parent / "test").is_dir() else masks
    whole = (root / "project.db").is_file() or (root / "test").is_dir() or exporting.detect_format(root) is not None
    if whole:
        listed = read_photo_set(root, "test", defects_config=defects_config)
    else:
        drawn = masks / "ground_truth" if (masks / "ground_truth").is_dir() else masks
        own = drawn.parent / DEFECTS_CONFIG_FILE
        chosen = defects_config or (own if drawn.name == "ground_truth" and own.is_file() else None)
        listed = _bare(drawn, found, read_defects_config(chosen) if chosen else None)
    shots: dict[str, Shot] = {}
    for shot in listed:
        if shot.name in shots:
            raise InputError(f"{masks}: two test photos are called {shot.name}; rename one, maps go by this name")
        shots[shot.name] = replace(shot, label=shot.name.split("/")[0])
    return _MapTestSet(shots, whole)


def _bare(masks: Path, found: Mapping[str, Path], config: DefectsConfig | None) -> list[Shot]:
    drawn: dict[str, tuple[Path, ...]] = {}
    for folder in folders_in(masks):
        if folder.name == GOOD:
            continue
        drawn |= {f"{folder.name}/{p.name}": tuple(images_in(p)) for p in folders_in(folder) if images_in(p)}
        drawn |= {f"{folder.name}/{p.stem.removesuffix('_mask')}": (p,) for p in images_in(folder)}
    if not drawn:
        raise MaskError(f"{masks}: found no masks; expected <label>/<photo's name>_mask.png, or a whole test set")
    good = [name for name in found if name.startswith(f"{GOOD}/")]
    if not good:
        raise InputError(
            f"{masks}: only anomalies: there are no score maps under {GOOD}; add those of good photos, else false "
            "alarms on good parts are not counted"
        )
    labels = {name.split("/")[0] for name in drawn}
    bare = [name for name in found if name not in drawn and name.split("/")[0] in labels]
    if bare:
        raise MaskError(f"{masks}: score map {bare[0]} has no mask; draw it, or put the map under {GOOD}")
    shots = [Shot(name, found[name], GOOD) for name in good]
    return [
        *shots,
        *(Shot(name, files[0], name.split("/")[0], files, config) for name, files in sorted(drawn.items())),
    ]


def _tallied(
    given: _MapTestSet,
    paired: Mapping[str, Path],
    pro_fpr: float,
    spro_fpr: float,
    progress: Steps,
    cancelled: Callable[[], bool],
) -> tuple[MapMetrics, dict[str, float], dict[str, _ScoreRange]]:
    """Metrics, LOCO's means of them, and each photo's range of scores."""
    tally, by_folder = (
        MetricAccumulator(saturated=_by_defect(given), pro_fpr=pro_fpr, spro_fpr=spro_fpr) for _ in range(2)
    )
    folders = dict(zip(given.shots, loco_folders(list(given.shots.values())), strict=False))
    seen: dict[str, _ScoreRange] = {}
    for done, (name, shot) in enumerate(given.shots.items(), 1):
        if cancelled():
            raise Cancelled("stopped; nothing was written")
        scores = _read(given, shot, paired[name])
        shape = (scores.shape[0], scores.shape[1])
        channels = shot.channels_or_none(shape)
        if channels or shot.good:
            tally.add(scores, channels, shot.label, name=f"score map {name}")
            if folders:
                by_folder.add(scores, channels, folders[name], name=f"score map {name}")
            seen[name] = _ScoreRange(float(scores.min()), float(scores.max()))
        progress(done, len(given.shots))
    if not any(not given.shots[name].good for name in seen):
        raise MaskError(f"all {len(given.shots) - len(seen)} masks are empty; draw the defects, 0 is normal")
    return tally.compute(), loco_means(by_folder.compute().per_label) if folders else {}, seen


def _read(given: _MapTestSet, shot: Shot, path: Path) -> Floats:
    source = shot.image if given.photos else next(iter(shot.masks), None)
    return read_photos_map(path, shot.name, source if isinstance(source, Path) else None)


def _by_defect(given: _MapTestSet) -> bool:
    return any(shot.config is not None or len(shot.masks) > 1 for shot in given.shots.values())


def _notes(given: _MapTestSet, metrics: MapMetrics, unused: Sequence[str], empty: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(shot.label for shot in given.shots.values())
    anomalies = ", ".join(f"{label} {counts[label]}" for label in sorted(metrics.per_label))
    notes = [
        f"{counts[GOOD]} good photos; anomalies: {anomalies}.",
        f"The best pixel F1 is at a score of {metrics.threshold:.6g}.",
    ]
    if not any(shot.config for shot in given.shots.values()):
        what = "mask file" if _by_defect(given) else "connected region of the masks"
        notes.append(f"No defects config: sPRO asks for all of each {what}, as PRO does.")
    if empty:
        notes.append(f"Left out, their masks are empty: {_some(empty)}.")
    if unused:
        notes.append(f"Left out, there is no such test photo: score maps {_some(unused)}.")
    return tuple(notes)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _pictures(
    given: _MapTestSet,
    paired: Mapping[str, Path],
    threshold: float,
    seen: Mapping[str, _ScoreRange],
    cancelled: Callable[[], bool],
) -> tuple[Picture, ...]:
    """The anomalies found worst and best, and the good photos with the largest false alarms, all on one scale."""
    marks: dict[str, float] = {}
    for name, shot in given.shots.items():
        if cancelled():
            raise Cancelled("stopped; nothing was written")
        marks[name] = _picture_score(read_score_map(paired[name], name), shot, threshold)
    bad = sorted((name for name, shot in given.shots.items() if not shot.good), key=lambda n: marks[n])
    good = sorted((name for name, shot in given.shots.items() if shot.good), key=lambda n: -marks[n])
    worst = bad[:SHOWN]
    best = [name for name in reversed(bad) if name not in worst][:SHOWN]
    alarms = [name for name in good[: SHOWN // 2] if marks[name] > 0]
    low = median(s.low for s in seen.values())
    high = max(median(seen[name].high for name in bad), threshold)
    shown = [("worst", n) for n in worst] + [("best", n) for n in best] + [("alarm", n) for n in alarms]
    return tuple(
        Picture(
            f"{what}-{number}",
            _caption(what, name, marks[name]),
            _heat(given, given.shots[name], paired[name], (low, high)),
        )
        for number, (what, name) in enumerate(shown, 1)
    )


def _picture_score(scores: Floats, shot: Shot, threshold: float) -> float:
    """Overlap (intersection over union) of the pixels at or above ``threshold`` with the mask; of a good photo the
    share of its pixels there."""
    hot = scores >= threshold
    if shot.good:
        return float(hot.mean())
    mask = shot.mask((scores.shape[0], scores.shape[1]))
    return float((hot & mask).sum() / (hot | mask).sum())


def _caption(what: str, name: str, mark: float) -> str:
    if what == "alarm":
        return f"{name}: false alarm on {mark:.1%} of a good photo"
    return f"{name}: {'worst' if what == 'worst' else 'best'} found, overlap {mark:.2f} at the best F1's threshold"


def _heat(given: _MapTestSet, shot: Shot, path: Path, limits: tuple[float, float]) -> bytes:
    scores = read_score_map(path, shot.name)
    if given.photos:
        return heat_panel(shot.read(), shot.mask, scores, limits)
    level = np.clip((scores - limits[0]) / max(limits[1] - limits[0], 1e-12), 0, 1)
    return heat_panel(
        np.repeat(np.rint(level * 255).astype(np.uint8)[..., None], 3, axis=2), shot.mask, scores, limits
    )
