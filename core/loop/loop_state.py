"""All that a loop knows, in one file: written whole after every step, so that it goes on wherever it was ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import InputError, NotFound
from core.given_files import MAX_TEXT, read_given
from core.images import atomic_write
from core.loop.contract import LoopContract
from core.loop.gate import LEAST_SEEDS, GateVerdict
from core.loop.seed_scores import SeedScores
from core.stored import StoredFormat, plain_record, read_record

LoopStage = Literal["split", "baseline", "diagnose", "plan", "generate", "review", "retrain", "gate", "end"]
STAGES: tuple[LoopStage, ...] = get_args(LoopStage)
STATE_FILE = "loop.json"
LOOP_FORMAT = StoredFormat("loop")


@dataclass(frozen=True)
class LoopSpec:
    """What a person asks for. ``pairs`` is the budget of pairs that rounds may add, ``minutes`` that of time (0: no
    limit), ``seeds`` how many trainings each comparison has, ``engines`` those to choose from (empty: all that are
    quick), ``unlabelled`` a folder in which look-alikes of what is missed are sought."""

    contract: str
    detector: str = "features"
    preset: str = "cpu"
    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 3
    pairs: int = 200
    minutes: float = 0.0
    seeds: int = 3
    auto: bool = False
    engines: tuple[str, ...] = ()
    unlabelled: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        LoopContract.parse(self.contract)
        for name, least in (("rounds", 1), ("pairs", 1), ("seeds", LEAST_SEEDS), ("minutes", 0)):
            if getattr(self, name) < least:
                raise InputError(f"loop: {name}: expected {least} or more, got {getattr(self, name)}")

    def digest(self) -> str:
        """8 hex digits of all that makes a difference to the result; the loop and its jobs are called by them."""
        plain = {**plain_record(self), "auto": False}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class LoopSplit:
    """Ids of the photos that teach, that guide (``validation``) and that judge (``test``); good parts and real
    anomalies. ``notes`` say what was left out and why."""

    learn_good: tuple[str, ...]
    learn_real: tuple[str, ...]
    validation_good: tuple[str, ...]
    validation_real: tuple[str, ...]
    test_good: tuple[str, ...]
    test_real: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoopTraining:
    """A detector trained with several seeds on the real anomalies, each taken ``repeats`` times, and on pairs; and
    what it says of the photos that guide and that judge."""

    pairs: tuple[str, ...]
    repeats: Mapping[str, int]
    validation: SeedScores
    test: SeedScores


@dataclass(frozen=True)
class DefectFacts:
    """What is known of an anomaly beside its label. ``size`` is its share of the part, ``contrast`` how far it differs
    from its surroundings, both 0..1; ``place`` and ``surroundings`` are words."""

    name: str
    label: str
    size: float
    contrast: float
    place: str
    surroundings: str


@dataclass(frozen=True)
class DefectBin:
    """Anomalies alike in one respect: ``by`` label, size, contrast, place or surroundings; ``missed`` of ``photos``,
    a mean over seeds."""

    by: str
    name: str
    photos: int
    missed: float


@dataclass(frozen=True)
class LoopMiss:
    """An anomaly of the validation photos that is missed in a share of the seeds. A threshold low enough for it
    rejects the share ``needs`` of good parts."""

    facts: DefectFacts
    missed: float
    needs: float


@dataclass(frozen=True)
class FalseAlarm:
    """A good photo that is rejected in a share of the seeds, and where its map is highest."""

    name: str
    rejected: float
    place: str


@dataclass(frozen=True)
class Diagnosis:
    """What is missed and what is rejected wrongly. ``clusters`` are names of misses that look alike, ``sentences`` say
    what no threshold can reach."""

    misses: tuple[LoopMiss, ...]
    alarms: tuple[FalseAlarm, ...]
    bins: tuple[DefectBin, ...]
    clusters: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class EngineTrial:
    """What pairs of an ``engine`` add on held-out anomalies of the learning part: by label the gain in image AUROC,
    mean of the folds. ``reason`` says why it was not tried, "" where it was."""

    engine: str
    gains: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class PlannedPairs:
    """Pairs to make in a round: which label, by which engine, how many, like which misses, and why so."""

    label: str
    engine: str
    count: int
    aims: tuple[DefectFacts, ...]
    placement: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class MinedPhoto:
    """An unlabelled photo that looks like the miss ``like``: its file, what was compared (0..1 above what good parts
    have), and the digest by which it is not taken twice."""

    path: str
    like: str
    likeness: float
    digest: str


@dataclass(frozen=True)
class LoopRound:
    """One round, as far as it has come. ``made`` are the ids of pairs by label, None where they were not made yet;
    ``kept`` those that teach; ``mix_goals`` what each tried mix reached with a seed that does not gate."""

    number: int
    diagnosis: Diagnosis | None = None
    plan: tuple[PlannedPairs, ...] = ()
    mined: tuple[MinedPhoto, ...] = ()
    made: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    mix_goals: Mapping[str, float] = field(default_factory=dict)
    training: LoopTraining | None = None
    gate: GateVerdict | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoopState:
    """``stage`` is the next thing to do, ``best`` the training that is kept so far, ``shown`` whether a person was
    told of the round's pairs, ``ended`` why nothing is left to do, "" before that; ``seconds`` is the time it took."""

    spec: LoopSpec
    stage: LoopStage = "split"
    split: LoopSplit | None = None
    facts: tuple[DefectFacts, ...] = ()
    baseline: LoopTraining | None = None
    best: LoopTraining | None = None
    trials: tuple[EngineTrial, ...] = ()
    trial_baseline: Mapping[str, float] = field(default_factory=dict)
    rounds: tuple[LoopRound, ...] = ()
    shown: bool = False
    ended: str = ""
    seconds: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def round(self) -> LoopRound:
        """The round that is under way."""
        return self.rounds[-1]

    def with_round(self, **changes: Any) -> LoopState:
        """The state with the round under way changed."""
        return replace(self, rounds=(*self.rounds[:-1], replace(self.round, **changes)))

    def pairs_spent(self) -> int:
        """Pairs that rounds have put before a detector so far."""
        return sum(len(one.kept) for one in self.rounds)


def save_state(folder: Path, state: LoopState) -> None:
    """Write the state into ``folder``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(LOOP_FORMAT.stamped(plain_record(state)), indent=1)
    atomic_write(folder / STATE_FILE, text.encode())


def load_state(folder: Path) -> LoopState:
    """The state in ``folder``; NotFound where there is none, InputError where it is damaged, NewerFormat."""
    path = folder / STATE_FILE
    if not path.exists():
        raise NotFound(f"{folder}: there is no loop in it; start one with launch.py loop PROJECT --contract ...")
    text = read_given(path, MAX_TEXT, name=str(path))
    state = read_record(LoopState, LOOP_FORMAT.parse(text, str(path)), str(path))
    if missing := _missing(state):
        raise InputError(f"{path}: at the stage {state.stage!r} a loop has {missing}, and this one has none")
    return state


def _missing(state: LoopState) -> str:
    """What the next stage takes from those before it and is not there; "" where all is."""
    stage = STAGES.index(state.stage)
    needed: tuple[tuple[LoopStage, object, str], ...] = (
        ("baseline", state.split, "a split"),
        ("baseline", state.baseline, "a baseline"),
        ("diagnose", state.best, "a best training"),
        ("diagnose", state.rounds or state.ended, "a round"),
        ("plan", (state.rounds and state.round.diagnosis) or state.ended, "a diagnosis"),
        ("gate", (state.rounds and state.round.training) or state.ended, "a training of its round"),
        ("end", state.ended, "a reason to end"),
    )
    return next((name for since, there, name in needed if stage >= STAGES.index(since) and not there), "")


def best_training(state: LoopState) -> LoopTraining:
    """The training that is kept so far; InputError where the state has none, which only a damaged one lacks."""
    if state.best is None:
        raise InputError("loop: its state has no baseline; it is damaged, start another with --out")
    return state.best


def split_of(state: LoopState) -> LoopSplit:
    """The three parts of the photos; InputError likewise."""
    if state.split is None:
        raise InputError("loop: its state has no split; it is damaged, start another with --out")
    return state.split
