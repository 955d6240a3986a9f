"""Workers, nodes and the process that gives the orders killed at random: the samples of an undisturbed run, none lost
and none twice. FLAWSMITH_KILLS says how many workers (50), FLAWSMITH_SAMPLES how many samples (500)."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import Unavailable
from tests.jobs.ray_nodes import nodes_of_one_machine

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("FLAWSMITH_KILLS", "50"))
COUNT = int(os.environ.get("FLAWSMITH_SAMPLES", "500"))
NODES_OF_TEN = 1
"""Of ten kills on a cluster, how many take a whole node."""
BATCH = GenerationBatch(engine="perlin", label="stain", count=COUNT, seed=3, workers=1)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("killed") / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
    return path


@pytest.fixture(scope="module")
def expected(template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    with Workbench.open(Path(shutil.copytree(template, tmp_path_factory.mktemp("alone") / "p"))) as bench:
        bench.studio.generate(BATCH)
        return stored(bench)


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Iterator[Workbench]:
    with Workbench.open(Path(shutil.copytree(template, tmp_path / "p"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with nodes_of_one_machine(3) as made:
        yield made


def stored(bench: Workbench) -> list[tuple[str, ...]]:
    rows = bench.review.page(SampleFilter(), 0, 100_000)
    parts = ((r.image_path.read_bytes(), r.mask_path.read_bytes(), r.recipe_json.encode()) for r in rows)
    return [tuple(hashlib.sha256(part).hexdigest() for part in three) for three in parts]


def workers(name: str) -> list[psutil.Process]:
    """Processes below this one whose command line has ``name``."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            found += [process] if name in " ".join(process.cmdline()) else []
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: process.pid)


class Killer:
    """A progress that kills when random numbers of samples are done."""

    def __init__(self, kill: Callable[[random.Random], bool]) -> None:
        self._rng = random.Random(7)
        self._moments = sorted(self._rng.sample(range(1, COUNT - 1), KILLS))
        self._kill = kill
        self.kills = 0

    def __call__(self, done: int, total: int, preview: object = None) -> None:
        while self._moments and done >= self._moments[0]:
            self._moments.pop(0)
            ends = time.monotonic() + 60
            while not self._kill(self._rng):
                assert time.monotonic() < ends, "no worker to kill"
                time.sleep(0.05)
            self.kills += 1


def kill_one(name: str, rng: random.Random) -> bool:
    if not (there := workers(name)):
        return False
    rng.choice(there).kill()
    return True


def test_processes_killed_at_random_change_nothing(bench: Workbench, expected: list[tuple[str, ...]]) -> None:
    killer = Killer(lambda rng: kill_one("spawn_main", rng))
    result = bench.studio.generate(BATCH, devices="cpu:2", progress=killer)
    assert (killer.kills, result["given_up"]) == (KILLS, 0)
    assert stored(bench) == expected


def test_workers_and_nodes_of_a_cluster_killed_at_random_change_nothing(
    cluster: Any, bench: Workbench, expected: list[tuple[str, ...]]
) -> None:
    nodes = 0

    def kill(rng: random.Random) -> bool:
        nonlocal nodes
        if rng.randrange(10) >= NODES_OF_TEN:
            return kill_one("ray::RangeMaker", rng)
        cluster.remove_node(rng.choice(sorted(cluster.worker_nodes, key=id)), allow_graceful=False)
        cluster.add_node(num_cpus=1)
        nodes += 1
        return True

    killer = Killer(kill)
    result = bench.studio.generate(BATCH, ray=cluster.address, progress=killer)
    assert (killer.kills, result["given_up"]) == (KILLS, 0) and (nodes or KILLS < 20)
    assert stored(bench) == expected


def test_a_killed_driver_goes_on_where_it_was(
    cluster: Any, template: Path, tmp_path: Path, expected: list[tuple[str, ...]]
) -> None:
    project = Path(shutil.copytree(template, tmp_path / "driven"))
    order = ["generate", str(project), "--engine", BATCH.engine, "--label", BATCH.label, "--count", str(COUNT)]
    command = [sys.executable, "launch.py", *order, "--seed", str(BATCH.seed), "--ray", cluster.address]
    environment = {**os.environ, "FLAWSMITH_VENV": "none"}
    for part in (COUNT // 10, COUNT // 3):
        driver = subprocess.Popen(command, cwd=ROOT, env=environment)
        while count(project) < part:
            assert driver.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert part <= count(project) < COUNT
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    with Workbench.open(project) as bench:
        assert stored(bench) == expected


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with no space left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_node_whose_disk_is_full_is_left_alone(full_disk: Path, template: Path, tmp_path: Path) -> None:
    few = BATCH.model_copy(update={"count": 12})
    with nodes_of_one_machine(1) as cluster, Workbench.open(Path(shutil.copytree(template, tmp_path / "p"))) as bench:
        (whole,) = cluster.worker_nodes
        cluster.add_node(num_cpus=1, env_vars={"TMPDIR": str(full_disk)})
        result = bench.studio.generate(few, ray=cluster.address)
        assert (result["samples"], result["given_up"]) == (12, 0)
        cluster.remove_node(whole)
        with pytest.raises(Unavailable, match="no node of the cluster can make samples.*No space left"):
            bench.studio.generate(few.model_copy(update={"seed": 4}), ray=cluster.address)


def count(project: Path) -> int:
    with Workbench.open(project, for_reading=True) as bench:
        return bench.project.count_samples()
