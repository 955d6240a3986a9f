"""Worker processes: the same samples as one process makes, whatever dies meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import Cancelled, InputError, Unavailable
from core.jobs import worker_processes
from core.jobs.packed_sample import PackedSample
from core.jobs.worker_processes import TRIES, WorkerPlace, WorkerProcesses, worker_places
from tests.jobs.fake_workers import dies_at_once, dies_over_three, sleeps

BATCH = GenerationBatch(engine="perlin", label="stain", count=6, seed=3, workers=1)


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path / "plates") as made:
        made.photos.import_images(photo_folder)
        yield made


def files_of(bench: Workbench) -> list[tuple[bytes, bytes]]:
    rows = bench.review.page(SampleFilter(), 0, 100)
    return [(row.image_path.read_bytes(), row.mask_path.read_bytes()) for row in rows]


@pytest.fixture
def place() -> WorkerPlace:
    return WorkerPlace("here", {"FLAWSMITH_TEST_PLACE": "here"})


@pytest.mark.thorough
def test_two_processes_make_what_one_makes(bench: Workbench, tmp_path: Path) -> None:
    with Workbench.open(Path(shutil.copytree(bench.path, tmp_path / "alone"))) as alone:
        alone.studio.generate(BATCH)
        result = bench.studio.generate(BATCH, devices="cpu:2")
        assert result["samples"] == 6 and files_of(bench) == files_of(alone)
    bench.project.delete_samples(result["sample_ids"][:1])
    assert bench.studio.generate(BATCH, devices="cpu:2")["sample_ids"] == result["sample_ids"]


@pytest.mark.thorough
def test_a_killed_worker_is_started_again_and_its_samples_repeated(bench: Workbench) -> None:
    with WorkerProcesses(bench.path, BATCH, worker_places("cpu:1")) as workers:
        (first,) = workers.make([0])
        process = workers._workers[0]._process
        assert process is not None
        process.kill()
        process.join()
        (again,) = workers.make([0])
    assert isinstance(first, PackedSample) and again == first


@pytest.mark.thorough
def test_a_sample_that_kills_its_worker_is_given_up_by_name(
    bench: Workbench, place: WorkerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "_work", dies_over_three)
    with WorkerProcesses(bench.path, BATCH, [place]) as workers:
        assert workers.make([2, 3, 4]) == [
            "2 at here",
            f"sample 3 on here: the process that made it ended {TRIES} times (last with 9)",
            "4 at here",
        ]


@pytest.mark.thorough
def test_a_worker_that_cannot_begin_blames_no_sample(
    bench: Workbench, place: WorkerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "_work", dies_at_once)
    monkeypatch.setattr(worker_processes, "STARTS", 2)
    why = r"the process on here ended 2 times before it could begin \(last with 7\)"
    with pytest.raises(Unavailable, match=why), WorkerProcesses(bench.path, BATCH, [place]) as workers:
        workers.make([0])


def test_stop_does_not_wait_for_the_worker(
    bench: Workbench, place: WorkerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "_work", sleeps)
    with (
        pytest.raises(Cancelled, match="what was finished is kept"),
        WorkerProcesses(bench.path, BATCH, [place], lambda: True) as workers,
    ):
        workers.make([0])


@pytest.mark.parametrize("wanted", ["", "gpu", "cpu", "cpu:0", "cpu:x", "0;1", "-1", "cpu:9999"])
def test_devices_that_are_none_are_refused(wanted: str) -> None:
    with pytest.raises(InputError, match="expected all, numbers of GPUs"):
        worker_places(wanted)


def test_gpus_that_are_not_here_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(Unavailable, match="no GPU here; cpu:2"):
        worker_places("all")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in worker_places("all")] == ["0", "1"]
    with pytest.raises(Unavailable, match="no GPU 5"):
        worker_places("0,5")


def test_the_best_are_not_chosen_in_processes(bench: Workbench) -> None:
    rules = bench.review.parse_rules({"keep_best": 2})
    with pytest.raises(InputError, match="leave out devices"):
        bench.studio.generate(BATCH, rules=rules, devices="cpu:2")
