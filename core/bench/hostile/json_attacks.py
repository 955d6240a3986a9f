"""Files of JSON that a stranger sends or a disk damages: rules of a product, states of loops, shards of a batch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.api import GenerationBatch, SampleFilter, Workbench
from core.api.loops import EXAMPLE, LoopSpec, loop_parts
from core.bench.hostile.attempts import Attempt, drawn
from core.bench.hostile.damage import EXTREMES, damaged_json
from core.given_files import MAX_TEXT
from core.loop.loop_state import (
    LOOP_FORMAT,
    STAGES,
    STATE_FILE,
    DefectFacts,
    Diagnosis,
    LoopMiss,
    LoopRound,
    LoopSplit,
    LoopState,
    LoopTraining,
)
from core.loop.seed_scores import SeedScores
from core.stored import plain_record

Random = np.random.Generator
NESTED = ("[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000)
TEXTS = ("", " ", "null", "1", "[]", "{}", '"x"', "{", "\ufeff{}", "\0", "9" * 5000, *NESTED)
"""What is no object, or one that is not to be had."""
DEPTHS = (50, 150, 300, 480, 900)
"""How deeply a value that nobody knows is nested: to be kept, or refused."""
RULES: tuple[dict[str, Any], ...] = (
    {"kind": "count", "family": "washer", "low": 1, "high": 2},
    {"kind": "place", "family": "washer", "zones": [{"x": 0.3, "y": 0.4, "reach_x": 0.1, "reach_y": 0.1}]},
    {"kind": "order", "first": "washer", "second": "screw", "axis": "x"},
    {"kind": "distance", "first": "washer", "second": "screw", "low": 0.1, "high": 0.4},
    {"kind": "orientation", "family": "lever", "angle": 30.0, "tolerance": 8.0, "period": 180.0},
    {"kind": "size", "family": "washer", "low": 0.05, "high": 0.1},
    {"kind": "colour", "family": "cap", "centres": [[50.0, 60.0, 40.0]], "tolerance": 12.0},
    {
        "kind": "pairing", "first": "cap", "first_attribute": "colour", "second": "washer", "second_attribute":
        "count", "cases": [{"first": [50, 60, 40], "second": [1]}, {"first": [60, -40, 20], "second": [2]}],
    },
    {"kind": "symmetry", "family": "washer", "axis": "x", "at": 0.5, "tolerance": 0.05, "pairs": [[0, 1]]},
)  # fmt: skip
"""One rule of each kind as a rules file has it."""


def nested(depth: int) -> Any:
    """A list in a list, so many times."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def files_by_hand(sound: dict[str, Any]) -> dict[str, Callable[[Path], object]]:
    """Ways to write something in place of the JSON object ``sound``, by what is wrong with it."""
    made: dict[str, Callable[[Path], object]] = {}
    for text in TEXTS:
        made[f"text {text[:12]!r} ({len(text)})"] = lambda path, text=text: path.write_text(text)  # type: ignore[misc]
    formats: tuple[object, ...] = (0, -1, 99, 2**70, True, "1", None, 1.0, [])
    for number in formats:
        made[f"format {number!r}"] = _writing({**sound, "format": number})
    for depth in DEPTHS:
        made[f"nested {depth}"] = _writing({**sound, "from tomorrow": nested(depth)})
    made["bytes"] = lambda path: path.write_bytes(bytes(range(256)))
    made["a folder"] = lambda path: path.mkdir()
    made["too large"] = _too_large
    if hasattr(os, "mkfifo"):
        made["a pipe"] = lambda path: os.mkfifo(path)
        made["a device"] = lambda path: path.symlink_to("/dev/zero")
    return made


def rules_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Damaged rules files: taken in place of the project's rules, shown, checked, made pairs of, written again."""
    with Workbench.open(project) as bench:
        photos = [photo.id for photo in bench.photos.page()]
        for number, family in enumerate(("washer", "screw", "lever", "cap")):
            mask = np.zeros((96, 96), np.bool_)
            mask[10 + 18 * number : 22 + 18 * number, 20 + 9 * number : 44 + 9 * number] = True
            bench.regions.save(photos[0], family, mask)
    sound = {"format": 1, "rules": [dict(rule) for rule in RULES], "finding": {"parts": {}, "slack": {}}}
    by_hand = files_by_hand(sound) | _rules_by_hand(sound)
    for number, made in enumerate(drawn(by_hand.items(), rng, count)):
        name, write = made or ("random", _damaging(sound, rng))
        file = place / f"rules-{number}.json"
        write(file)
        yield f"rules {number} ({name})", lambda file=file: _ruled(project, file, photos[0])  # type: ignore[misc]
        _gone(file)


def _rules_by_hand(sound: dict[str, Any]) -> dict[str, Callable[[Path], object]]:
    made = {}
    kinds: tuple[object, ...] = ("nothing", "", [], {}, None, 7, nested(100))
    for kind in kinds:
        made[f"kind {str(kind)[:20]!r}"] = _writing({**sound, "rules": [{**RULES[0], "kind": kind}]})
    for rule in RULES:
        for key in rule:
            for extreme in EXTREMES:
                made[f"{rule['kind']} {key} {str(extreme)[:20]!r}"] = _writing(
                    {**sound, "rules": [{**rule, key: extreme}]}
                )
    many = [{**RULES[0], "family": f"part {n}"} for n in range(100_000)]
    made["a hundred thousand rules"] = _writing({**sound, "rules": many})
    made["a rule twice"] = _writing({**sound, "rules": [RULES[0], RULES[0]]})
    zones = [{"x": 0.5, "y": n / 20_000, "reach_x": 1e-320, "reach_y": 0.0} for n in range(20_000)]
    made["twenty thousand zones"] = _writing({**sound, "rules": [{**RULES[1], "zones": zones}]})
    # The rarest floats divide by zero once they are halved.
    made["sizes of no size"] = _writing({**sound, "rules": [{**RULES[5], "low": 0.0, "high": 5e-324}]})
    made["distances of no size"] = _writing({**sound, "rules": [{**RULES[3], "low": 0.0, "high": 5e-324}]})
    made["a million washers"] = _writing({**sound, "rules": [{**RULES[0], "low": 10**6, "high": 10**6}]})
    for value in ("NaN", "Infinity", "1e999"):
        made[f"slack {value}"] = _writing(
            {**sound, "finding": {"parts": {}, "slack": {"count:washer": 7}}}, ("7", value)
        )
    return made


def _ruled(project: Path, file: Path, photo: str) -> None:
    with Workbench.open(project) as bench:
        desk = bench.rules
        try:
            desk.read_file(file)
            ids = [rule.id for rule in desk.current().rules]
            desk.coverage()
            desk.check_regions(photo)
            if ids:
                desk.confirm(ids[0])
                assert (ids[0] + desk.current().rule(ids[0]).words()).isprintable(), "a terminal would obey this rule"
                desk.generate(ids[:1], 1)
            desk.write_file(file.with_suffix(".out.json"))
            json.loads(file.with_suffix(".out.json").read_text(), parse_constant=_no_number)
        finally:
            bench.project.set_setting("rules", None)
            file.with_suffix(".out.json").unlink(missing_ok=True)


def loop_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Damaged states of a loop: listed, shown, and gone on with, though no training begins."""
    with Workbench.open(project) as bench:
        names = tuple(photo.id for photo in bench.photos.page())
    sound = LOOP_FORMAT.stamped(plain_record(sound_loop(names)))
    by_hand = files_by_hand(sound) | _loops_by_hand(sound)
    for number, made in enumerate(drawn(by_hand.items(), rng, count)):
        name, write = made or ("random", _damaging(sound, rng))
        folder = project / "loops" / f"{number:08x}"
        folder.mkdir(parents=True)
        write(folder / STATE_FILE)
        yield f"loop {number} ({name})", lambda folder=folder: _looped(project, folder)  # type: ignore[misc]
        shutil.rmtree(folder)


def sound_loop(ids: tuple[str, ...]) -> LoopState:
    """A loop in its first round over the photos ``ids``, each of which stands for all that it might be."""
    first = ids[:1]
    table = SeedScores(
        ("good/a", "good/b", "dent/c"), ("good", "good", "dent"), {"0": (0.1, 0.2, 0.9), "1": (0.1, 0.3, 0.8)},
        {"0": ((0.5, 0.5),) * 3, "1": ((0.5, 0.5),) * 3},
    )  # fmt: skip
    training = LoopTraining(first, {"dent": 1}, table, table)
    facts = DefectFacts(f"dent/{first[0]}", "dent", 0.1, 0.5, "in the middle", "plain")
    found = Diagnosis((LoopMiss(facts, 0.5, 0.1),), (), (), ((facts.name,),), ("none",), {"dent": 1.0})
    return LoopState(
        LoopSpec(EXAMPLE), "plan", LoopSplit(first, first, first, first, first, first), (facts,), training, training,
        rounds=(LoopRound(1, found, made={"dent": first}, kept=first, training=training),),
    )  # fmt: skip


def _loops_by_hand(sound: dict[str, Any]) -> dict[str, Callable[[Path], object]]:
    made = {}
    for stage in (*STAGES, "sleep", 3):
        made[f"stage {stage}"] = _writing({**sound, "stage": stage})
        bare = {name: sound[name] for name in ("format", "spec")}
        made[f"nothing but the stage {stage}"] = _writing({**bare, "stage": stage})
        made[f"no round at {stage}"] = _writing({**sound, "rounds": [], "stage": stage})
    for key in ("contract", "detector", "preset", "params", "rounds", "pairs", "seeds", "engines", "unlabelled"):
        for extreme in EXTREMES:
            made[f"{key} {str(extreme)[:20]!r}"] = _writing({**sound, "spec": {**sound["spec"], key: extreme}})
    for key in ("names", "labels", "scores", "peaks"):
        table = {**sound["baseline"]["test"], key: type(sound["baseline"]["test"][key])()}
        made[f"no {key}"] = _writing({**sound, "baseline": {**sound["baseline"], "test": table}})
    return made


def _looped(project: Path, folder: Path) -> None:
    with Workbench.open(project) as bench:
        for card in bench.loops.loops():
            json.dumps(card.as_dict(), allow_nan=False)
            loop_parts(card)
            bench.loops.misses(card)
        bench.loops.run(LoopSpec(EXAMPLE), folder, cancelled=lambda: True)


def shard_attempts(rng: Random, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Damaged shards of a batch, merged into the project."""
    with Workbench.open(project) as bench:
        bench.shards.make(GenerationBatch(engine="perlin", label="dent", count=2, seed=9), "1/1", place / "shard")
    samples = sorted((place / "shard" / "samples").iterdir())
    card = json.loads((place / "shard" / "shard.json").read_text())
    sample = json.loads(samples[0].read_text())
    by_hand = [("shard.json", name, write) for name, write in (files_by_hand(card) | _fields_by_hand(card)).items()]
    by_hand += [
        (f"samples/{samples[0].name}", name, write)
        for name, write in (files_by_hand(sample) | _fields_by_hand(sample) | _pictures_by_hand(sample)).items()
    ]
    for number, made in enumerate(drawn(by_hand, rng, count)):
        first = ("shard.json", "random", _damaging(card, rng))
        other = (f"samples/{samples[0].name}", "random", _damaging(sample, rng))
        where, name, write = made or (first, other)[number % 2]
        copy = place / f"shard-{number}"
        shutil.copytree(place / "shard", copy)
        (copy / where).unlink()
        write(copy / where)
        yield f"shard {number} ({where} {name})", lambda copy=copy: _merged(project, copy)  # type: ignore[misc]
        shutil.rmtree(copy)


def _fields_by_hand(sound: dict[str, Any]) -> dict[str, Callable[[Path], object]]:
    return {f"{key} {str(extreme)[:20]!r}": _writing({**sound, key: extreme}) for key in sound for extreme in EXTREMES}


def _pictures_by_hand(sample: dict[str, Any]) -> dict[str, Callable[[Path], object]]:
    made = {}
    for key, values in {
        "file": ("../../../etc/passwd", "/dev/zero", "a\0b", "", ".", "images", "x" * 5000),
        "sha256": ("", "0" * 64), "name": ("washer", "\x1b[31m"), "role": ("image", "mask", "instance", "thing"),
    }.items():  # fmt: skip
        for value in values:
            first = {**sample["files"][0], key: value}
            made[f"{key} {value[:20]!r}"] = _writing({**sample, "files": [first, *sample["files"][1:]]})
    return made


def _merged(project: Path, folder: Path) -> None:
    with Workbench.open(project) as bench:
        before = bench.project.count_samples()
        merged = bench.shards.merge([folder])
        assert "\n" not in merged.message and merged.message.isprintable(), "unclear line"
        for row in bench.review.page(SampleFilter()):
            json.dumps(dict(row.scores), allow_nan=False)
        for row in bench.project.samples()[before:]:
            bench.review.thumbnail(row, outline=True)
            bench.project.delete_samples([row.id])


def _writing(plain: dict[str, Any], swapped: tuple[str, str] | None = None) -> Callable[[Path], object]:
    text = json.dumps(plain)
    return lambda path: path.write_text(text.replace(*swapped) if swapped else text)


def _damaging(sound: dict[str, Any], rng: Random) -> Callable[[Path], object]:
    text = damaged_json(json.dumps(sound), rng)
    return lambda path: path.write_bytes(text.encode("utf-8", "surrogatepass"))


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_TEXT + 1)


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} was stored")
