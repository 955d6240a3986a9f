"""What a person does to clusters, and how they are kept and shown."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, InputError, NotFound
from core.methods.gaa.clustering import (
    Clustering,
    RegionDescriptors,
    cluster_examples,
    cluster_regions,
    contact_sheet,
    crop_tile,
    examples_in_cluster,
    from_json,
    load_clustering,
    merge,
    move,
    rename,
    save_clustering,
    split,
    to_json,
    typical_first,
)
from core.methods.gaa.clustering.clusters import build_clusters
from core.training.instances import split_by_instance
from core.types import AnomalyExample


def made(groups, seed=0):
    """A clustering of random vectors with these groups."""
    vectors = np.random.default_rng(seed).normal(size=(len(groups), 3)).astype(np.float32)
    ids = tuple(f"r{i}" for i in range(len(groups)))
    names = [f"scratch_{n + 1}" for n in range(max(groups) + 1)]
    clusters = build_clusters(vectors, ids, np.array(groups), names)
    return Clustering(clusters, ids, vectors, "toy features", "paper", 0, {"layer_1": 1.0}, 4.5)


THREE = made([0, 0, 0, 1, 1, 1, 2, 2])


def test_merge_joins_and_keeps_the_rest():
    joined = merge(THREE, ["scratch_3", "scratch_1"])
    assert joined.names == ("scratch_2", "scratch_3")
    assert joined["scratch_3"].members == ("r0", "r1", "r2", "r6", "r7")
    assert merge(THREE, ["scratch_1", "scratch_2"], "deep").names == ("deep", "scratch_3")
    assert THREE.names == ("scratch_1", "scratch_2", "scratch_3")


def test_split_by_hand_undoes_merge():
    joined = merge(THREE, ["scratch_1", "scratch_2"])
    apart = split(joined, "scratch_1", members=["r3", "r4", "r5"])
    assert apart.names == ("scratch_1", "scratch_1_b", "scratch_3")
    assert [c.members for c in apart.clusters] == [c.members for c in THREE.clusters]
    assert [c.silhouette for c in apart.clusters] == [c.silhouette for c in THREE.clusters]


def test_split_by_kmeans_finds_what_is_apart():
    vectors = np.array([[0, 0], [0, 1], [9, 0], [9, 1], [0, 9], [1, 9], [2, 9]], np.float32)
    ids = tuple("abcdefg")
    one = Clustering(build_clusters(vectors, ids, np.zeros(7, int), ["dent"]), ids, vectors, "toy", "paper", 0)
    assert one["dent"].silhouette == 0
    three = split(one, "dent", 3)
    assert [set(c.members) for c in three.clusters] == [set("efg"), set("ab"), set("cd")]
    assert three.names == ("dent", "dent_b", "dent_c") and min(c.silhouette for c in three.clusters) > 0.7
    assert split(one, "dent").names[0] == "dent"
    assert split(one, "dent", 3, seed=5).groups.tolist() == three.groups.tolist()


def test_move_and_a_cluster_that_goes():
    moved = move(move(THREE, "r6", "scratch_1"), "r7", "scratch_1")
    assert moved.names == ("scratch_1", "scratch_2")
    assert moved.cluster_of("r7").name == "scratch_1"


def test_rename():
    assert rename(THREE, "scratch_2", "hairline").names == ("scratch_1", "hairline", "scratch_3")
    for bad, why in (("Deep Scratch", "a-z"), ("good", "not 'good'"), ("scratch_1", "there is one")):
        with pytest.raises(InputError, match=why):
            rename(THREE, "scratch_2", bad)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["merge", "split", "move"]), st.integers(0, 99)), max_size=6))
def test_no_change_loses_or_doubles_a_region(changes):
    current = made([0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    for what, pick in changes:
        names = current.names
        one, other = names[pick % len(names)], names[(pick + 1) % len(names)]
        if what == "merge" and one != other:
            current = merge(current, [one, other])
        elif what == "split" and len(current[one].members) > 1:
            current = split(current, one, members=current[one].members[:1])
        elif what == "move":
            current = move(current, f"r{pick % 10}", other)
        assert sorted(m for c in current.clusters for m in c.members) == sorted(current.ids)
        assert len(set(current.names)) == len(current.names)
        assert all(-1 <= c.silhouette <= 1 and c.representative in c.members for c in current.clusters)


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda: merge(THREE, ["scratch_1"]), "two clusters or more"),
        (lambda: merge(THREE, ["scratch_1", "dent"]), "there are scratch_1"),
        (lambda: split(THREE, "scratch_1", 1), "two parts or more"),
        (lambda: split(THREE, "scratch_3", 3), "too few for 3 parts"),
        (lambda: split(THREE, "scratch_1", members=["r7"]), "'r7' is not one of its members"),
        (lambda: split(THREE, "scratch_1", members=["r0", "r1", "r2"]), "not 3"),
        (lambda: move(THREE, "r99", "scratch_1"), "in none of the clusters"),
        (lambda: move(THREE, "r1", "dent"), "there are scratch_1"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(change, why):
    with pytest.raises((InputError, NotFound), match=why) as caught:
        change()
    assert "\n" not in str(caught.value)


def test_equal_regions_cannot_be_split_by_looks():
    vectors = np.ones((4, 2), np.float32)
    ids = tuple("abcd")
    one = Clustering(build_clusters(vectors, ids, np.zeros(4, int), ["dent"]), ids, vectors, "toy", "paper", 0)
    with pytest.raises(InputError, match="look the same"):
        split(one, "dent")
    assert len(split(one, "dent", members=["b"]).clusters) == 2


def test_a_file_gives_back_the_same_bits(tmp_path):
    described = RegionDescriptors(
        tuple("abcdef"), {"layer_1": np.random.default_rng(0).normal(size=(6, 5))}, "paper", "toy"
    )
    before = cluster_regions(described, "crack", 1)
    save_clustering(tmp_path / "crack.json", before)
    after = load_clustering(tmp_path / "crack.json", "toy")
    assert np.array_equal(before.vectors, after.vectors) and to_json(before) == to_json(after)
    assert after.clusters == before.clusters and after.rounds == before.rounds and after.limit == before.limit


def test_files_that_will_not_do(tmp_path):
    path = tmp_path / "clusters.json"
    with pytest.raises(NotFound, match="no such file"):
        load_clustering(path)
    save_clustering(path, THREE)
    with pytest.raises(InputError, match="made of 'toy features', here it would be 'other'"):
        load_clustering(path, "other")
    for broken in ("", "[]", "{}", to_json(THREE).replace('"r0"', '"r1"')):
        path.write_text(broken)
        with pytest.raises(InputError):
            load_clustering(path)
    assert from_json(to_json(THREE)).names == THREE.names


def spots(count):
    """Photos of single dark spots and of bars across a grey stripe, and their kinds."""
    out = []
    for i in range(count):
        image = np.full((96, 96, 3), 225, np.uint8)
        image[:34] = image[62:] = 60
        mask = np.zeros((96, 96), np.uint8)
        x = 20 + 5 * i
        if i % 2:
            cv2.circle(mask, (x, 48), 5, 1, -1)
        else:
            cv2.rectangle(mask, (x, 34), (x + 6, 61), 1, -1)
        image[mask > 0] = 60
        out.append(AnomalyExample(f"e{i}", "defect", image, (mask > 0,)))
    return out


def test_spots_and_bridges_are_two_clusters_and_the_sheet_shows_them():
    pytest.importorskip("efficientnet_lite_pytorch")
    examples = spots(10)
    seen = []
    found = cluster_examples(examples, label="defect", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 10) for n in range(11)]
    assert [set(c.members) for c in found.clusters] == [
        {f"e{i}" for i in range(0, 10, 2)},
        {f"e{i}" for i in range(1, 10, 2)},
    ]
    assert found.names == ("defect_1", "defect_2") and min(c.silhouette for c in found.clusters) > 0.3
    assert to_json(found) == to_json(cluster_examples(examples, label="defect"))
    assert [e.label for e in examples_in_cluster(found, "defect_2", examples)] == ["defect_2"] * 5
    with pytest.raises(InputError, match="not among the examples"):
        examples_in_cluster(found, "defect_2", examples[:3])
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(found, examples, side=80, most=4), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (2 * (26 + 86), 420, 3)
    assert len(np.unique(sheet[26:106, :338].reshape(-1, 3), axis=0)) > 3 and sheet[26:106, 340:].min() == 255
    with pytest.raises(InputError, match="'e9' is not among"):
        contact_sheet(found, examples[:9])


def test_the_representative_comes_first_and_the_odd_one_last():
    vectors = np.array([[0], [0.1], [0.2], [5]], np.float32)
    ids = tuple("abcd")
    one = Clustering(build_clusters(vectors, ids, np.zeros(4, int), ["dent"]), ids, vectors, "toy", "paper", 0)
    order = typical_first(one, one["dent"])
    assert order[0] == one["dent"].representative in "bc" and order[-1] == "d"


def test_a_tile_is_white_beyond_the_photo_and_centred():
    image = np.zeros((50, 60, 3), np.uint8)
    mask = np.zeros((50, 60), bool)
    mask[:20, :20] = True
    tile = crop_tile(image, mask, 80, outline=False)
    assert (
        tile.shape == (80, 80, 3)
        and tile[:18].min() >= 250
        and tile[:, :18].min() >= 250
        and tile[22:, 22:].max() == 0
    )
    assert (crop_tile(image, mask, 80) == (255, 0, 200)).all(axis=2).any()
    crack = np.zeros((100, 40), bool)
    crack[2:98, 20] = True
    tile = crop_tile(np.zeros((100, 40, 3), np.uint8), crack, 100, outline=False)
    assert (tile[:, 30:70] < 20).mean() > 0.8 and tile[:, 75:].min() >= 250


def test_regions_of_a_photo_with_several_defects():
    mask = np.zeros((2, 32, 32), bool)
    mask[0, 3:9, 3:9] = mask[1, 20:25, 20:25] = True
    image = np.zeros((32, 32, 3), np.uint8)
    single = AnomalyExample("a", "dent", image, (mask[0],))
    double = AnomalyExample("b", "dent", image, (mask[0], mask[1], np.zeros((32, 32), bool)))
    parts = split_by_instance([single, double])
    assert [p.id for p in parts] == ["a", "b#1", "b#2"]
    assert np.array_equal(parts[2].mask, mask[1])


def test_examples_that_will_not_do():
    with pytest.raises(InputError, match="at least one example"):
        cluster_examples([])
    one = spots(1)
    with pytest.raises(InputError, match="'e0' was given twice"):
        cluster_examples(one * 2)
    with pytest.raises(InputError, match="expected one of paper"):
        cluster_examples(one, "best")
    with pytest.raises(Cancelled):
        cluster_examples(one, cancelled=lambda: True)
