"""No testing on what was learned from: test photos are compared with what was learned from, by file and by look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import ImageError, MaskError
from core.evaluation.photo_sets import Shot, photo_digest
from core.quality.photo_copies import PhotoPattern, find_copies

MIN_UNSEEN = 5
"""Real anomalies that show nothing that was learned, from which on only they are tested."""
MAX_GOOD = 48
"""Good photos that say how alike two photos of different parts are."""


@dataclass(frozen=True)
class SeenPhoto:
    """A test photo that shows what was learned from. ``learned`` is that photo's name; ``same_file`` says that it is
    the very file, else it looks the same."""

    shot: Shot
    learned: str
    same_file: bool


@dataclass(frozen=True)
class UnseenTest:
    """The photos to test on, with ``notes`` on what was left out and ``warnings`` where that was not possible."""

    shots: tuple[Shot, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def seen_by_file(test: Sequence[Shot], learned: Sequence[Shot]) -> list[SeenPhoto]:
    """The test anomalies whose file, or pixels, was learned from."""
    known = {photo_digest(shot): shot.name for shot in learned}
    anomalies = (shot for shot in test if not shot.good) if known else ()
    return [SeenPhoto(shot, known[digest], True) for shot in anomalies if (digest := photo_digest(shot)) in known]


def seen_by_look(
    test: Sequence[Shot], learned: Sequence[Shot], good: Sequence[Shot], check: Callable[[], None] = lambda: None
) -> list[SeenPhoto]:
    """The test anomalies that look like one that was learned from: the same photo saved, lit or framed otherwise.

    ``good`` photos say how alike photos of different parts are. A photo or mask that cannot be read is passed over.
    ``check`` may raise, between photos.
    """
    asked, theirs = (photo_patterns(shots, check) for shots in ([s for s in test if not s.good], learned))
    if not asked or not theirs:
        return []
    step = max(1, len(good) // MAX_GOOD)
    plain = photo_patterns(good[::step][:MAX_GOOD], check)
    copies = find_copies([p for _, p in asked], [p for _, p in theirs], [p for _, p in plain], check)
    return [
        SeenPhoto(shot, theirs[index][0].name, False)
        for (shot, _), index in zip(asked, copies, strict=True)
        if index is not None
    ]


def seen_anomalies(
    test: Sequence[Shot], learned: Sequence[Shot], good: Sequence[Shot], check: Callable[[], None] = lambda: None
) -> list[SeenPhoto]:
    """The test anomalies that were learned from, by file and, of the rest, by look; see ``seen_by_look``."""
    by_file = seen_by_file(test, learned)
    files = {id(one.shot) for one in by_file}
    return by_file + seen_by_look([shot for shot in test if id(shot) not in files], learned, good, check)


def flattered_reference(real: Sequence[Shot], seen: Sequence[SeenPhoto]) -> tuple[str, ...]:
    """A warning where pairs are compared with ``real`` anomalies of which some were ``seen``."""
    if not seen:
        return ()
    return (
        f"Flattered: {_counted(len(seen), len(real))} learned from, by the pairs or their concepts: {_some(seen)}. "
        "Compare with others, or split them: --split 1/3.",
    )


def unseen_test(test: Sequence[Shot], seen: Sequence[SeenPhoto]) -> UnseenTest:
    """``test`` without the anomalies that were ``seen`` if MIN_UNSEEN others remain; else all, and a warning."""
    if not seen:
        return UnseenTest(tuple(test))
    gone = {id(one.shot) for one in seen}
    fresh = [shot for shot in test if id(shot) not in gone]
    anomalies = sum(not shot.good for shot in test)
    said = f"{_counted(len(gone), anomalies)} learned from, by the pairs or their concepts: {_some(seen)}."
    if len(gone) <= anomalies - MIN_UNSEEN:
        lost = sorted({shot.label for shot in test} - {shot.label for shot in fresh})
        without = f" No test photo of {', '.join(lost)} remains." if lost else ""
        return UnseenTest(tuple(fresh), (f"Not tested: {said}{without}",))
    return UnseenTest(
        tuple(test), (), (f"Flattered: {said} Test on other real anomalies, or split them: --split 1/3.",)
    )


def photo_patterns(shots: Sequence[Shot], check: Callable[[], None]) -> list[tuple[Shot, PhotoPattern]]:
    """The shots that can be read, with what they are compared by. ``check`` may raise, between photos."""
    found = []
    for shot in shots:
        check()
        try:
            image = shot.read()
            mask = shot.mask((image.shape[0], image.shape[1])) if shot.masks else None
        except (ImageError, MaskError):
            continue
        found.append((shot, PhotoPattern.of(image, mask)))
    return found


def _counted(count: int, total: int) -> str:
    return f"{count} of {total} real anomalies {'was' if count == 1 else 'were'}"


def _some(seen: Sequence[SeenPhoto], most: int = 3) -> str:
    how = {True: "the same file as", False: "looks like"}
    named = [f"{one.shot.name} ({how[one.same_file]} {one.learned})" for one in seen[:most]]
    return ", ".join(named) + (f" and {len(seen) - most} more" if len(seen) > most else "")
