"""Hostile inputs of each kind, tried one after the other: did each end well or in one clear line, and in time?"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from core.api import GenerationBatch, SampleFilter, Workbench
from core.api.concepts.library import LearnRequest
from core.api.recent import project_damage
from core.bench.drawn_scenes import scene
from core.bench.hostile.damage import damaged_json
from core.bench.hostile.drawn_folders import drawn_defects, drawn_photos
from core.bench.hostile.pictures import MUTATIONS, pictures
from core.errors import LONGEST_LINE, FlawsmithError
from core.images import isolated
from core.training.checkpoints import MANIFEST, load_concept
from core.training.checkpoints import unread_concepts as unread
from core.types import Recipe

Made = TypeVar("Made")
HANGS_AFTER_S = 10.0

Attempt = tuple[str, Callable[[], object]]
"""What is tried, in a word, and the call that may raise nothing but a FlawsmithError of one line."""


@dataclass
class Tally:
    """``unclear`` says of each input that did not end as it should, what it was and what came."""

    tried: int = 0
    clear: int = 0
    hung: int = 0
    slowest_s: float = 0.0
    unclear: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """As JSON."""
        return {
            "tried": self.tried, "clear": self.clear, "hung": self.hung, "slowest_s": round(self.slowest_s, 2),
            "unclear": self.unclear,
        }  # fmt: skip


def tally(
    attempts: Iterable[Attempt], hangs_after_s: float = HANGS_AFTER_S, say: Callable[[str], None] = lambda line: None
) -> Tally:
    """Make the attempts; ``say`` is told each one."""
    counts = Tally()
    for name, call in attempts:
        began = time.monotonic()
        fault = fault_of(call)
        took = time.monotonic() - began
        counts.tried += 1
        counts.clear += fault is None
        counts.hung += took > hangs_after_s
        counts.slowest_s = max(counts.slowest_s, took)
        say(f"{name}: {fault or 'clear'}")
        if fault is not None:
            counts.unclear.append(f"{name}: {fault}")
    return counts


def drawn(by_hand: Iterable[Made], rng: np.random.Generator, count: int) -> list[Made | None]:
    """``count`` things to try: two thirds at most some of ``by_hand``, then None for random ones."""
    listed = list(by_hand)
    chosen: list[Made | None] = [listed[int(i)] for i in rng.permutation(len(listed))[: max(1, 2 * count // 3)]]
    return [*chosen, *[None] * count][:count]


def fault_of(call: Callable[[], object]) -> str | None:
    """What is wrong with how ``call`` ended; None where it returned, or raised an error of one short line."""
    try:
        call()
    except FlawsmithError as error:
        line = str(error)
        clear = line and "\n" not in line and len(line) <= LONGEST_LINE and line.isprintable()
        return None if clear else f"unclear line {line[:200]!r}"
    except Exception as error:  # what the attack is looking for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


def small_project(folder: Path, samples: int = 3) -> Path:
    """A project of three drawn photos with a region each, and ``samples`` of two engines, for attacks to damage."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for seed in range(3):
        normal, _ = scene(96, seed)
        cv2.imwrite(str(photos / f"part {seed}.png"), cv2.cvtColor(normal.pixels, cv2.COLOR_RGB2BGR))
    path = folder / "project"
    with Workbench.create(path, "parts") as bench:
        bench.photos.import_images(photos)
        for engine in ("cut_paste", "perlin"):
            bench.studio.generate(GenerationBatch(engine=engine, label="dent", count=samples, seed=3, workers=1))
    return path


def small_concept(folder: Path) -> Path:
    """The folder of a concept that was learned for two steps from drawn anomalies. Takes about 20 s."""
    defects = drawn_defects(folder / "defects", seed=1)
    with Workbench.create(folder / "learned", "parts") as bench:
        bench.photos.import_images(drawn_photos(folder / "good", seed=1), anomalies=defects)
        params = {"steps": 2, "backbone": "mini"}
        made = bench.concepts.learn(LearnRequest(engine="anomaly_diffusion", label="dent", params=params))
        return bench.concepts.folder / made.id


def picture_attempts(rng: np.random.Generator, count: int) -> Iterator[Attempt]:
    """Pictures as an import reads them."""
    for name, data in pictures(rng, count):
        yield name, partial(isolated.read_photo_file, data, name)


def recipe_attempts(rng: np.random.Generator, count: int, bench: Workbench) -> Iterator[Attempt]:
    """Recipes as they come with a PNG, read and made again."""
    known = [row.recipe_json for row in bench.review.page(SampleFilter(), 0, 50)]
    for number in range(count):
        text = damaged_json(known[number % len(known)], rng)
        yield f"recipe {number}", partial(_remade, bench, text)


def concept_attempts(rng: np.random.Generator, count: int, concept: Path, place: Path) -> Iterator[Attempt]:
    """Copies of a learned concept's folder in ``place`` with one file damaged, listed and loaded."""
    files = sorted(p.name for p in concept.iterdir() if p.is_file())
    for number in range(count):
        copy = place / f"concept-{number}"
        shutil.copytree(concept, copy)
        chosen = copy / (MANIFEST if rng.random() < 0.6 else files[int(rng.integers(len(files)))])
        if chosen.name == MANIFEST:
            chosen.write_text(damaged_json(chosen.read_text(), rng), "utf-8")
        else:
            chosen.write_bytes(MUTATIONS[int(rng.integers(len(MUTATIONS)))](chosen.read_bytes(), rng))
        yield f"concept {number} ({chosen.name})", partial(_listed_and_loaded, copy)
        shutil.rmtree(copy)


def database_attempts(rng: np.random.Generator, count: int, project: Path, place: Path) -> Iterator[Attempt]:
    """Copies of a project with a damaged database: told as damaged or not, opened, looked through."""
    for number in range(count):
        copy = place / f"project-{number}"
        shutil.copytree(project, copy)
        for beside in copy.glob("project.db-*"):
            beside.unlink()
        file = copy / "project.db"
        file.write_bytes(damaged_database(file.read_bytes(), rng))
        yield f"database {number}", partial(_looked_through, copy)
        shutil.rmtree(copy)


def damaged_database(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of a database with something wrong anywhere, not only near its beginning."""
    if rng.random() < 0.5:
        return MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, rng)
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 40))):
        out[int(rng.integers(len(out)))] = int(rng.integers(256))
    return bytes(out)


def _remade(bench: Workbench, recipe: str) -> None:
    bench.studio.remake(Recipe.from_json(recipe))


def _listed_and_loaded(concept: Path) -> None:
    unread(concept.parent)
    load_concept(concept)


def _looked_through(project: Path) -> None:
    project_damage(project)
    with Workbench.open(project) as bench:
        assert isinstance(bench.project.name, str)
        for photo in bench.photos.page():
            bench.photos.thumbnail(photo.id)
            bench.regions.of_photo(photo.id)
        bench.photos.examples()
        for row in bench.review.page(SampleFilter(order_by="strength"), 0, 20):
            bench.review.thumbnail(row, outline=True)
            bench.review.edit(row)
        bench.review.undo()
        bench.studio.labels()
        bench.datasets.preview("coco", project.parent / "never", {})
        json.dumps([job.title for job in bench.project.jobs()])
