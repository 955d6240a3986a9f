"""A model from a hub that lies, breaks off, is stopped, or is not there; the hub is a small one on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.diffusion import model_folders
from core.diffusion.hub import fetch
from core.diffusion.model_sources import KNOWN_MODELS, locate
from core.errors import Cancelled, InputError, NotFound, Unavailable
from tests.weights.hub import Hub, half_precision

SD15 = KNOWN_MODELS["sd15"]
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
LARGE = ".safetensors"


@pytest.fixture(scope="module")
def model(toy_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as the hub has it; read it only."""
    return half_precision(toy_folder, tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def hub(model: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub; nothing was fetched from it yet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub(model) as one:
        yield one


@pytest.fixture
def final(bare: Path) -> Path:
    """Where the model belongs."""
    return bare / "models" / SD15.folder


def standing() -> model_folders.FolderStatus:
    return next(s for s in model_folders.status() if s.known is SD15)


def fetched(hub: Hub) -> Path:
    return fetch("sd15", endpoint=hub.url)


def test_a_whole_model_comes(hub: Hub, final: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert standing().state == "missing" and standing().path == final
    assert fetch("sd15", lambda *news: seen.append(news), endpoint=hub.url) == final
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]
    assert [p.name for p in final.parent.iterdir() if not p.name.startswith(".")] == [final.name]
    found = model_folders.verify("sd15")
    assert found.state == "present" and found.auto and not found.partial_size and locate().path == final
    assert found.size == sum(p.stat().st_size for p in final.rglob("*") if p.is_file())
    listed = json.loads((final / model_folders.CHECKSUMS).read_text())
    assert listed["commit"] == hub.commit and sum(f["size"] for f in listed["files"].values()) == seen[-1][1]


def test_only_half_precision_is_asked_for(hub: Hub, final: Path) -> None:
    fetched(hub)
    assert hub.files(LARGE) and all(".fp16." in name for name in hub.files(LARGE))
    assert not [name for name in hub.files() if "safety_checker" in name or name.endswith(".ckpt")]
    assert {"model_index.json", "README.md", "tokenizer/merges.txt"} <= set(hub.files())


def test_what_is_there_is_not_fetched_again(hub: Hub) -> None:
    fetched(hub)
    asked = len(hub.asked)
    fetch("sd15", endpoint="http://127.0.0.1:9")
    assert len(hub.asked) == asked


def test_a_stop_keeps_what_came_and_goes_on_there(hub: Hub, final: Path) -> None:
    done: list[int] = []
    big = (hub.folder / UNET).stat().st_size
    with pytest.raises(Cancelled):
        fetch("sd15", lambda now, total: done.append(total - now), lambda: bool(done) and done[-1] < big, hub.url)
    assert not final.exists() and standing().state == "missing" and standing().partial_size > 0
    with pytest.raises(Unavailable):
        locate("sd15")
    before = len(hub.asked)
    assert fetched(hub) == final and model_folders.verify("sd15").state == "present"
    again = hub.asked[before:]
    assert [name for name, _, _ in again] == [UNET] and str(again[0][1]).startswith("bytes=")
    assert int(str(again[0][1])[6:-1]) > 0


@pytest.mark.parametrize("name", [UNET, "tokenizer/vocab.json"])
def test_a_connection_that_breaks_off_is_made_again(hub: Hub, final: Path, name: str) -> None:
    half = (hub.folder / name).stat().st_size // 2
    hub.break_at[name] = half
    fetched(hub)
    assert [wanted for asked, wanted, _ in hub.asked if asked == name] == [None, f"bytes={half}-"]
    assert (final / name).read_bytes() == (hub.folder / name).read_bytes()


def test_a_connection_that_stays_broken_is_one_line_and_keeps_what_came(hub: Hub, final: Path) -> None:
    hub.break_at[UNET] = 300_000
    hub.lies[UNET] = (hub.folder / UNET).read_bytes()[:300_000]
    with pytest.raises(Unavailable, match="ended after 300000 of") as caught:
        fetched(hub)
    assert "\n" not in str(caught.value) and str(final) in str(caught.value) and not final.exists()
    del hub.lies[UNET]
    assert model_folders.verify("sd15").partial_size > 300_000 and fetched(hub) == final


@pytest.mark.parametrize("name", [UNET, "scheduler/scheduler_config.json"])
def test_another_checksum_is_refused(hub: Hub, final: Path, name: str) -> None:
    true = (hub.folder / name).read_bytes()
    hub.lies[name] = true[:-1] + bytes([true[-1] ^ 1])
    with pytest.raises(Unavailable, match=f"{name} came with another checksum") as caught:
        fetched(hub)
    assert "\n" not in str(caught.value) and not final.exists() and standing().state == "missing"
    hub.lies.clear()
    assert (fetched(hub) / name).read_bytes() == true


def test_a_newer_version_does_not_go_on_after_an_older(model: Path, hub: Hub, final: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        done: list[int] = []
        fetch("sd15", lambda now, total: done.append(now), lambda: bool(done), hub.url)
    newer = Path(shutil.copytree(model, tmp_path / "newer"))
    shutil.copy(newer / "vae" / Path(UNET).name, newer / "vae" / "second.fp16.safetensors")
    (newer / "README.md").write_text("# A newer toy, of another length\n")
    with Hub(newer, "d" * 40) as later:
        fetched(later)
    assert (final / "README.md").read_text().startswith("# A newer") and (
        final / "vae/second.fp16.safetensors"
    ).exists()
    assert json.loads((final / model_folders.CHECKSUMS).read_text())["commit"] == "d" * 40
    assert not list(final.rglob("*.part"))


def test_no_network_is_one_line_that_says_what_to_do(hub: Hub, final: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        fetch("sd15", endpoint="http://127.0.0.1:9")
    said = str(caught.value)
    assert "\n" not in said and "127.0.0.1:9" in said and f"to {final}" in said and "models fetch sd15" in said
    assert not final.exists() and not model_folders.partial_folder(SD15).exists()


def test_a_hub_that_does_not_know_the_model(hub: Hub) -> None:
    with pytest.raises(Unavailable, match="404") as caught:
        fetch("sd15", endpoint=f"{hub.url}/mirror")
    assert "\n" not in str(caught.value)


def test_a_hub_without_half_precision(hub: Hub, toy_folder: Path) -> None:
    with Hub(toy_folder) as full, pytest.raises(Unavailable, match="no half-precision weights for unet, vae"):
        fetched(full)


def test_offline_by_wish_asks_nobody(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Unavailable, match="HF_HUB_OFFLINE"):
        fetched(hub)
    assert not hub.asked


def test_room_is_looked_for_first(hub: Hub, final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = SimpleNamespace(total=1e12, used=1e12, free=100_500_000)
    monkeypatch.setattr("core.weights.transfer.shutil.disk_usage", lambda folder: little)
    with pytest.raises(Unavailable, match=r"0\.10 GB free.*FLAWSMITH_MODELS"):
        fetched(hub)
    assert not hub.asked and not final.exists()


def test_a_broken_copy_is_mended_by_what_it_lacks(hub: Hub, final: Path) -> None:
    fetched(hub)
    (final / UNET).write_bytes((final / UNET).read_bytes()[:-1000])
    (final / "tokenizer" / "merges.txt").unlink()
    (final / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half a download")
    assert standing().state == "incomplete" and len(standing().problems) >= 3
    before = len(hub.asked)
    fetched(hub)
    assert sorted(name for name, _, _ in hub.asked[before:]) == ["tokenizer/merges.txt", UNET]
    assert model_folders.verify("sd15").state == "present"
    assert not (final / "unet" / "diffusion_pytorch_model.safetensors").exists()


def test_a_token_goes_to_the_hub_and_no_further(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetched(hub)
    sent = {name: token for name, _, token in hub.asked}
    assert sent["model_index.json"] == "Bearer hf_secret" and sent[UNET] is None


def test_two_fetches_of_one_model(hub: Hub, final: Path) -> None:
    from filelock import FileLock

    final.parent.mkdir(parents=True)
    with FileLock(final.parent / f".{final.name}.lock"), pytest.raises(Unavailable, match="being fetched already"):
        fetched(hub)
    assert fetched(hub) == final


def test_a_link_is_left_alone(hub: Hub, final: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    final.parent.mkdir(parents=True)
    final.symlink_to(tmp_path / "mine")
    with pytest.raises(Unavailable, match="a folder of its own"):
        fetched(hub)
    assert final.is_symlink()


def test_what_cannot_be_fetched(hub: Hub) -> None:
    with pytest.raises(InputError, match="comes with Flawsmith: copy"):
        fetch("mini", endpoint=hub.url)
    with pytest.raises(NotFound, match="sd15, mini"):
        fetch("sd16", endpoint=hub.url)
