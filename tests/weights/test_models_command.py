"""``launch.py models`` and the desk behind the tab, on a machine of their own and a hub on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import run
from core.api import Workbench
from core.api.models import ModelsApi
from core.diffusion.model_sources import KNOWN_MODELS
from core.errors import NotFound
from core.segmentation.known_folders import folder_models
from core.weights import CATALOGUE
from tests.weights.hub import Hub, half_precision


@pytest.fixture
def hub(toy_folder: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub that the environment names."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub(half_precision(toy_folder, bare / "hub")) as one:
        for name, value in (
            ("ENDPOINT", ""),
            ("HUGGINGFACE_CO_URL_TEMPLATE", "/{repo_id}/resolve/{revision}/{filename}"),
        ):
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", one.url + value)
        yield one


@pytest.fixture
def mini(toy_folder: Path, bare: Path) -> Path:
    """The shipped model."""
    return Path(shutil.copytree(toy_folder, bare / "shipped" / "mini"))


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> dict:
    assert run(["models", *argv, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_list_has_folders_and_files(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, "list")
    rows = {row["name"]: row for row in result["models"]}
    assert list(rows) == [*KNOWN_MODELS, *CATALOGUE, *(one.name for one in folder_models())]
    assert {rows[name]["kind"] for name in KNOWN_MODELS} == {"diffusion"}
    assert rows["mini"]["state"] == "present" and rows["mini"]["auto"] and rows["mini"]["path"] == str(mini)
    assert rows["mini"]["size"] == sum(p.stat().st_size for p in mini.rglob("*") if p.is_file())
    assert result["auto"] == f"Flawsmith mini, {mini}"
    sd15 = rows["sd15"]
    assert (sd15["state"], sd15["auto"], sd15["licence"]) == ("missing", False, "CreativeML Open RAIL-M")
    assert sd15["size"] > 2e9 and sd15["path"] in sd15["offline"] and "models fetch sd15" in sd15["offline"]


def test_list_for_a_person(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mini / "tokenizer" / "merges.txt").unlink()
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if " mini " in line)
    assert lines[at].split()[0] == "incomplete" and "tokenizer/merges.txt is missing" in lines[at + 1]
    assert any("2.1 GB" in line and "missing" in line and "sd15" in line for line in lines)
    assert any(line.strip().startswith("offline:") and "stable-diffusion-v1-5" in line for line in lines)


def test_fetch_then_verify(hub: Hub, bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, "fetch", "sd15")
    folder = bare / "models" / "stable-diffusion-v1-5"
    assert result["path"] == str(folder) and result["auto"] == f"Stable Diffusion 1.5, {folder}"
    assert call(capsys, "verify")["verified"] == {"sd15": "present"} | {
        name: "present" for name in ("mini_click",) if ModelsApi(None, None).verify(name).state == "present"
    }
    unet = folder / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    unet.write_bytes(unet.read_bytes()[:-1] + b"?")
    assert run(["models", "verify", "sd15"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("incomplete sd15") and "unet/diffusion_pytorch_model.fp16.safetensors is damaged" in said


@pytest.mark.parametrize(
    ("name", "words"), [("mini", "comes with Flawsmith"), ("sd16", "there are sd15, mini"), ("sd15", "HF_HUB_OFFLINE")]
)
def test_what_cannot_be_fetched_is_one_line(
    bare: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run(["models", "fetch", name]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.strip().splitlines()) == 1 and words in err


def test_the_desk_fetches_in_the_background_and_stops(hub: Hub, bare: Path) -> None:
    with Workbench.create(bare / "project") as bench:
        with pytest.raises(NotFound):
            bench.weights.start_fetch("sd16")
        hub.pause_s = 0.3
        job = bench.weights.start_fetch("sd15")
        while not hub.files(".safetensors"):
            assert bench.jobs.wait(job, 0.02).status in ("queued", "running")
        bench.jobs.cancel(job)
        assert bench.jobs.wait(job, 60).status == "cancelled"
        row = bench.weights.status()[0]
        assert row.state == "missing" and row.begun > 0
        hub.pause_s = 0.0
        job = bench.weights.start_fetch("sd15")
        event = bench.jobs.wait(job, 60)
        assert event.status == "done" and event.done == event.total == 2
        assert bench.weights.status()[0].state == "present" and bench.weights.status()[0].auto
