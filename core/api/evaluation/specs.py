"""What an evaluation in a project is made of: which pairs teach, which photos judge, and what to say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.api.verdict_to_use import verdict_to_use
from core.device import numpy_rng
from core.errors import InputError
from core.evaluation.photo_sets import Shot, Split, labelled_as_imported, read_photo_set, with_regions
from core.evaluation.results import ResultKind
from core.evaluation.seen_photos import (
    SeenPhoto,
    flattered_reference,
    seen_anomalies,
    seen_by_file,
    seen_by_look,
    unseen_test,
)
from core.jobs.pair_sources import example_ids_behind
from core.store import ExampleRow, NormalRow, Project, SampleFilter, SampleRow
from core.types import GOOD, ReviewStatus

HELD_OUT = 0.2
"""Share of the good photos that test instead of teach when the project judges itself."""


CALIBRATION_SHARE = 1 / 3
"""Share of the good photos that calibrates a detector instead of teaching it."""
FEW_PAIRS = 10
"""Pairs on held-out photos below which the others are scored too."""


@dataclass(frozen=True)
class EvalSpec:
    """One evaluation to run.

    ``against`` is a folder of real anomalies, None for those imported into the project. ``engine`` narrows the
    pairs to one engine's, "" takes all. ``trainings`` is how many seeds a detector is trained with.
    """

    kind: ResultKind
    name: str = ""
    against: Path | None = None
    engine: str = ""
    detector: str = "unet"
    preset: str = "cpu"
    trainings: int = 1
    scores: Path | None = None
    masks: Path | None = None
    defects_config: Path | None = None


@dataclass(frozen=True)
class EvalSets:
    """Shots to teach and to test with; ``pairs`` are the samples among ``train``.

    ``learned`` are the real anomalies behind the pairs, ``good`` the project's photos of good parts. ``notes`` and
    ``warnings`` go into the result; a warning says why its numbers are not to be trusted.
    """

    train: tuple[Shot, ...]
    test: tuple[Shot, ...]
    pairs: tuple[SampleRow, ...]
    learned: tuple[Shot, ...] = ()
    good: tuple[Shot, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def without(self, seen: Sequence[SeenPhoto]) -> EvalSets:
        """The sets with the test photos that were ``seen`` left out, or with a warning."""
        rest = unseen_test(self.test, seen)
        return replace(
            self, test=rest.shots, notes=(*self.notes, *rest.notes), warnings=(*self.warnings, *rest.warnings)
        )

    def checked_by_look(self, check: Callable[[], None]) -> EvalSets:
        """The sets without test photos that look like what was learned from. ``check`` may raise, between photos."""
        if not self.learned:
            return self
        known = seen_by_file(self.test, self.learned)  # of these, a preview has told already
        files = {id(one.shot) for one in known}
        rest = [shot for shot in self.test if id(shot) not in files]
        return self.without(seen_by_look(rest, self.learned, self.good, check))

    def facts(self) -> dict[str, str]:
        """What learns from and is tested on how many photos, in words."""
        taught, tested = (sum(shot.good for shot in shots) for shots in (self.train, self.test))
        goods = [f", {good:,} good photos" if good else "" for good in (taught, tested)]
        return {
            "Learns from": f"{len(self.pairs):,} pairs{goods[0]}",
            "Tested on": f"{len(self.test) - tested:,} real anomalies{goods[1]}",
        }


def pairs_to_evaluate(project: Project, engine: str = "") -> tuple[list[SampleRow], list[str]]:
    """The pairs an evaluation takes, with a note if they were not reviewed; InputError without any.

    Kept ones; as long as nothing at all was reviewed, all of them, as an export does.
    """
    verdict = verdict_to_use(project)
    pairs = project.samples(SampleFilter(verdict=verdict, engine=engine or None))
    if pairs:
        new = verdict is ReviewStatus.NEW
        return pairs, [f"Nothing was reviewed yet: all {len(pairs)} new pairs were taken."] if new else []
    whose = f" by {engine}" if engine else ""
    waiting = project.count_samples(SampleFilter(verdict=ReviewStatus.NEW, engine=engine or None))
    if waiting:
        raise InputError(f"no pair{whose} is kept, {waiting} wait in Review: keep some there first")
    raise InputError(f"there are no pairs{whose} yet: make some in Studio, then keep the good ones in Review")


def real_anomalies(project: Project, against: Path | None) -> list[Shot]:
    """Real anomalies to compare with, of the project those that its split keeps for it; InputError without any."""
    if against is not None:
        # Of another project, what is real is what was imported into it.
        split: Split = "test" if (against / "project.db").is_file() else "all"
        shots = [
            shot
            for shot in read_photo_set(against, split, normals=False, scales=project.depth_scales())
            if not shot.good
        ]
        return labelled_as_imported(shots, project.renamed_labels())
    shots = [_example_shot(row) for row in project.examples(part="test")]
    if not shots:
        kept = "; its split keeps none for the test" if project.examples() else ""
        raise InputError(
            f"the project has no real anomalies{kept}: import some in Product, or choose a folder of them"
        )
    return shots


def examples_behind(project: Project, pairs: Sequence[SampleRow]) -> tuple[Shot, ...]:
    """The project's real anomalies that pairs were made from or that their concepts learned from."""
    behind = example_ids_behind(pairs, project.path / "concepts")
    return tuple(_example_shot(row) for row in project.examples() if row.id in behind)


def learnable_anomalies(project: Project) -> list[Shot]:
    """The real anomalies that engines may learn from."""
    return [_example_shot(row) for row in project.examples(part="learn")]


def learned_reference_warnings(
    project: Project,
    pairs: Sequence[SampleRow],
    real: Sequence[Shot],
    by_look: bool = False,
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """A warning where ``pairs`` are compared with real anomalies that they were made or learned from.

    Copies are found by file, and with ``by_look`` also where they only look the same, which takes seconds; ``check``
    may raise meanwhile.
    """
    learned = examples_behind(project, pairs)
    if not by_look:
        return flattered_reference(real, seen_by_file(real, learned))
    good = [_good_shot(row) for row in project.normals()]
    return flattered_reference(real, seen_anomalies(real, learned, good, check))


def _example_shot(row: ExampleRow) -> Shot:
    return Shot(f"{row.label}/{Path(row.name).stem}", row.path, row.label, row.mask_paths)


def build_eval_sets(project: Project, trial: EvalSpec) -> EvalSets:
    """Shots of a trial that trains a detector or a classifier; InputError says what is missing.

    Test photos whose file the pairs or their concepts were made from are left out where enough others remain;
    ``checked_by_look`` finds those that only look the same.
    """
    pairs, notes = pairs_to_evaluate(project, trial.engine)
    if trial.kind == "classification":
        chosen = _classification_sets(project, trial, pairs)
    elif trial.against is not None:
        shots = read_photo_set(trial.against, "test", scales=project.depth_scales())
        test = labelled_as_imported(shots, project.renamed_labels())
        chosen = EvalSets(_training_shots(pairs, project.normals()), tuple(test), tuple(pairs))
    else:
        chosen = _held_out_sets(project, pairs)
    learned = examples_behind(project, chosen.pairs)
    good = tuple(map(_good_shot, project.normals()))
    # The working copies have 8 bits; the scale is that of photos that the trained detector is shown later.
    scales = project.depth_scales()
    train = tuple(replace(shot, scales=scales) for shot in with_regions(project, chosen.train))
    chosen = replace(chosen, train=train, learned=learned, good=good, notes=(*notes, *chosen.notes))
    return chosen.without(seen_by_file(chosen.test, learned))


def calibration_sets(project: Project, engine: str, needs_pairs: bool) -> tuple[EvalSets, tuple[Shot, ...]]:
    """Sets that calibrate a detector, and the pairs to calibrate on; InputError says what is missing.

    A third of the good photos, drawn at random, teaches nothing and is scored, with the pairs made on them; the real
    anomalies that may test are scored too. Where a detector learns from good photos alone and there are few pairs on
    the held-out ones, all pairs are scored, with a warning.
    """
    pairs, notes = pairs_to_evaluate(project, engine)
    normals = project.normals()
    if len(normals) < 4:
        raise InputError(
            f"calibration: the project has {len(normals)} photos of good parts, and 4 at least are needed: "
            "a third of them is scored, and the others teach the detector"
        )
    order = numpy_rng(0, "calibration").permutation(len(normals))
    held = {normals[i].id for i in order[: max(2, round(CALIBRATION_SHARE * len(normals)))]}
    apart = [p for p in pairs if p.normal_id in held]
    taught = [p for p in pairs if p.normal_id not in held] if needs_pairs else []
    warnings: tuple[str, ...] = ()
    if len(apart) < FEW_PAIRS and not needs_pairs and len(pairs) > len(apart):
        said = f"Only {len(apart)} pairs lie on photos that the detector has not learned from: all {len(pairs)} were"
        apart, warnings = pairs, (f"{said} scored. Make more pairs.",)
    real = [_example_shot(row) for row in project.examples(part="test")]
    good = [_good_shot(n) for n in normals if n.id in held]
    train = with_regions(project, _training_shots(taught, [n for n in normals if n.id not in held]))
    notes = [
        *notes,
        f"{len(held)} of {len(normals)} good photos were held out.",
        *(_split_note(project) if real else ()),
    ]
    learned = examples_behind(project, pairs)
    sets = EvalSets(
        train, (*good, *real), tuple(apart), learned, tuple(map(_good_shot, normals)), tuple(notes), warnings
    )
    return sets.without(seen_by_file(sets.test, learned)), _training_shots(apart, ())


def _held_out_sets(project: Project, pairs: list[SampleRow]) -> EvalSets:
    """The project judged by itself: on its real anomalies, and on some good photos, which then teach nothing."""
    normals = project.normals()
    if len(normals) < 2:
        raise InputError(
            f"the project has {len(normals)} photos of good parts: one to learn from and one to test on are needed"
        )
    held = _held_out_ids(normals, pairs)
    taught = [p for p in pairs if p.normal_id not in held]
    if not taught:
        raise InputError("every pair lies on a photo that is needed for the test: make pairs on more photos")
    note = (
        f"{len(held)} of {len(normals)} good photos were held out for the test"
        + (f", with the {len(pairs) - len(taught)} pairs made on them." if len(taught) < len(pairs) else ".")
    )  # fmt: skip
    rest = [n for n in normals if n.id not in held]
    good = [_good_shot(n) for n in normals if n.id in held]
    test = (*good, *real_anomalies(project, None))
    return EvalSets(_training_shots(taught, rest), test, tuple(taught), notes=(note, *_split_note(project)))


def _classification_sets(project: Project, trial: EvalSpec, pairs: list[SampleRow]) -> EvalSets:
    """Anomalies only, and of the real ones only those whose label was learned."""
    if trial.against is None:
        real, notes = real_anomalies(project, None), _split_note(project)
    else:
        given = read_photo_set(trial.against, "test", masks=False, normals=False, scales=project.depth_scales())
        shots = [s for s in given if not s.good]
        real, notes = labelled_as_imported(shots, project.renamed_labels()), ()
    learned, asked = {p.label for p in pairs}, {s.label for s in real}
    if len(learned) < 2 or not learned & asked:
        raise InputError(
            f"classification: expected pairs of two labels or more that real anomalies have too; the pairs are "
            f"{_joined(learned)}, the real anomalies {_joined(asked)}"
        )
    if strange := asked - learned:
        notes = (*notes, f"Not tested, for no pair has this label: {_joined(strange)}.")
    test = tuple(s for s in real if s.label in learned)
    return EvalSets(_training_shots(pairs, ()), test, tuple(pairs), notes=notes)


def _split_note(project: Project) -> tuple[str, ...]:
    split = project.example_split()
    return () if split is None else (f"The project's split holds: {split.rule}; the rest is tested.",)


def _joined(labels: set[str]) -> str:
    return ", ".join(sorted(labels)) or "none"


def run_title(pairs: Sequence[SampleRow], against: Path | None) -> str:
    """A name for a run on these pairs."""
    made = ", ".join(f"{n} {name}" for name, n in Counter(p.engine for p in pairs).most_common())
    where = against.name if against else "imported anomalies"
    return f"{made} → {where}"


def _training_shots(pairs: Sequence[SampleRow], normals: Sequence[NormalRow]) -> tuple[Shot, ...]:
    made = (
        Shot(f"{p.label}/{p.id}", p.image_path, p.label, p.instance_paths or (p.mask_path,), soft=p.attention_path)
        for p in pairs
    )
    return (*map(_good_shot, normals), *made)


def _good_shot(row: NormalRow) -> Shot:
    return Shot(f"{GOOD}/{Path(row.name).stem}", row.path, GOOD)


def _held_out_ids(normals: Sequence[NormalRow], pairs: Sequence[SampleRow]) -> set[str]:
    """Ids of the photos to test on: those that the fewest pairs were made on, the later ones first."""
    used = Counter(p.normal_id for p in pairs)
    order = sorted(range(len(normals)), key=lambda i: (used[normals[i].id], -i))
    return {normals[i].id for i in order[: max(1, round(HELD_OUT * len(normals)))]}
