"""A Ray cluster of three nodes on this machine makes what one process makes, whatever is killed meanwhile."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from core.api import GenerationBatch, SampleFilter, Workbench
from core.errors import InputError, Unavailable
from core.jobs.cluster import ray_cluster

ROOT = Path(__file__).resolve().parents[2]
BATCH = GenerationBatch(engine="perlin", label="stain", count=12, seed=3, workers=1)


def test_without_ray_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(photo_folder)
    assert run(["generate", str(tmp_path / "p"), "--engine", "perlin", "--ray", "auto"]) == 2
    assert 'error: --ray: Ray is not installed here; pip install "ray[default]"\n' in capsys.readouterr().err


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "ray://", "host:port"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="expected auto, HOST:PORT or ray://HOST:PORT"):
        ray_cluster._check_address(address)


def test_an_address_where_nothing_listens_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(Unavailable, match="no cluster answers there"):
            ray_cluster._check_address(address)


@pytest.mark.parametrize("others", [["--devices", "cpu:2"], ["--shard", "1/2", "--out", "x"], ["--keep-best", "2"]])
def test_options_that_do_not_go_together(
    others: list[str], tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(photo_folder)
    assert run(["generate", str(tmp_path / "p"), "--engine", "perlin", "--ray", "auto", *others]) == 2
    assert "ray" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without a slot, and three nodes of one CPU each."""
    pytest.importorskip("ray", reason='Ray is not installed: pip install "ray[default]"')
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(3):
        made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path / "plates") as made:
        made.photos.import_images(photo_folder)
        yield made


def files_of(bench: Workbench) -> list[tuple[bytes, bytes, str, dict[str, float], bytes | None]]:
    rows = bench.review.page(SampleFilter(), 0, 1000)
    return [(r.image_path.read_bytes(), r.mask_path.read_bytes(), r.recipe_json, r.scores, r.descriptor) for r in rows]


def made_alone(bench: Workbench, folder: Path, batch: GenerationBatch) -> list[Any]:
    with Workbench.open(Path(shutil.copytree(bench.path, folder))) as alone:
        alone.studio.generate(batch)
        return files_of(alone)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_three_nodes_make_what_one_process_makes(cluster: Any, bench: Workbench, tmp_path: Path) -> None:
    expected = made_alone(bench, tmp_path / "alone", BATCH)
    result = bench.studio.generate(BATCH, ray=cluster.address)
    assert result["samples"] == 12 and files_of(bench) == expected
    assert bench.studio.generate(BATCH, ray=cluster.address)["sample_ids"] == result["sample_ids"]
