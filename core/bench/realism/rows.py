"""Rows of the table: which engine, with which settings, with or without the real anomalies; and their pairs."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, Workbench
from core.engines.api import read_params
from core.engines.registry import engine, engines, learning_engines
from core.errors import Cancelled, InputError
from core.evaluation.generation.pairs import GeneratedPair
from core.images import atomic_write
from core.jobs.auto_review import ReviewRules
from core.jobs.learn import LearnRequest
from core.placement_rules import Placement
from core.store import SampleRow
from core.validation import read_settings

REAL = "real_few_shot"
"""The row that learns from the learning folder's real anomalies alone."""

_LEARN, _PLACE, _KEEP = "learn.", "place.", "keep"
FIRST_ROWS = (REAL, "cut_paste", "perlin", "poisson")
"""The order in which known rows are shown; others follow by name."""


@dataclass(frozen=True)
class TableRow:
    """``name`` as it was asked for; no ``engine`` is REAL; ``real`` adds the real anomalies to the pairs;
    ``learning`` is what an engine learns with, ``placement`` where the masks lie, and of the pairs made ``keep``, a
    share, are kept by the filter."""

    name: str
    engine: str | None
    params: Mapping[str, Any] = field(default_factory=dict)
    real: bool = False
    learning: Mapping[str, Any] = field(default_factory=dict)
    placement: Mapping[str, Any] = field(default_factory=dict)
    keep: float = 1.0

    @property
    def file(self) -> str:
        """The name as part of a file's."""
        return re.sub(r"[^a-z0-9_+=.-]+", "-", self.name.lower())

    @property
    def pairs_file(self) -> str:
        """Rows with the same pairs share them."""
        return re.sub(r"[^a-z0-9_=.-]+", "-", self.name.lower().removesuffix("+real"))


def parse_row(text: str) -> TableRow:
    """``real_few_shot``, ``ENGINE``, ``ENGINE:name=value,learn.name=value``, each engine's also with ``+real`` behind.

    An engine's row learns from its pairs and the good photos only, as in the papers; ``+real`` adds the few real
    anomalies. ``learn.`` marks settings of the learning; engines that can adapt to the product do, unless told
    otherwise. ``place.`` marks rules of placement. ``keep=0.5`` makes twice as many and keeps the best half. NotFound
    for an engine that is not there, InputError for a setting that it lacks.
    """
    text = text.strip()
    if text == REAL:
        return TableRow(REAL, None, {}, True)
    body = text.removesuffix("+real")
    name, _, settings = body.partition(":")
    params: dict[str, Any] = {}
    for part in filter(None, settings.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"row {text!r}: write settings as {name}:name=value,name=value")
        try:
            params[key] = json.loads(value)
        except ValueError:
            params[key] = value
    learning = {key.removeprefix(_LEARN): params.pop(key) for key in list(params) if key.startswith(_LEARN)}
    placement = {key.removeprefix(_PLACE): params.pop(key) for key in list(params) if key.startswith(_PLACE)}
    read_settings(Placement, placement, f"row {text!r}")
    keep = params.pop(_KEEP, 1.0)
    if not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise InputError(f"row {text!r}: keep: expected a share above 0 and up to 1, got {keep!r}")
    read_params(engine(name), params)
    if name in learning_engines():
        model = learning_engines()[name].Learning
        learning = ({"adapt": True} if "adapt" in model.model_fields else {}) | learning
        read_settings(model, learning, f"row {text!r}")
    elif learning:
        raise InputError(f"row {text!r}: engine {name} does not learn")
    return TableRow(text, name, params, body != text, learning, placement, float(keep))


def default_rows() -> list[TableRow]:
    """Few-shot real, and every engine that can run here with nothing but a label, photos and examples."""
    able = [e.name for e in engines().values() if "regions" not in e.needs and e.available() is None]
    able.sort(key=lambda name: (FIRST_ROWS.index(name) if name in FIRST_ROWS else len(FIRST_ROWS), name))
    return [TableRow(REAL, None, {}, True), *map(parse_row, able)]


def open_project(path: Path, data: Path) -> Workbench:
    """The project in which the engines work: photos and real anomalies of ``data``, imported as a person would.

    One that is there already is taken as it is, so concepts can be learned in it beforehand.
    """
    if path.is_dir():
        return Workbench.open(path)
    part = path.with_name(f"{path.name}.part")
    if part.exists():
        import shutil

        shutil.rmtree(part)
    with Workbench.create(part, data.name) as bench:
        bench.photos.import_images(data)
    part.rename(path)
    return Workbench.open(path)


def prepare_bank(bench: Workbench, folder: Path) -> None:
    """A bank of the project's real anomalies in ``folder``, which this process uses from now on: a benchmark takes
    nothing from a person's bank and leaves nothing in it."""
    os.environ["FLAWSMITH_BANK"] = str(folder)
    bench.bank.add_real()


def make_pairs(
    bench: Workbench,
    row: TableRow,
    labels: Sequence[str],
    count: int,
    folder: Path,
    say: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> tuple[list[GeneratedPair], dict[str, Any]]:
    """``count`` pairs of each label by the row's engine, and facts about how they were made.

    None are sorted out unless the row says ``keep``.

    A label's batch that is finished is remembered in ``folder`` and not made again. The facts: ``pairs``,
    ``given_up``, ``generate_s`` (wall), ``generate_cpu_s``, and ``learn_cpu_s`` where the engine learned first.
    """
    assert row.engine
    folder.mkdir(parents=True, exist_ok=True)
    if engine(row.engine).example_source == "bank":
        prepare_bank(bench, folder / "bank")
    learns = row.engine in learning_engines() and "concept" not in row.params
    concept = learn_concept(bench, row, labels, folder / "concepts.json", say, cancelled) if learns else {}
    params = {**row.params, **({"concept": concept["id"]} if concept else {})}
    path = folder / f"{row.pairs_file}.json"
    known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    for seed, label in enumerate(labels):
        if label in known:
            continue
        # One seed per label and the same for every engine: all work on the same photos and, asked for one, masks.
        batch = GenerationBatch(
            engine=row.engine, label=label, count=round(count / row.keep), seed=seed, params=params,
            placement=dict(row.placement), workers=1,
        )  # fmt: skip
        known[label] = _make_label(bench, row, batch, count, say, cancelled)
        atomic_write(path, json.dumps(known).encode())
    own = [known[label] for label in labels]
    photos = {row.id: row.path for row in bench.project.normals()}
    shots = [_pair(bench.project.sample_row(id), photos) for part in own for id in part["ids"]]
    facts = {
        "pairs": len(shots),
        "given_up": sum(part["given_up"] for part in own),
        "generate_s": round(sum(part["wall_s"] for part in own), 1),
        "generate_cpu_s": round(sum(part["cpu_s"] for part in own), 1),
        **({"learn_cpu_s": concept["cpu_s"]} if concept else {}),
    }
    return shots, facts


def _make_label(
    bench: Workbench, row: TableRow, batch: GenerationBatch, count: int, say: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """One label's batch, as it is remembered: ``ids``, ``given_up``, ``wall_s`` and ``cpu_s``. Cancelled."""
    began, busy = time.monotonic(), time.process_time()
    rules = ReviewRules(keep_best=count) if row.keep < 1 else None
    made = bench.studio.generate(batch, rules=rules, spend=row.keep < 1, cancelled=cancelled)
    if made["cancelled"]:
        raise Cancelled(f"{row.name}: stopped while making {batch.label}; finished labels are kept")
    wall = round(time.monotonic() - began, 2)
    say(f"{row.name}: {made['samples']} pairs of {batch.label} in {wall:.0f} s")
    return {
        "ids": [i for i in made["sample_ids"] if row.keep == 1 or _is_kept(bench, i)],
        "given_up": made["given_up"],
        "wall_s": wall,
        "cpu_s": round(time.process_time() - busy, 2),
    }


def learn_concept(
    bench: Workbench, row: TableRow, labels: Sequence[str], path: Path, say: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """What the row's engine has learned of ``labels``, all together; learned now if it was not before."""
    assert row.engine
    known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    key = json.dumps([row.engine, row.learning, list(labels)], sort_keys=True)
    if key not in known:
        began = time.process_time()
        order = LearnRequest(engine=row.engine, label=",".join(labels), params=dict(row.learning))
        made = bench.concepts.learn(order, cancelled=cancelled)
        known[key] = {"id": made.id, "cpu_s": round(time.process_time() - began, 1)}
        atomic_write(path, json.dumps(known).encode())
        say(f"{row.name}: learned {made.title} in {known[key]['cpu_s']:.0f} s of CPU")
    return known[key]


def _is_kept(bench: Workbench, id: str) -> bool:
    return bench.project.sample_row(id).verdict == "kept"


def _pair(row: SampleRow, photos: Mapping[str, Path]) -> GeneratedPair:
    masks = row.instance_paths or (row.mask_path,)
    return GeneratedPair(f"{row.label}/{row.id}", row.image_path, row.label, masks, before=photos.get(row.normal_id))
