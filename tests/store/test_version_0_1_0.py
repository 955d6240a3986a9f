"""A project that version 0.1.0 made still opens, says what it said, and its recipes give the same bytes.

``tests/data/v0_1_0`` holds the project (6 photos, 6 real anomalies, 5 concepts learned for a step or two with thinned
weights, groups that a person changed, 35 samples of all engines, two evaluations) and what 0.1.0 said is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.api import SampleFilter, Workbench
from core.evaluation.saved_detector import DETECTOR_FILE, load_detector
from core.images import read_image, read_mask, read_png_text
from core.methods.comgen.components.concept_config import components_of
from core.methods.dual_ano_diff.concept_config import dual_config
from core.training.checkpoints import load_concept, rename_concept
from core.training.concept_config import InversionConfig
from core.types import Recipe

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "v0_1_0"
ROUNDING = ("numpy", "opencv-python-headless", "scipy", "scikit-image", "diffusers", "transformers")
EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text())
SAMPLES: dict[str, dict[str, Any]] = EXPECTED["samples"]


NEW_SETTINGS = {
    "adapter",
    "adapter_weight",
    "context",
    "draw_as",
    "drawing",
    "ground",
    "negative",
    "read_at",
    "reference",
}
"""That version 0.1.0 did not know; a recipe made again says what they were."""


def sha(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def cpu() -> str:
    """The processor's name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def as_locked() -> bool:
    """Whether what resizes, fits and draws has the locked versions: others round otherwise."""
    pins = dict(re.findall(r"^([a-z][\w.-]*)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.M))
    return all(version(name) == pins[name] for name in ROUNDING)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = tmp_path_factory.mktemp("v0_1_0")
    with tarfile.open(DATA / "project.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # other sums, other roundings
    with Workbench.open(folder / "project.flawsmith") as opened:
        yield opened
    torch.set_num_threads(threads)


def test_it_opens_with_a_backup_and_lists_what_it_held(bench: Workbench) -> None:
    assert [p.name for p in bench.path.glob("project.db.backup-*")] == ["project.db.backup-0002"]
    assert [p.id for p in bench.photos.page()] == EXPECTED["photos"]
    assert [e.id for e in bench.photos.examples()] == EXPECTED["examples"]
    assert {p: [r.name for r in bench.regions.of_photo(p)] for p in EXPECTED["photos"]} == EXPECTED["regions"]
    assert len(bench.project.jobs()) == EXPECTED["jobs"] and bench.review.counts() == EXPECTED["counts"]


def test_verdicts_stay_and_say_who_gave_them(bench: Workbench) -> None:
    rows = bench.review.page(SampleFilter(), 0, 1000)
    found = {r.id: (r.engine, str(r.verdict), r.reason, r.verdict_by.kind if r.verdict_by else "") for r in rows}
    assert found == {i: (s["engine"], s["verdict"], s["reason"], s["verdict_by"]) for i, s in SAMPLES.items()}
    assert {r.id: dict(r.scores) for r in rows} == {i: s["scores"] for i, s in SAMPLES.items()}


def test_every_recipe_reads_from_the_project_and_from_its_png(bench: Workbench) -> None:
    for id in SAMPLES:
        row = bench.review.row(id)
        recipe = Recipe.from_json(read_png_text(row.image_path)["flawsmith"])
        assert recipe == Recipe.from_json(row.recipe_json) == Recipe.from_json(recipe.to_json())
        assert recipe.engine == row.engine and not recipe.extra
        assert recipe.placement is None or not recipe.placement.model_extra
        if row.picture_paths:
            assert "pair_masks" in recipe.notes and bench.review.drawn_pair(row) is not None
        if row.component_paths:
            assert "edit" in recipe.notes and bench.review.attention_evidence(row) is not None


def test_concepts_load_and_keep_what_was_noted(bench: Workbench) -> None:
    listed = {c.id: c for c in bench.concepts.learned()}
    assert listed.keys() == EXPECTED["concepts"].keys() and bench.concepts.unread() == []
    for id, noted in EXPECTED["concepts"].items():
        concept, tensors = load_concept(bench.concepts.folder / id)
        read = (concept.engine, list(concept.labels), concept.groups, concept.title, list(concept.notes))
        assert read == tuple(noted[name] for name in ("engine", "labels", "groups", "title", "notes")) and tensors
        assert set(noted["config_keys"]) <= concept.config.plain().keys()
        if "prompt" in noted["config_keys"]:
            assert concept.config.read_as(InversionConfig).margin == 0.5
        elif "build" in noted["config_keys"]:
            assert dual_config(concept).side == 256 and dual_config(concept).build.words is not None
        else:
            assert len(components_of(concept).names) == 6


def test_a_new_title_loses_nothing_of_an_old_concept(bench: Workbench) -> None:
    id = next(id for id, c in EXPECTED["concepts"].items() if c["engine"] == "gaa")
    card = bench.concepts.folder / id / "concept.json"
    before = json.loads(card.read_text())
    rename_concept(bench.concepts.folder, id, before["title"])
    after = json.loads(card.read_text())
    assert after["config"] | before["config"] == after["config"] and after | before == after | {
        "config": before["config"]
    }


def test_groups_are_as_a_person_left_them(bench: Workbench) -> None:
    for label, groups in EXPECTED["groups"].items():
        assert {g.name: list(g.members) for g in bench.concepts.groups.groups_of(label) or ()} == groups
    assert "brown" in EXPECTED["groups"]["stain"]


def test_evaluations_and_their_detector_load(bench: Workbench) -> None:
    entries = {e.id: e for e in bench.evaluations.runs()}
    assert entries.keys() == {e["id"] for e in EXPECTED["evaluations"]}
    for noted in EXPECTED["evaluations"]:
        result = bench.evaluations.load(noted["id"])
        assert (result.kind, dict(result.metrics), result.extra) == (noted["kind"], noted["metrics"], {})
        assert sorted(result.curves) == noted["curves"] and sorted(result.files) == noted["files"]
        assert [p.name for p in result.pictures] == noted["pictures"]
        if DETECTOR_FILE in noted["files"]:
            photo = read_image(bench.photos.page()[0].path)
            assert load_detector(bench.path / "evaluations" / noted["id"], "cpu").predict(photo).score >= 0


DRAWN_OTHERWISE = ("comgen", "layout", "perlin stain")
"""Engines, or an engine's label, that draw better since, and so otherwise: their old recipes are read, but give other
bytes."""


def _params() -> list[Any]:
    """Every sample, the first of each engine in the default run."""
    first = {s["engine"]: id for id, s in reversed(SAMPLES.items())}
    return [
        pytest.param(id, id=f"{s['engine']}-{id}", marks=[] if first[s["engine"]] == id else pytest.mark.slow)
        for id, s in SAMPLES.items()
    ]


@pytest.mark.parametrize("id", _params())
def test_recipes_give_the_bytes_of_version_0_1_0(bench: Workbench, id: str) -> None:
    row = bench.review.row(id)
    stored = read_image(row.image_path)
    assert (sha(stored), sha(read_mask(row.mask_path))) == (SAMPLES[id]["image"], SAMPLES[id]["mask"])
    sample = bench.studio.remake(bench.studio.recipe(id))
    if f"{row.engine} {row.label}".startswith(DRAWN_OTHERWISE):
        assert sample.image.shape == stored.shape and sample.mask.any()
    elif (torch.__version__, cpu()) == (EXPECTED["torch"], EXPECTED["cpu"]) and as_locked():
        assert (sha(sample.image), sha(sample.mask)) == (SAMPLES[id]["image"], SAMPLES[id]["mask"])
    else:  # same bytes are promised on one machine: another torch or another processor rounds otherwise
        assert np.abs(sample.image.astype(int) - stored).mean() < 0.5
    recipe = Recipe.from_json(row.recipe_json)
    made = replace(sample.recipe, version=recipe.version, notes=recipe.notes)
    new = {name: value for name, value in made.params.items() if name not in recipe.params}
    assert new.keys() <= NEW_SETTINGS and replace(made, params=recipe.params).to_json() == recipe.to_json()
    assert {**made.params, **recipe.params} == made.params
