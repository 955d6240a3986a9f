"""Which models are here, and what is said of a folder that is not whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.diffusion import model_folders
from core.diffusion.model_sources import KNOWN_MODELS
from core.weights.transfer import file_sha256

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def shipped(toy_folder: Path, bare: Path) -> Path:
    """``mini`` as it is shipped, here a copy of the toy; nothing else is on this machine."""
    return Path(shutil.copytree(toy_folder, bare / "shipped" / "mini"))


def cut(name: str, by: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-by] if by > 0 else data + b"x" * -by)

    return change


def index(folder: Path, **more: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def state(name: str = "mini") -> model_folders.FolderStatus:
    return next(s for s in model_folders.status() if s.known.name == name)


def test_a_shipped_model_is_whole_as_large_as_it_is_and_taken(shipped: Path) -> None:
    found = state()
    assert (found.state, found.path, found.problems, found.auto) == ("present", shipped, (), True)
    assert found.size == sum(p.stat().st_size for p in shipped.rglob("*") if p.is_file()) != KNOWN_MODELS["mini"].size
    assert (
        not state("sd15").auto and state("sd15").state == "missing" and state("sd15").size == KNOWN_MODELS["sd15"].size
    )


def test_nothing_there(shipped: Path) -> None:
    shutil.rmtree(shipped)
    assert state().state == "missing" and state().path == shipped
    assert "no diffusion model" in str(model_folders.resolve_auto()) and not any(
        s.auto for s in model_folders.status()
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model_index.json").unlink(), "model_index.json is missing"),
        (lambda f: (f / "model_index.json").write_text("{"), "model_index.json can't be read"),
        (lambda f: (f / "model_index.json").write_text("[]"), "model_index.json holds no settings"),
        (lambda f: shutil.rmtree(f / "vae"), "vae/ is missing"),
        (lambda f: (f / "unet" / "config.json").unlink(), "unet/config.json is missing"),
        (lambda f: (f / "scheduler" / "scheduler_config.json").unlink(), "scheduler_config.json is missing"),
        (lambda f: (f / "tokenizer" / "merges.txt").unlink(), "tokenizer/merges.txt is missing"),
        (lambda f: (f / UNET).unlink(), "unet/ holds no weights"),
        (lambda f: (f / UNET).rename(f / "unet" / "x.non_ema.safetensors"), "no weights to generate with"),
        (cut(UNET, 1), f"{UNET} is broken off"),
        (cut(UNET, -1), f"{UNET} is broken off"),
        (lambda f: (f / UNET).write_bytes(b""), f"{UNET} is broken off"),
        (lambda f: (f / UNET).write_bytes(b"<html>sign in</html>" * 50), f"{UNET} is broken off"),
        (lambda f: index(f, safety_checker=["x", "Y"]), "safety_checker/ is missing"),
    ],
)
def test_a_damage_is_named(shipped: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(shipped)
    for found in (state(), model_folders.verify("mini")):
        assert found.state == "incomplete" and any(words in line for line in found.problems), found.problems
        assert all("\n" not in line and len(line) < 200 for line in found.problems)


def test_extra_parts_of_the_index_matter_only_where_plain_diffusers_shall_load(shipped: Path, tmp_path: Path) -> None:
    index(shipped, safety_checker=["x", "Y"])
    assert model_folders.problems_of(shipped) == [] != model_folders.problems_of(shipped, every_part=True)
    shutil.move(shipped, tmp_path / "models" / KNOWN_MODELS["sd15"].folder)
    assert state("sd15").state == "present" and state("sd15").auto


def test_the_list_of_checksums_travels_with_a_copy(shipped: Path) -> None:
    files = [p for p in shipped.rglob("*") if p.is_file()]
    listed = {p.relative_to(shipped).as_posix(): {"size": p.stat().st_size, "sha256": file_sha256(p)} for p in files}
    (shipped / model_folders.CHECKSUMS).write_text(json.dumps({"files": listed}))
    assert model_folders.verify("mini").state == "present"
    data = bytearray((shipped / UNET).read_bytes())
    data[-1] ^= 1
    (shipped / UNET).write_bytes(data)
    assert state().state == "present", "the head says nothing of a flipped bit"
    assert model_folders.verify("mini").problems == (
        f"{UNET} is damaged: its sha256 is not {listed[UNET]['sha256'][:12]}…",
    )
    assert state().state == "incomplete", "what was found is remembered"
    (shipped / "tokenizer" / "vocab.json").write_text("{}")
    assert any(line.startswith("tokenizer/vocab.json has 2 bytes") for line in state().problems)
    (shipped / model_folders.CHECKSUMS).write_text('{"files": 3}')
    assert state().problems == (f"{model_folders.CHECKSUMS} holds no list of files",)


def test_the_environment_decides_what_auto_takes(
    shipped: Path, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(toy_folder))
    source = model_folders.resolve_auto()
    assert not isinstance(source, str) and source.path == toy_folder and not state().auto
    monkeypatch.setenv("FLAWSMITH_BACKBONE", "mini")
    assert state().auto
