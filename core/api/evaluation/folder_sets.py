"""What an evaluation of folders learns from and is tested on, and what was learned of the test set before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from core.api.evaluation.specs import EvalSets, EvalSpec, build_eval_sets, examples_behind, pairs_to_evaluate
from core.errors import InputError
from core.evaluation.photo_sets import Shot, labelled_as_imported, read_photo_set
from core.evaluation.results import ResultKind
from core.evaluation.seen_photos import seen_by_file
from core.images.depth import DepthScales
from core.store import Project, SplitRule


def folder_sets(
    train: Path, test: Path | None, kind: ResultKind, split: str | None = None, split_seed: int | None = None
) -> EvalSets:
    """The sets of ``launch.py evaluate``; see FolderTraining for its arguments. InputError in one line."""
    if split_seed is not None and split is None:
        raise InputError("--split-seed: it belongs to --split; say which share was learned from, as --split 1/3")
    rule = SplitRule.parse(split, split_seed) if split else None
    if test is None:
        return _own_sets(train, kind, rule)
    if rule and _is_project(test):
        raise InputError(
            f"--split: {test} is a project, which has a split of its own; set it with new, learn or without --test"
        )
    needed = kind != "classification"
    taught = read_photo_set(train, "train", masks=needed, normals=needed)
    asked = read_photo_set(test, "test", masks=needed, normals=needed, scales=_scales_of(train, taught))
    learned, good, renamed = _behind(train, taught)
    if kind == "classification":
        taught, asked = labelled_as_imported(taught, renamed), labelled_as_imported(asked, renamed)
    notes: tuple[str, ...] = ()
    if rule is not None:
        asked, gone = _without_learned(asked, rule)
        notes = (f"Of the test set {rule}: {gone} anomalies are not tested.",)
    chosen = EvalSets(tuple(taught), tuple(asked), (), learned, good, notes)
    # Of a dataset the very files that it trains on are refused by the evaluation itself.
    return chosen.without(seen_by_file(chosen.test, learned)) if _is_project(train) else chosen


def _is_project(path: Path) -> bool:
    return (path.expanduser() / "project.db").is_file()


def _scales_of(train: Path, taught: Sequence[Shot]) -> DepthScales:
    """The scale of what was learned from, for the test photos too."""
    if not _is_project(train):
        return taught[0].scales
    with Project.open(train) as project:
        return project.depth_scales()


def _own_sets(train: Path, kind: ResultKind, rule: SplitRule | None) -> EvalSets:
    if not _is_project(train):
        raise InputError(f"{train}: give --test, the real anomalies to test on; only a project has some of its own")
    with Project.open(train) as project:
        if rule is not None:
            project.set_split(rule)
        return build_eval_sets(project, EvalSpec(kind))


def _behind(train: Path, taught: Sequence[Shot]) -> tuple[tuple[Shot, ...], tuple[Shot, ...], dict[str, str]]:
    """What was learned from to make ``train``, its good photos, and labels that were renamed in it, old to new.

    Of a project, the real anomalies behind its pairs; of a dataset, the anomalies that it trains on, since nothing
    says where they come from.
    """
    good = tuple(shot for shot in taught if shot.good)
    if not _is_project(train):
        return tuple(shot for shot in taught if not shot.good), good, {}
    with Project.open(train) as project:
        return examples_behind(project, pairs_to_evaluate(project)[0]), good, project.renamed_labels()


def _without_learned(test: Sequence[Shot], rule: SplitRule) -> tuple[list[Shot], int]:
    """``test`` without the anomalies that ``rule`` learns from, and how many these are; InputError if none remain."""
    names: dict[str, list[str]] = defaultdict(list)
    for shot in test:
        if not shot.good:
            names[shot.label].append(shot.name)
    learned = {(label, name) for label, all in names.items() for name in rule.learned(all, label)}
    rest = [shot for shot in test if shot.good or (shot.label, shot.name) not in learned]
    if all(shot.good for shot in rest):
        raise InputError(f"--split {rule.share}: no anomaly of the test set remains to test on")
    return rest, len(test) - len(rest)
