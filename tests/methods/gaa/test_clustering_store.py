"""Clusters that a project keeps: a person's changes outlive a restart, and examples that come or go."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import InputError, StoreError
from core.images import mask_png_bytes, png_bytes
from core.jobs.product_data import ProductData
from core.methods.gaa.clustering import Clustering, clustering_store, merge
from core.methods.gaa.clustering.clustering_store import (
    clustering_path,
    load_matching_clustering,
    load_or_cluster_regions,
    store_clustering,
    with_earlier_clusters,
)
from core.methods.gaa.clustering.clusters import build_clusters
from core.methods.gaa.groups import GaaGrouping
from core.store import Project
from core.types import AnomalyExample


def spot(number: int, bar: bool) -> AnomalyExample:
    image = np.full((64, 64, 3), 225, np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    if bar:
        image[20:24] = image[44:48] = 60
        cv2.rectangle(mask, (10 + number, 24), (14 + number, 43), 1, -1)
    else:
        cv2.circle(mask, (20 + number, 32), 4, 1, -1)
    image[mask > 0] = 60
    return AnomalyExample(f"e{number}", "hole", image, (mask > 0,))


EXAMPLES = [spot(n, bool(n % 2)) for n in range(6)]


def made(vectors: np.ndarray, groups: list[int], ids: str, names: list[str]) -> Clustering:
    points = np.asarray(vectors, np.float32)
    clusters = build_clusters(points, tuple(ids), np.array(groups), names)
    return Clustering(clusters, tuple(ids), points, "toy", "flawsmith", 0)


def test_changes_are_marked_and_the_file_remembers(tmp_path: Path) -> None:
    fresh = made(np.eye(4), [0, 0, 1, 1], "abcd", ["pit_1", "pit_2"])
    changed = merge(fresh, ["pit_1", "pit_2"], "pits")
    assert not fresh.edited and changed.edited
    for one in (fresh, changed):
        path = store_clustering(tmp_path, "pit", one)
        assert (
            path == clustering_path(tmp_path, "pit")
            and clustering_store._stored_clustering(tmp_path, "pit").edited is one.edited
        )
    path.write_text("{")
    assert clustering_store._stored_clustering(tmp_path, "pit") is None


def test_new_examples_join_the_nearest_and_gone_ones_leave() -> None:
    before = made([[0, 0], [0, 1], [9, 0], [9, 1], [50, 0]], [0, 0, 1, 1, 2], "abcde", ["deep", "flat", "odd"])
    fresh = made([[8, 8], [0, 1], [9, 0], [9, 1], [8, 1]], [0, 0, 0, 1, 1], "xbcdy", ["pit_1", "pit_2"])
    after = with_earlier_clusters(before, fresh)
    assert after.edited and after.names == ("deep", "flat")
    assert after["deep"].members == ("b",) and set(after["flat"].members) == {"c", "d", "x", "y"}
    strangers = made(np.eye(2), [0, 0], "pq", ["pit_1"])
    assert with_earlier_clusters(before, strangers) is strangers


def test_what_is_kept_is_used_until_it_does_not_fit(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    first = load_or_cluster_regions(tmp_path, "hole", EXAMPLES)
    assert (
        load_matching_clustering(tmp_path, "hole", EXAMPLES) is None
        and load_matching_clustering(None, "hole", EXAMPLES) is None
    )
    store_clustering(tmp_path, "hole", merge(first, first.names, "all") if len(first.names) > 1 else first)
    kept_now = load_or_cluster_regions(tmp_path, "hole", EXAMPLES)
    assert len(kept_now.clusters) == 1 and load_matching_clustering(tmp_path, "hole", EXAMPLES[:5]) is None
    assert load_or_cluster_regions(tmp_path, "hole", EXAMPLES, anew=True).names == first.names
    fewer = load_or_cluster_regions(tmp_path, "hole", EXAMPLES[:5])
    assert fewer.edited is kept_now.edited and len(fewer.ids) == 5


def test_a_project_s_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    with Project.create(tmp_path / "plate") as project:
        for e in EXAMPLES:
            project.add_example(
                png_bytes(e.pixels), "png", "hole", "structural", [mask_png_bytes(e.mask)], e.id, 64, 64
            )
        material, job = ProductData(project), GaaGrouping()
        there = material.concepts, "hole", material.examples("hole")
        found = job.group(*there)
        assert len(found.ids) == 6 and clustering_path(material.concepts, "hole").is_file()
        with monkeypatch.context() as patched:
            patched.setattr(clustering_store, "describe_regions", lambda *_: pytest.fail("described what is kept"))
            assert job.group(*there).clusters == found.clusters
        alone = found.clusters[0].members[:1]
        job.save(*there, job.rename(job.split(found, found.names[0], alone), found.names[0], "round"))
        again = job.group(*there)
        assert again.names[0] == "round" and again.edited and len(again.names) == len(found.names) + 1
        assert sorted(job.typical_first(again, "round")) == sorted(again["round"].members)
        assert job.group(*there, anew=True).names == found.names
        with pytest.raises(InputError, match="not those of its examples"):
            job.save(*there, made(np.eye(2), [0, 0], "ab", ["pit"]))
    assert job.kept(material.concepts, "hole", EXAMPLES[:5]) is None


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "concepts").write_text("a file")
    with pytest.raises(StoreError, match="cannot be made"):
        store_clustering(tmp_path / "concepts", "pit", made(np.eye(2), [0, 0], "ab", ["pit"]))
