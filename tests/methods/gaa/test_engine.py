"""GAA on a toy model: one look for each cluster, drawn into masks like that cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.api import Workbench
from core.api.studio.studio import TryRequest
from core.engines.api import Context
from core.engines.registry import engine, learning_engine
from core.errors import InputError, MaskError, NotFound
from core.images import mask_png_bytes, png_bytes
from core.jobs.requests import GenerationBatch, build_request, plan_batch
from core.methods.gaa import engine as gaa
from core.methods.gaa.clustering import Clustering
from core.methods.gaa.clustering.clustering_store import store_clustering
from core.methods.gaa.clustering.clusters import build_clusters
from core.methods.gaa.engine import GaaLearningParams, choose_cluster, gaa_preset, separate_defects
from core.quality import scores
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.instances import split_by_instance
from core.types import AnomalyExample, NormalImage, Recipe, Request, Sample
from tests.diffusion.toy import write_toy

SHAPE = (80, 100)


def plate(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    grey = 120 + 0.4 * x + 0.2 * y + rng.normal(0, 5, SHAPE)
    return np.clip(np.dstack([grey, grey * 0.95, grey * 0.85]), 0, 255).astype(np.uint8)


def disc(cy: float, cx: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(y - cy, x - cx) < radius


def hole(number: int, radius: float = 8, label: str = "hole") -> AnomalyExample:
    image, mask = plate(number), disc(40, 30 + 10 * number, radius)
    image[mask] //= 4
    return AnomalyExample(f"{label}{number}", label, image, (mask,))


SMALL = [hole(n, 4) for n in range(3)]
LARGE = [hole(n, 14) for n in range(3, 5)]


@pytest.fixture(scope="module", autouse=True)
def toy_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from core.diffusion.loading import forget_backbones

    path = write_toy(tmp_path_factory.mktemp("models") / "toy")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLAWSMITH_BACKBONE", str(path))
        yield path
    forget_backbones()


def by_hand(folder: Path, examples: list[AnomalyExample], groups: list[int], names: list[str]) -> None:
    """Clusters of ``examples`` as a person has put them, kept for their label."""
    from core.methods.gaa.clustering import features_name

    regions = split_by_instance(examples)
    vectors = np.random.default_rng(0).normal(size=(len(regions), 4)).astype(np.float32)
    ids = tuple(e.id for e in regions)
    clusters = build_clusters(vectors, ids, np.array(groups), names)
    made = Clustering(clusters, ids, vectors, features_name("flawsmith"), "flawsmith", 0, edited=True)
    store_clustering(folder, examples[0].label, made)


def teach(folder: Path, examples: list[AnomalyExample], label: str = "hole", **given: Any) -> Concept:
    normals = [NormalImage("n", "n.png", plate(9))]
    return learning_engine("gaa").learn(
        examples, normals, label, GaaLearningParams(**{"steps": 2, **given}), Context("cpu", folder)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy_backbone: Path) -> Path:
    """A shelf with holes learned in two clusters made by hand."""
    found = tmp_path_factory.mktemp("project") / "concepts"
    by_hand(found, [*SMALL, *LARGE], [0, 0, 0, 1, 1], ["pin", "pit"])
    teach(found, [*SMALL, *LARGE])
    return found


def request(**given: Any) -> Request:
    have = {"label": "hole", "params": {"steps": 3}, "seed": 1, "mask": disc(40, 50, 12)}
    return Request(normal=NormalImage("n", "n.png", plate(5)), **(have | given))


def make(asked: Request, folder: Path) -> Sample:
    return next(iter(engine("gaa").generate(asked, Context("cpu", folder))))


def test_clusters_by_hand_are_learned_each_with_words_of_its_own(folder: Path) -> None:
    card = checkpoints.newest_concept(folder, "gaa", "hole")
    concept, tensors = checkpoints.load_concept(folder / card.id)
    assert concept.labels == ("hole",) and concept.groups == {"pin": "hole", "pit": "hole"}
    assert concept.title == "hole in 2 clusters" and concept.config.extra["clusters"]["hole"]["edited"]
    assert concept.config.examples == {"pin": tuple(e.id for e in SMALL), "pit": tuple(e.id for e in LARGE)}
    words = [tensors[f"anomaly.<anomaly{n}>"] for n in range(2)]
    assert words[0].shape[0] == 8 and tensors["encoder.start"].shape[0] == 4 and not words[0].equal(words[1])
    assert (folder / concept.id / "clusters.png").is_file() and (folder / concept.id / "preview.png").is_file()


@pytest.mark.thorough
def test_looks_that_nobody_has_sorted_are_clustered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    fresh = teach(tmp_path, SMALL)
    assert fresh.groups == {"hole_1": "hole"} and not fresh.config.extra["clusters"]["hole"]["edited"]
    by_hand(tmp_path, SMALL, [0, 1, 1], ["odd", "even"])
    assert tuple(teach(tmp_path, SMALL).groups) == ("odd", "even")
    assert tuple(teach(tmp_path, SMALL, clusters="new").groups) == ("hole_1",)
    monkeypatch.setattr(gaa, "load_or_cluster_regions", lambda *_, **__: pytest.fail("clustered all the same"))
    whole = teach(tmp_path, SMALL, clusters="none")
    assert whole.groups == {"hole": "hole"} and whole.config.extra["clusters"] == {}


@pytest.mark.thorough
def test_labels_together_have_names_of_their_own(tmp_path: Path) -> None:
    dents = [hole(n, 6, "dent") for n in range(2)]
    for examples in (SMALL[:2], dents):
        by_hand(tmp_path, examples, [0, 1], ["deep", "flat"])
    concept = teach(tmp_path, [*SMALL[:2], *dents], label="")
    assert concept.groups == {"deep": "dent", "flat": "dent", "hole_deep": "hole", "hole_flat": "hole"}
    assert concept.labels == ("dent", "hole") and gaa.concept_clusters(concept, "hole") == ("hole_deep", "hole_flat")
    assert choose_cluster(concept, "any", "hole", 3).startswith("hole_")
    with pytest.raises(InputError, match="knows dent, hole, not 'crack'"):
        choose_cluster(concept, "any", "crack", 3)


def test_what_cannot_be_learned_from_is_left_out_and_said(tmp_path: Path) -> None:
    dot = np.zeros(SHAPE, np.bool_)
    dot[3, 3] = True
    examples = [*SMALL[:2], AnomalyExample("dot", "hole", plate(1), (dot,))]
    by_hand(tmp_path, examples, [0, 0, 1], ["pin", "speck"])
    concept = teach(tmp_path, examples)
    assert tuple(concept.groups) == ("pin",) and any("dot" in note and "1 px" in note for note in concept.notes)
    with pytest.raises(MaskError, match="no example can be learned from"):
        teach(tmp_path, examples[2:])
    with pytest.raises(InputError, match="no real anomaly of it"):
        teach(tmp_path, SMALL, label="dent")
    with pytest.raises(InputError, match="open a project"):
        learning_engine("gaa").learn(SMALL, [], "hole", GaaLearningParams(), Context("cpu"))


def test_any_takes_large_clusters_more_often_and_a_name_takes_that(folder: Path) -> None:
    concept = checkpoints.newest_concept(folder, "gaa", "hole")
    drawn = [choose_cluster(concept, "any", "hole", seed) for seed in range(400)]
    assert 0.5 < drawn.count("pin") / 400 < 0.7 and set(drawn) == {"pin", "pit"}
    assert (
        choose_cluster(concept, "pit", "hole", 0) == "pit" and choose_cluster(concept, "mixed", "hole", 0) == "mixed"
    )
    with pytest.raises(InputError, match="cluster 'pot': .* has pin, pit; or take any"):
        choose_cluster(concept, "pot", "hole", 0)


def test_masks_are_like_those_of_the_cluster_that_is_drawn(folder: Path) -> None:
    kin = gaa.Gaa().matching_examples
    examples = [*SMALL, *LARGE]
    members = {"pin": [e.id for e in SMALL], "pit": [e.id for e in LARGE]}
    for seed in range(12):
        drawn = choose_cluster(checkpoints.newest_concept(folder, "gaa", "hole"), "any", "hole", seed)
        assert [e.id for e in kin({}, "hole", seed, examples, folder)] == members[drawn]
    assert len(kin({"cluster": "pit"}, "hole", 0, examples, folder)) == 2
    assert len(kin({"cluster": "mixed"}, "hole", 0, examples, folder)) == 5
    assert len(kin({}, "hole", 0, [hole(7)], folder)) == 1
    with pytest.raises(NotFound, match="launch.py learn"):
        kin({}, "hole", 0, examples, None)


def test_a_drawing_starts_from_an_example_of_its_own_cluster_only(folder: Path) -> None:
    params = {"steps": 3, "cluster": "pin"}
    alone = make(request(params=params), folder).image.tobytes()
    assert make(request(params=params, examples=(LARGE[0],)), folder).image.tobytes() == alone
    assert make(request(params=params, examples=(SMALL[0],)), folder).image.tobytes() != alone


def test_studio_and_bulk_lend_examples_of_the_cluster(folder: Path, tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "plate") as bench:
        bench.project.add_normal(png_bytes(plate(5)), "png", "n.png", SHAPE[1], SHAPE[0], False)
        examples = {}
        for e in (SMALL[0], SMALL[1], LARGE[0]):
            form = (png_bytes(e.pixels), "png", "hole", "structural", [mask_png_bytes(e.mask)], e.id)
            examples[e.id] = bench.material.example(bench.project.add_example(*form, SHAPE[1], SHAPE[0]).id)
        by_hand(bench.material.concepts, list(examples.values()), [0, 0, 1], ["pin", "pit"])
        teach(bench.material.concepts, list(examples.values()))
        normal = bench.project.normals()[0].id
        for cluster, own in (("pin", {"hole0", "hole1"}), ("pit", {"hole3"})):
            ids = {examples[name].id for name in own}
            order = TryRequest("gaa", "hole", normal, {"cluster": cluster}, disc(40, 50, 12))
            assert {bench.studio.build_request(order, n).examples[0].id for n in range(6)} == ids
            plan = plan_batch(bench.material, GenerationBatch(engine="gaa", label="hole", params={"cluster": cluster}))
            assert {build_request(plan, n).examples[0].id for n in range(6)} == ids


def test_a_sample_is_exact_outside_and_its_recipe_makes_it_again(folder: Path) -> None:
    asked = request()
    sample = make(asked, folder)
    assert scores(asked.normal.pixels, sample)["change_outside"] == 0 and not (sample.mask & ~asked.mask).any()
    params = Recipe.from_json(sample.recipe.to_json()).params
    assert params["cluster"] == choose_cluster(checkpoints.newest_concept(folder, "gaa", "hole"), "any", "hole", 1)
    assert make(replace(asked, params=params), folder).image.tobytes() == sample.image.tobytes()
    other = {"pin": "pit", "pit": "pin"}[params["cluster"]]
    assert make(replace(asked, params={**params, "cluster": other}), folder).image.tobytes() != sample.image.tobytes()


def test_mixed_draws_the_parts_one_by_one(folder: Path) -> None:
    asked = request(mask=disc(20, 20, 9) | disc(60, 75, 11), params={"steps": 2, "cluster": "mixed"})
    sample = make(asked, folder)
    assert scores(asked.normal.pixels, sample)["change_outside"] == 0 and len(sample.instances) == 2
    assert sample.recipe.params["cluster"] == "mixed"
    assert make(asked, folder).image.tobytes() == sample.image.tobytes()


def test_parts_are_disjoint_and_together_the_mask() -> None:
    mask = disc(10, 10, 4) | disc(10, 20, 4) | disc(60, 60, 8)
    for n in range(9):
        mask[75, 3 + 11 * n] = True
    parts = separate_defects(mask)
    assert len(parts) == 6 and np.array_equal(np.sum(parts, axis=0), mask)
    assert np.array_equal(parts[0], disc(60, 60, 8)) and parts[1][10, 10] and parts[1][10, 20]
    assert len(separate_defects(disc(40, 40, 5))) == 1


def test_the_paper_s_preset_is_the_paper_s() -> None:
    preset = gaa_preset("paper")
    assert (preset.anomaly_tokens, preset.mask_tokens, preset.encoder) == (8, 4, "fpn")
    assert (preset.batch, preset.lr, preset.budget(40)) == (4, 5e-3, 310_000) and preset.prompts == ("a photo of {}",)
