"""``--ray``: what is said where there is no Ray, no cluster, or options that do not go together."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from app.cli import run
from core.api import Workbench
from core.errors import InputError, Unavailable
from core.jobs.cluster import ray_cluster


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
