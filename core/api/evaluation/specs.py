"""What an evaluation in a project is made of: which pairs teach, which photos judge, and what to say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.engines.registry import engines
from core.errors import InputError
from core.evaluation.photo_sets import Shot, Split, labelled_as_imported, read_photo_set
from core.evaluation.results import ResultKind
from core.store import NormalRow, Project, SampleFilter, SampleRow
from core.training.checkpoints import Concept, list_concepts
from core.types import GOOD, Recipe, ReviewStatus

HELD_OUT = 0.2
"""Share of the good photos that test instead of teach when the project judges itself."""
MIN_UNSEEN = 5
"""Real anomalies that no pair was made from, from which on only they are tested."""


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

    ``notes`` and ``warnings`` go into the result; a warning says why its numbers are not to be trusted.
    """

    train: tuple[Shot, ...]
    test: tuple[Shot, ...]
    pairs: tuple[SampleRow, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

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
    kept = project.samples(SampleFilter(verdict=ReviewStatus.KEPT, engine=engine or None))
    if kept:
        return kept, []
    new = project.samples(SampleFilter(verdict=ReviewStatus.NEW, engine=engine or None))
    reviewed = any(project.count_samples(SampleFilter(verdict=v)) for v in (ReviewStatus.KEPT, ReviewStatus.REJECTED))
    if new and not reviewed:
        return new, [f"Nothing was reviewed yet: all {len(new)} new pairs were taken."]
    whose = f" by {engine}" if engine else ""
    if new:
        raise InputError(f"no pair{whose} is kept, {len(new)} wait in Review: keep some there first")
    raise InputError(f"there are no pairs{whose} yet: make some in Studio, then keep the good ones in Review")


def real_anomalies(project: Project, against: Path | None) -> list[Shot]:
    """Real anomalies to compare with; InputError without any."""
    if against is not None:
        # Of another project, what is real is what was imported into it.
        split: Split = "test" if (against / "project.db").is_file() else "all"
        shots = [shot for shot in read_photo_set(against, split, normals=False) if not shot.good]
        return labelled_as_imported(shots, project.renamed_labels())
    shots = [Shot(f"{r.label}/{Path(r.name).stem}", r.path, r.label, r.mask_paths) for r in project.examples()]
    if not shots:
        raise InputError("the project has no real anomalies: import some in Product, or choose a folder of them")
    return shots


def build_eval_sets(project: Project, trial: EvalSpec) -> EvalSets:
    """Shots of a trial that trains a detector or a classifier; InputError says what is missing."""
    pairs, notes = pairs_to_evaluate(project, trial.engine)
    if trial.kind == "classification":
        return _classification_sets(project, trial, pairs, notes)
    normals = project.normals()
    if trial.against is not None:
        test = labelled_as_imported(read_photo_set(trial.against, "test"), project.renamed_labels())
        return EvalSets(_training_shots(pairs, normals), tuple(test), tuple(pairs), tuple(notes))
    if len(normals) < 2:
        raise InputError(
            f"the project has {len(normals)} photos of good parts: one to learn from and one to test on are needed"
        )
    held = _held_out_ids(normals, pairs)
    taught = [p for p in pairs if p.normal_id not in held]
    if not taught:
        raise InputError("every pair lies on a photo that is needed for the test: make pairs on more photos")
    rest = [n for n in normals if n.id not in held]
    notes.append(
        f"{len(held)} of {len(normals)} good photos were held out for the test"
        + (f", with the {len(pairs) - len(taught)} pairs made on them." if len(taught) < len(pairs) else ".")
    )
    anomalies, note, warning = _test_anomalies(project, taught)
    good = [_good_shot(n) for n in normals if n.id in held]
    return EvalSets(_training_shots(taught, rest), (*good, *anomalies), tuple(taught), (*notes, *note), warning)


def _classification_sets(project: Project, trial: EvalSpec, pairs: list[SampleRow], notes: list[str]) -> EvalSets:
    """Anomalies only, and of the real ones only those whose label was learned."""
    if trial.against is None:
        real = real_anomalies(project, None)
    else:
        shots = [s for s in read_photo_set(trial.against, "test", masks=False, normals=False) if not s.good]
        real = labelled_as_imported(shots, project.renamed_labels())
    learned, asked = {p.label for p in pairs}, {s.label for s in real}
    if len(learned) < 2 or not learned & asked:
        raise InputError(
            f"classification: expected pairs of two labels or more that real anomalies have too; the pairs are "
            f"{_joined(learned)}, the real anomalies {_joined(asked)}"
        )
    if strange := asked - learned:
        notes = [*notes, f"Not tested, for no pair has this label: {_joined(strange)}."]
    if trial.against is None:
        test, note, warning = _test_anomalies(project, pairs, learned)
        return EvalSets(_training_shots(pairs, ()), tuple(test), tuple(pairs), (*notes, *note), warning)
    return EvalSets(
        _training_shots(pairs, ()), tuple(s for s in real if s.label in learned), tuple(pairs), tuple(notes)
    )


def _test_anomalies(
    project: Project, pairs: Sequence[SampleRow], labels: Container[str] | None = None
) -> tuple[list[Shot], tuple[str, ...], tuple[str, ...]]:
    """Imported anomalies (of ``labels``) to test on, with a note or a warning.

    Those that pairs were made from, or that their concepts learned from, are left out if enough remain.
    """
    real = zip(real_anomalies(project, None), project.examples(), strict=True)
    known = [(shot, row.id) for shot, row in real if labels is None or row.label in labels]
    anomalies = [shot for shot, _ in known]
    lent, borrowing = example_ids_behind(pairs, project.path / "concepts")
    fresh = [shot for shot, id in known if id not in lent]
    if MIN_UNSEEN <= len(fresh) < len(anomalies):
        gone = len(anomalies) - len(fresh)
        return fresh, (f"{gone} imported anomalies that pairs were made or learned from are not tested.",), ()
    if not lent:
        return anomalies, (), ()
    warning = (
        f"Flattered: {borrowing} of {len(pairs)} pairs were made or learned from imported anomalies that are "
        "tested here too. "
        "Test on a folder of other real anomalies."
    )
    return anomalies, (), (warning,)


def _joined(labels: set[str]) -> str:
    return ", ".join(sorted(labels)) or "none"


def run_title(pairs: Sequence[SampleRow], against: Path | None) -> str:
    """A name for a run on these pairs."""
    made = ", ".join(f"{n} {name}" for name, n in Counter(p.engine for p in pairs).most_common())
    where = against.name if against else "imported anomalies"
    return f"{made} → {where}"


def _training_shots(pairs: Sequence[SampleRow], normals: Sequence[NormalRow]) -> tuple[Shot, ...]:
    made = (Shot(f"{p.label}/{p.id}", p.image_path, p.label, p.instance_paths or (p.mask_path,)) for p in pairs)
    return (*map(_good_shot, normals), *made)


def _good_shot(row: NormalRow) -> Shot:
    return Shot(f"{GOOD}/{Path(row.name).stem}", row.path, GOOD)


def _held_out_ids(normals: Sequence[NormalRow], pairs: Sequence[SampleRow]) -> set[str]:
    """Ids of the photos to test on: those that the fewest pairs were made on, the later ones first."""
    used = Counter(p.normal_id for p in pairs)
    order = sorted(range(len(normals)), key=lambda i: (used[normals[i].id], -i))
    return {normals[i].id for i in order[: max(1, round(HELD_OUT * len(normals)))]}


def example_ids_behind(pairs: Sequence[SampleRow], concepts: Path) -> tuple[set[str], int]:
    """Ids of the real anomalies that pairs hold pixels of or that their concepts learned from, and how many pairs
    have some behind them. ``concepts`` is the folder of the project's concepts."""
    cards = engines()
    learned = {one.id: _examples_of(one) for one in list_concepts(concepts)}
    behind: set[str] = set()
    count = 0
    for pair in pairs:
        recipe = Recipe.from_json(pair.recipe_json)
        known = cards.get(recipe.engine)
        own = set(learned.get(str(recipe.params.get("concept", "")), ()))
        if recipe.example_ids and known is not None and known.copies_examples(recipe.params):
            own |= set(recipe.example_ids)
        behind |= own
        count += bool(own)
    return behind, count


def _examples_of(concept: Concept) -> set[str]:
    """Ids of the anomalies a concept learned from; one of several defects of a photo, ``<id>#2``, is its photo's."""
    return {id.partition("#")[0] for ids in concept.config.examples.values() for id in ids}
