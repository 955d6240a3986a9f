"""Which photos teach, guide and judge; and that none does two of it, by file or by look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.device import numpy_rng
from core.errors import InputError
from core.evaluation.photo_sets import Shot, photo_digest
from core.evaluation.seen_photos import photo_patterns, seen_anomalies
from core.loop.loop_photos import good_shot, real_shot
from core.loop.loop_state import LoopSplit
from core.quality.photo_copies import RESAVED, SAME_PHOTO, find_copies
from core.store import Project

HELD_OUT = 0.2
"""Share of the good photos that guides, and again that judges."""
LEAST_GOOD = 6
_NEARER = 0.5
"""Two good photos show one part where they differ by less than half of what two photos usually do."""

Check = Callable[[], None]


def split_photos(project: Project, seed: int, check: Check = lambda: None) -> LoopSplit:
    """The project's photos in three parts. The learning anomalies are those of the project's own split; of the others
    half guide and half judge. Photos that show the same part stay together.

    InputError where photos are missing, or where one that judges is among those that teach.
    """
    normals, learn = project.normals(), project.examples(part="learn")
    kept = project.examples(part="test")
    if project.example_split() is None:
        raise InputError(
            "loop: the project has no split, so that every real anomaly may be learned from; set one: --split 1/3"
        )
    if len(normals) < LEAST_GOOD:
        raise InputError(f"loop: expected {LEAST_GOOD} photos of good parts or more, got {len(normals)}; import some")
    good = {row.id: good_shot(row) for row in normals}
    real = {row.id: real_shot(row) for row in kept}
    check_good_are_good(list(good.values()), list(real.values()), check)
    real, notes = _unseen(real, [real_shot(row) for row in learn], list(good.values()), check)
    guides, judges = _halved(real, list(good.values()), seed, check)
    parts = _good_parts(good, seed, check)
    taught = tuple(row.id for row in learn)
    notes = (*notes, _counted(guides, judges))
    return LoopSplit(parts[0], taught, parts[1], guides, parts[2], judges, notes)


def check_good_are_good(good: Sequence[Shot], bad: Sequence[Shot], check: Check = lambda: None) -> None:
    """InputError, naming the first, where a photo of an anomaly lies among the good ones, by file or by look."""
    known = {photo_digest(shot): shot.name for shot in good}
    found = [(shot.name, known[d]) for shot in bad if (d := photo_digest(shot)) in known]
    if not found:
        found = _alike(bad, good, check)
    if found:
        raise InputError(
            f"leak: {len(found)} real anomalies that are kept for the test lie among the photos of good parts (first: "
            f"{found[0][0]}, as {found[0][1]}); remove those from the good photos"
        )


def check_sources(behind: Iterable[str], split: LoopSplit, what: str) -> None:
    """InputError where pairs were made from an anomaly that guides or judges. ``behind`` are ids of anomalies."""
    leaked = sorted(set(behind) & {*split.validation_real, *split.test_real})
    if leaked:
        raise InputError(
            f"leak: {what} {len(leaked)} real anomalies that are kept for the test (first: {leaked[0]}); "
            "reject those pairs in Review, or take them out of the bank"
        )


def _alike(bad: Sequence[Shot], good: Sequence[Shot], check: Check) -> list[tuple[str, str]]:
    """Pairs (anomaly, good photo) that are the same photo saved anew: alike as only copies are, and so much nearer
    than any other good photo as two photos of one part never are."""
    ours, theirs = ([(s.name, p.pattern.ravel()) for s, p in photo_patterns(shots, check)] for shots in (bad, good))
    if not ours or not theirs:
        return []
    likeness = np.stack([p for _, p in ours]) @ np.stack([p for _, p in theirs]).T
    found = []
    for row, (name, _) in zip(likeness, ours, strict=True):
        best = int(row.argmax())
        usual = float(np.median(row)) if len(row) > 2 else 0.0
        if row[best] >= RESAVED and 1 - row[best] <= _NEARER * (1 - usual):
            found.append((name, theirs[best][0]))
    return found


def _unseen(
    real: Mapping[str, Shot], learned: Sequence[Shot], good: Sequence[Shot], check: Check
) -> tuple[dict[str, Shot], tuple[str, ...]]:
    """The anomalies that show nothing that teaches, and a note on the others."""
    seen = {id(one.shot): one for one in seen_anomalies(list(real.values()), learned, good, check)}
    rest = {key: shot for key, shot in real.items() if id(shot) not in seen}
    if not seen:
        return rest, ()
    first = next(iter(seen.values()))
    how = "is the same file as" if first.same_file else "looks like"
    said = f"{len(seen)} real anomalies neither guide nor judge, for they were learned from: {first.shot.name} {how} "
    return rest, (said + first.learned + (f", and {len(seen) - 1} more." if len(seen) > 1 else "."),)


def _halved(
    real: Mapping[str, Shot], good: Sequence[Shot], seed: int, check: Check
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids that guide and ids that judge: of each label one by one in a drawn order, copies together."""
    groups = _copy_groups(real, good, check)
    order = numpy_rng(seed, "loop", "real").permutation(len(real))
    sides: dict[int, int] = {}
    counts: dict[str, list[int]] = {}
    keys = list(real)
    for key in (keys[i] for i in order):
        own = counts.setdefault(real[key].label, [0, 0])
        side = sides.setdefault(groups[key], 0 if own[0] <= own[1] else 1)
        own[side] += 1
    guides = tuple(key for key in keys if sides[groups[key]] == 0)
    judges = tuple(key for key in keys if sides[groups[key]] == 1)
    if not guides or not judges:
        raise InputError(
            f"loop: expected two real anomalies or more that are not learned from, one to guide and one to judge, got "
            f"{len(real)}; import more, or learn from a smaller share: --split 1/4"
        )
    return guides, judges


def _copy_groups(real: Mapping[str, Shot], good: Sequence[Shot], check: Check) -> dict[str, int]:
    """A number for each photo, the same for photos that show the same part."""
    known = {shot.name: pattern for shot, pattern in photo_patterns(list(real.values()), check)}
    plain = [p for _, p in photo_patterns(good[:: max(1, len(good) // 16)][:16], check)]
    keys, groups = list(real), {key: i for i, key in enumerate(real)}
    for place, key in enumerate(keys):
        before = [k for k in keys[:place] if real[k].name in known]
        if real[key].name not in known or not before:
            continue
        found = find_copies([known[real[key].name]], [known[real[k].name] for k in before], plain, check)[0]
        if found is not None:
            groups[key] = groups[before[found]]
    return groups


def _good_parts(good: Mapping[str, Shot], seed: int, check: Check) -> list[tuple[str, ...]]:
    """Ids that teach, guide and judge; photos of one part together."""
    keys = list(good)
    groups = _look_groups([p.pattern.ravel() for _, p in photo_patterns(list(good.values()), check)], len(keys))
    wanted = max(1, round(HELD_OUT * len(keys)))
    order = list(dict.fromkeys(int(groups[i]) for i in numpy_rng(seed, "loop", "good").permutation(len(keys))))
    part_of: dict[int, int] = {}
    counts = [0, 0, 0]
    for group in order:
        side = 1 if counts[1] < wanted else 2 if counts[2] < wanted else 0
        part_of[group] = side
        counts[side] += int((groups == group).sum())
    if not all(counts):
        raise InputError(
            "loop: all photos of good parts show one part, and a part that teaches cannot judge; import other parts"
        )
    return [tuple(k for k, g in zip(keys, groups, strict=True) if part_of[int(g)] == side) for side in range(3)]


def _look_groups(patterns: Sequence[npt.NDArray[np.float32]], count: int) -> npt.NDArray[np.int64]:
    """A number for each good photo, the same for photos of one part; each its own where some cannot be read."""
    groups = np.arange(count)
    if len(patterns) != count or count < 3:
        return groups
    likeness = np.stack(patterns) @ np.stack(patterns).T
    usual = np.median(likeness, axis=1)
    near = (likeness >= SAME_PHOTO) & (1 - likeness <= _NEARER * (1 - usual[:, None]))
    for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        groups[groups == groups[j]] = groups[i]
    return groups


def _counted(guides: Sequence[str], judges: Sequence[str]) -> str:
    return f"{len(guides)} real anomalies guide the loop, {len(judges)} others judge it and guide nothing."
