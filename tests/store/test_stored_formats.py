"""Stored files: unknown keys stay, a missing key is named, a newer file is left alone, damage is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from core.errors import InputError, NewerFormat, NotFound, Unavailable
from core.evaluation.results import Curve, EvalResult, Picture, load_result, save_result
from core.evaluation.saved_detector import load_detector
from core.features.index import VECTOR_SIZE, FeatureIndex, build_index, load_index, save_index
from core.methods.gaa.clustering import Clustering, load_clustering, save_clustering
from core.methods.gaa.clustering.clustering_store import (
    clustering_path,
    load_matching_clustering,
    set_aside_broken,
    store_clustering,
)
from core.methods.gaa.clustering.clusters import build_clusters
from core.quality.ars import Discriminator
from core.stored import StoredFormat, plain_record, read_record
from core.training.checkpoints import Concept, find_concept, list_concepts, read_manifest, rename_concept, save_concept
from core.training.concept_config import ConceptConfig, InversionConfig
from tests.store.mutations import assert_reads_or_refuses


def clustering() -> Clustering:
    points, ids = np.float32([[0, 0], [0, 1], [9, 0]]), ("a", "b", "c#1")
    clusters = build_clusters(points, ids, np.array([0, 0, 1]), ["deep", "flat"])
    return Clustering(clusters, ids, points, "toy", "flawsmith", 3, {"layer_1": 1.0}, edited=True)


def write_clusters(folder: Path) -> Path:
    return store_clustering(folder, "pit", clustering())


def write_result(folder: Path) -> Path:
    result = EvalResult(
        "detection", "first", {"seed": 1}, {"auroc": 0.5}, {"auroc": 0.1}, {"pit": {"auroc": 0.5}},
        seeds={"1": {"auroc": 0.5}}, curves={"loss": Curve((0.0, 1.0), (2.0, 1.0), "step", "loss")}, notes=("short",),
        pictures=(Picture("roc", "ROC", b"png"),), files={"model.bin": b"weights"},
    )  # fmt: skip
    return save_result(folder, result) / "result.json"


def write_concept(folder: Path) -> Path:
    config = ConceptConfig(
        labels=("pit",), examples={"pit": ("e1",)}, steps=2, losses=((1, 0.5),), tones={"pit": ((1.0, 0.5, 0.25),)},
        settings={"backbone": "mini"}, extra={"margin": 0.5, "looks": [[0.25]]},
    )  # fmt: skip
    concept = Concept("pit-1", "gaa", "pit", "Pits", "mini", "f", "2026-01-01", config, ("short",))
    return save_concept(folder, concept, {}) / "concept.json"


@dataclass(frozen=True)
class Kind:
    """A stored kind: how one is written (returns its JSON file), read, and written elsewhere as it was read."""

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    write_again: Callable[[Path, Any], Path]
    needed: str


KINDS = [
    Kind("clustering", write_clusters, load_clustering, lambda to, it: store_clustering(to, "pit", it), "vectors"),
    Kind(
        "result", write_result, lambda path: load_result(path.parent),
        lambda folder, it: save_result(folder, it) / "result.json", "metrics",
    ),
    Kind(
        "concept", write_concept, lambda path: read_manifest(path.parent),
        lambda folder, it: save_concept(folder, it, {}) / "concept.json", "engine",
    ),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


GONE = object()


def edited(path: Path, **changes: Any) -> bytes:
    """Change top-level keys of a JSON file (GONE removes one); returns the new bytes."""
    raw = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in raw.items() if value is not GONE}))
    return path.read_bytes()


def test_unknown_keys_are_passed_on(kind: Kind, tmp_path: Path) -> None:
    path = kind.write(tmp_path / "a")
    edited(path, lens={"mm": 50}, extra="a key of that name")
    again = json.loads(kind.write_again(tmp_path / "b", kind.read(path)).read_text())
    assert again["lens"] == {"mm": 50} and again | {"created": 0} == json.loads(path.read_text()) | {"created": 0}


def test_a_missing_key_is_named(kind: Kind, tmp_path: Path) -> None:
    path = kind.write(tmp_path)
    edited(path, **{kind.needed: GONE})
    with pytest.raises((InputError, Unavailable), match=f"'{kind.needed}' is missing($|; )"):
        kind.read(path)


def test_a_newer_file_asks_for_an_update_and_stays(kind: Kind, tmp_path: Path) -> None:
    path = kind.write(tmp_path)
    before = edited(path, format=99)
    with pytest.raises(NewerFormat, match="written by a newer Flawsmith .format 99.*; update Flawsmith") as caught:
        kind.read(path)
    assert "\n" not in str(caught.value) and "delete" not in str(caught.value) and path.read_bytes() == before


def test_any_damage_is_refused_or_read(kind: Kind, tmp_path: Path) -> None:
    path = kind.write(tmp_path)

    def read(text: str) -> None:
        path.write_text(text, errors="surrogatepass")
        kind.read(path)

    assert_reads_or_refuses(path.read_text(), read)


def test_clusters_that_cannot_be_read_are_set_aside_and_said(tmp_path: Path) -> None:
    path = clustering_path(tmp_path, "pit")
    for number in (1, 2):
        write_clusters(tmp_path)
        mine = edited(path, vectors=GONE)
        said = set_aside_broken(tmp_path, "pit")
        assert "pit: the groups kept before could not be read" in said and "'vectors' is missing" in said
        aside = path.with_name(f"pit.unreadable-{number}.json")
        assert str(aside) in said and aside.read_bytes() == mine and not path.exists()
    assert set_aside_broken(tmp_path, "pit") == "" and set_aside_broken(None, "pit") == ""


def test_keeping_clusters_never_overwrites_what_cannot_be_read(tmp_path: Path) -> None:
    path = write_clusters(tmp_path)
    path.write_text("{ half")
    store_clustering(tmp_path, "pit", clustering())
    assert path.with_name("pit.unreadable-1.json").read_text() == "{ half" and load_clustering(path).edited
    newer = edited(path, format=99)
    with pytest.raises(NewerFormat):
        store_clustering(tmp_path, "pit", clustering())
    with pytest.raises(NewerFormat):
        load_matching_clustering(tmp_path, "pit", [])
    assert path.read_bytes() == newer


def test_a_result_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    path = write_result(tmp_path)
    before = load_result(path.parent)
    edited(path, format=GONE, flawsmith_result=1)
    assert load_result(path.parent) == before


def test_clusters_with_numbers_no_vector_has(tmp_path: Path) -> None:
    path = write_clusters(tmp_path)
    for vectors in ([[1e300], [0], [0]], [[1], [1, 2], [1]], [[1], [2]]):
        edited(path, vectors=vectors)
        with pytest.raises(InputError, match="clusters: expected|pit.json: expected"):
            load_clustering(path)


def test_what_only_one_method_notes_is_read_by_it() -> None:
    noted = {"prompt": "a {}", "normal_prompt": "a", "encoder": "small", "margin": 0.5, "labels": ["pit"]}
    config = ConceptConfig.read(noted | {"lens": 50})
    found = config.read_as(InversionConfig)
    assert (found.prompt, found.margin, found.labels, found.extra) == ("a {}", 0.5, ("pit",), {"lens": 50})
    unknown_to_0_1_0 = {"view": "", "shape_view": "window", "spatial": True}
    assert found.plain() == config.plain() | unknown_to_0_1_0
    del noted["prompt"]
    with pytest.raises(InputError, match="^concept pit-1: 'prompt' is missing$"):
        ConceptConfig.read(noted).read_as(InversionConfig, "concept pit-1")


def test_unknown_keys_of_a_concept_survive_a_new_title(tmp_path: Path) -> None:
    path = write_concept(tmp_path)
    edited(path, lens=50, config=json.loads(path.read_text())["config"] | {"lens": {"mm": 50}})
    before = json.loads(path.read_text())
    rename_concept(tmp_path, "pit-1", "deep pits")
    assert json.loads(path.read_text()) == before | {"title": "deep pits"}


def test_a_newer_concept_hides_no_other_and_is_told_of(tmp_path: Path) -> None:
    newer = edited(write_concept(tmp_path), format=99)
    assert list_concepts(tmp_path) == []
    with pytest.raises(NotFound, match="nothing has been learned.*written by a newer Flawsmith"):
        find_concept(tmp_path, "gaa", label="pit")
    for attempt in (lambda: rename_concept(tmp_path, "pit-1", "x"), lambda: find_concept(tmp_path, "gaa", "pit-1")):
        with pytest.raises(NewerFormat, match="update Flawsmith"):
            attempt()
    assert (tmp_path / "pit-1" / "concept.json").read_bytes() == newer


def test_migrations_follow_each_other() -> None:
    steps = {1: lambda raw: {"b": raw["a"]}, 2: lambda raw: {"c": raw["b"] + 1}}
    three = StoredFormat("thing", 3, steps)
    assert three.parse('{"a": 1}', "t") == three.upgraded({"b": 1, "format": 2}, "t") == {"c": 2}
    assert three.stamped({"c": 2}) == {"c": 2, "format": 3}
    with pytest.raises(InputError, match="^t: expected a thing of format 1, got a damaged one$"):
        three.parse("{}", "t")
    with pytest.raises(ValueError, match="a migration from each format below 3"):
        StoredFormat("thing", 3, {2: steps[2]})


@dataclass(frozen=True)
class _Thing:
    size: int
    extra: dict[str, Any]


def test_a_record_comes_back() -> None:
    raw = {"size": 3, "colour": "red", "extra": [1]}
    assert plain_record(read_record(_Thing, raw, "thing")) == raw


def test_at_most_three_faults_are_named() -> None:
    with pytest.raises(InputError, match="and 2 more$"):
        read_record(Curve, {"x": ["a", "b"], "y": ["a"]}, "curve")


def test_saving_keeps_the_bits(tmp_path: Path) -> None:
    save_clustering(tmp_path / "a.json", clustering())
    save_clustering(tmp_path / "b.json", load_clustering(tmp_path / "a.json"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def write_about(path: Path, **about: Any) -> bytes:
    """A safetensors file that says ``about`` of itself."""
    path.write_bytes(save({"a": np.zeros(1, np.float32)}, {"flawsmith_detector": "1", "about": json.dumps(about)}))
    return path.read_bytes()


@pytest.mark.parametrize("read", [load_detector, Discriminator.load])
def test_weights_of_a_newer_version_stay(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    newer = write_about(path, format=99)
    with pytest.raises(NewerFormat, match="newer Flawsmith"):
        read(path)
    assert path.read_bytes() == newer
    write_about(path, detector="csda", params={}, facts={})
    with pytest.raises(InputError, match="'alarms' is missing|on '.*', got 'something else'"):
        read(path)


def test_a_feature_index_of_a_newer_version_stays(tmp_path: Path) -> None:
    path, index = tmp_path / "reference.npz", FeatureIndex(("a",), np.ones((1, VECTOR_SIZE)))
    save_index(path, index)
    with np.load(path) as kept:
        arrays = dict(kept)
    assert (found := load_index(path)) is not None and found.ids == ("a",)
    np.savez(path, **{name: value for name, value in arrays.items() if name != "format"})  # as version 0.1.0
    assert load_index(path) is not None
    np.savez(path, **arrays | {"format": np.array(99)})
    newer = path.read_bytes()
    with pytest.raises(NewerFormat, match="newer Flawsmith"):
        build_index(path, ["a"], lambda _: pytest.fail("described a photo"))
    assert path.read_bytes() == newer
