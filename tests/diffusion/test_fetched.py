"""What a fetch brings is what the loader takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.diffusion.hub import fetch
from core.diffusion.loading import load_backbone
from core.diffusion.model_folders import verify
from tests.weights.hub import Hub, half_precision


def test_a_fetched_model_loads(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub(half_precision(toy_folder, tmp_path / "hub")) as hub:
        fetch("sd15", endpoint=hub.url)
    assert verify("sd15").state == "present"
    backbone = load_backbone("sd15", "cpu")
    assert backbone.name == "sd15" and (backbone.channels, backbone.side) == (4, 64)
