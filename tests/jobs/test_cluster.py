"""A batch on a cluster: the samples of one run, in order, none lost or doubled, whatever dies meanwhile."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import Unavailable
from core.jobs import generation
from core.jobs.cluster import dispatch
from core.jobs.cluster.batch_package import database_without_samples
from core.jobs.cluster.nodes import ClusterNode, WorkerFailed
from core.jobs.cluster.range_ledger import LATE_S, LOSSES, TRIES, IndexRange, RangeLedger
from core.jobs.product_data import ProductData
from core.store import Project
from tests.jobs.fake_cluster import FakeCluster, FakeWorker

BATCH = GenerationBatch(engine="perlin", label="stain", count=8, seed=3, workers=1)
NODES = [ClusterNode("a", "first", 1), ClusterNode("b", "second", 2)]


def given(ledger: RangeLedger[str], samples: int = 2, place: str = "a", now_s: float = 0.0) -> IndexRange:
    found = ledger.give(samples, 100, place, 2, now_s)
    assert found is not None
    return found


def test_outcomes_come_in_order_and_each_once() -> None:
    ledger: RangeLedger[str] = RangeLedger(range(5))
    first, second, third = (given(ledger) for _ in range(3))
    assert [r.indices for r in (first, second, third)] == [(0, 1), (2, 3), (4,)]
    ledger.done(second, ["2", "3"], 1)
    assert ledger.ready() == []
    ledger.done(first, ["0", "1"], 1)
    assert ledger.ready() == ["0", "1", "2", "3"] and ledger.ready() == [] and not ledger.finished
    ledger.done(third, ["4"], 1)
    assert ledger.ready() == ["4"] and ledger.finished


def test_only_so_much_is_made_ahead_of_what_is_missing() -> None:
    ledger: RangeLedger[str] = RangeLedger(range(100))
    assert [ledger.give(4, 8, "a", 1, 0) is None for _ in range(3)] == [False, False, True]


def test_a_range_is_repeated_elsewhere_then_split_and_its_poison_given_up_by_name() -> None:
    ledger: RangeLedger[str] = RangeLedger(range(2))
    for place in ("a", "b", "a"):
        tried = given(ledger, place=place)
        assert tried.indices == (0, 1)
        ledger.failed(tried, place, "died")
        if place == "a" and len(tried.failed_at) == 1:
            assert ledger.give(2, 100, "a", 2, 0) is None, "not again where it failed while another place is there"
    good = given(ledger)
    ledger.done(good, ["made"], 1)
    for place in ("a", "b", "a"):
        ledger.failed(given(ledger, place=place), place, "died")
    assert (
        ledger.ready() == ["made", f"sample 1: {TRIES} workers failed over it (last on a: died)"] and ledger.finished
    )


def test_nodes_that_go_away_are_no_fault_of_the_sample() -> None:
    ledger: RangeLedger[str] = RangeLedger([7])
    for _ in range(LOSSES):
        ledger.lost(given(ledger), "a")
    ledger.done(given(ledger), ["made"], 1)
    assert ledger.ready() == ["made"]


def test_what_takes_too_long_is_made_twice_and_counts_once() -> None:
    ledger: RangeLedger[str] = RangeLedger(range(4))
    slow, quick = given(ledger), given(ledger)
    ledger.done(quick, ["2", "3"], 1)
    assert ledger.give(2, 100, "b", 2, LATE_S - 1) is None
    assert given(ledger, now_s=LATE_S + 1) is slow
    assert ledger.give(2, 100, "c", 2, 2 * LATE_S + 2) is None, "twice is enough"
    ledger.done(slow, ["0", "1"], 20)
    ledger.failed(slow, "a", "the other one died")
    ledger.done(slow, ["x", "x"], 21)
    assert ledger.ready() == ["0", "1", "2", "3"] and ledger.finished


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fails_in_whatever_order_nothing_is_lost_or_doubled(seed: int) -> None:
    rng = random.Random(seed)
    ledger: RangeLedger[str] = RangeLedger(range(60))
    working: list[tuple[IndexRange, str]] = []
    taken: list[str] = []
    now_s = 0.0
    while not ledger.finished:
        now_s += 1
        place = rng.choice("abc")
        work = ledger.give(rng.randint(1, 5), 20, place, 3, now_s)
        working += [(work, place)] if work is not None else []
        if working and rng.random() < 0.7:
            made, at = working.pop(rng.randrange(len(working)))
            chance = rng.random()
            if chance < 0.5:
                ledger.done(made, [str(i) for i in made.indices], now_s)
            elif chance < 0.6:
                ledger.failed(made, at, "died")
            else:
                ledger.lost(made, at)
        taken += ledger.ready()
    assert [text if text.isdecimal() else text.split(":")[0].split()[-1] for text in taken] == list(
        map(str, range(60))
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    return path


@pytest.fixture(scope="module")
def alone(template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes, str]]:
    """What one run in one process makes."""
    with Workbench.open(Path(shutil.copytree(template, tmp_path_factory.mktemp("alone") / "p"))) as bench:
        bench.studio.generate(BATCH)
        return files_of(bench.project)


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Iterator[Project]:
    with Project.open(Path(shutil.copytree(template, tmp_path / "p"))) as opened:
        yield opened


def files_of(project: Project) -> list[tuple[bytes, bytes, str]]:
    rows = project.samples(SampleFilter())
    return [(row.image_path.read_bytes(), row.mask_path.read_bytes(), row.recipe_json) for row in rows]


def generate(project: Project, cluster: FakeCluster) -> dict[str, object]:
    return generation.generate(ProductData(project), BATCH, cluster=cluster)


def test_a_cluster_makes_what_one_process_makes(project: Project, alone: list[tuple[bytes, bytes, str]]) -> None:
    cluster = FakeCluster(list(NODES))
    assert generate(project, cluster)["samples"] == 8
    assert files_of(project) == alone
    assert all(worker.stopped for worker in cluster.workers) and len(cluster.workers) == 3


def test_a_driver_that_was_killed_goes_on_with_what_is_stored(
    project: Project, alone: list[tuple[bytes, bytes, str]]
) -> None:
    generation.generate(ProductData(project), BATCH.model_copy(update={"count": 3}))
    before = project.sample_ids()
    result = generate(project, FakeCluster(list(NODES)))
    assert files_of(project) == alone and result["sample_ids"] == project.sample_ids()
    assert project.sample_ids()[:3] == before


def test_workers_and_nodes_that_die_change_nothing(project: Project, alone: list[tuple[bytes, bytes, str]]) -> None:
    rng = random.Random(5)

    def fault(cluster: FakeCluster, worker: FakeWorker, indices: Sequence[int]) -> None:
        chance = rng.random()
        if chance < 0.2:
            raise WorkerFailed("its process ended")
        if chance < 0.4:
            cluster.up.remove(worker.node)
            cluster.up.append(ClusterNode(f"{worker.node.id}+", worker.node.name, worker.node.slots))

    assert generate(project, FakeCluster(list(NODES), fault))["given_up"] == 0
    assert files_of(project) == alone


def test_a_poison_sample_is_given_up_by_name(project: Project, alone: list[tuple[bytes, bytes, str]]) -> None:
    def fault(cluster: FakeCluster, worker: FakeWorker, indices: Sequence[int]) -> None:
        if 3 in indices:
            raise WorkerFailed("its process ended")

    result = generate(project, FakeCluster([NODES[0]], fault))
    assert result["given_up"] == 1 and files_of(project) == alone[:3] + alone[4:]
    assert "sample 3: 3 workers failed over it (last on first: its process ended)" in str(result["message"])


def test_a_node_with_a_full_disk_is_left_alone(project: Project, alone: list[tuple[bytes, bytes, str]]) -> None:
    def fault(cluster: FakeCluster, worker: FakeWorker, indices: Sequence[int]) -> None:
        if worker.node.id == "b":
            raise WorkerFailed("OSError: [Errno 28] No space left on device")

    cluster = FakeCluster(list(NODES), fault)
    assert generate(project, cluster)["given_up"] == 0 and files_of(project) == alone
    with pytest.raises(Unavailable, match="no node of the cluster can make samples; second: OSError.*No space left"):
        generate(project, FakeCluster([NODES[1]], fault))


def test_a_node_that_sees_another_project_makes_nothing(project: Project, tmp_path: Path) -> None:
    cluster = FakeCluster([NODES[0]])

    def fault(cluster: FakeCluster, worker: FakeWorker, indices: Sequence[int]) -> None:
        (tmp_path / "p" / "concepts" / "stain-1").mkdir(parents=True, exist_ok=True)

    cluster.fault = fault
    with pytest.raises(Unavailable, match="first: it sees other photos, concepts or models"):
        generate(project, cluster)
    assert project.count_samples() == 0


def test_workers_take_turns(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RANGE_S", 0.0)
    monkeypatch.setattr(dispatch, "RANGES_PER_WORKER", 3)
    cluster = FakeCluster([NODES[0]])
    generate(project, cluster)
    assert len(cluster.asked) == 8 and len(cluster.workers) == 3


def test_a_package_holds_no_samples(project: Project) -> None:
    generation.generate(ProductData(project), BATCH)
    with Project.open_copy(project.path, database_without_samples(project.path)) as copy:
        assert (copy.count_samples(), copy.count_normals(), project.count_samples()) == (0, 6, 8)
