"""Photos with a detector's scores: of one that is trained here, or from the score maps that any detector wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.errors import InputError
from core.evaluation.calibration import CalibrationPhoto, PhotoSource
from core.evaluation.detectors.api import Detector, TrainContext, TrainedDetector
from core.evaluation.localization import EVALUATION_SIDE
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.pixel_levels import PixelLevels
from core.evaluation.score_map_files import find_score_maps, match_maps, read_photos_map
from core.evaluation.test_set import BATCH_SIZE
from core.evaluation.training.batches import fit_mask
from core.images.geometry import resized
from core.progress import Steps, unwatched


def train_detector(
    chosen: Detector,
    preset: str,
    train: Sequence[Shot],
    ctx: TrainContext,
    changes: Mapping[str, object] | None = None,
) -> TrainedDetector:
    """A detector trained on good photos and, where it needs them, on pairs; ``changes`` are values of the preset."""
    params = chosen.Params.preset(preset, changes)
    return chosen.fit([s for s in train if s.good or chosen.needs_pairs], params, ctx)


def score_shots(
    chosen: Detector,
    fitted: TrainedDetector,
    shots: Sequence[Shot],
    source: PhotoSource,
    ctx: TrainContext,
    origins: Mapping[str, tuple[str, str]] | None = None,
) -> list[CalibrationPhoto]:
    """Each shot's scores, judged at 256x256 as evaluations are. ``origins`` tell of a pair, by its shot's name, the
    engine and the photo it was made on."""
    found = []
    for start in range(0, len(shots), BATCH_SIZE):
        ctx.check()
        some = shots[start : start + BATCH_SIZE]
        images = [shot.read() for shot in some]
        for shot, image, scores in zip(some, images, fitted.score(images), strict=True):
            judged = resized(scores, (EVALUATION_SIDE, EVALUATION_SIDE), "linear")
            shape = (image.shape[0], image.shape[1])
            mask = None if shot.good else fit_mask(shot.mask(shape), judged.shape)
            engine, group = (origins or {}).get(shot.name, ("", shot.name))
            score = chosen.image_score(judged)
            found.append(
                CalibrationPhoto(shot.name, shot.label, source, score, PixelLevels.of(judged, mask), group, engine)
            )
        ctx.progress(start + len(some), len(shots), None, "scoring")
    return found


def scores_from_files(
    maps: Path,
    masks: Path,
    anomalies: PhotoSource,
    progress: Steps = unwatched,
    check: Callable[[], None] = lambda: None,
) -> list[CalibrationPhoto]:
    """The score maps under ``maps`` (see score_map_files) of the test set at ``masks``; a photo's score is its map's
    maximum. ``anomalies`` says what those of the set are. InputError, in one line, for maps of another test set."""
    found, shots = find_score_maps(maps), read_photo_set(masks, "test")
    by_name = {shot.name: shot for shot in shots}
    paired, _ = match_maps(found, {name: shot.label for name, shot in by_name.items()}, maps)
    scored = []
    for done, (name, path) in enumerate(paired.items(), 1):
        check()
        shot = by_name[name]
        scores = read_photos_map(path, name, shot.image)
        shape = (scores.shape[0], scores.shape[1])
        levels = PixelLevels.of(scores, None if shot.good else shot.mask(shape))
        source: PhotoSource = "good" if shot.good else anomalies
        scored.append(CalibrationPhoto(name, shot.label, source, float(scores.max()), levels, name))
        progress(done, len(paired))
    if not any(photo.source == anomalies for photo in scored):
        raise InputError(f"{masks}: there is no anomaly in it; give the test set that the score maps belong to")
    return scored
