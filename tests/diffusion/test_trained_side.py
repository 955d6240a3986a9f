"""The size that a model was trained at is told by its folder as by the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.diffusion.editor.families import FoundEditor
from core.diffusion.editor.loading import load_editor
from core.diffusion.loading import load_backbone
from core.diffusion.model_sources import ModelSource, find_model
from core.diffusion.trained_side import trained_side
from core.errors import Unavailable
from tests.diffusion.editor_toys import write_editor


def test_of_our_own_models(toy_folder: Path) -> None:
    for name in (str(toy_folder), "mini"):
        assert trained_side(find_model(name)) == load_backbone(name, "cpu").side


@pytest.mark.parametrize("family", ["flux2-klein", "qwen-image-edit-plus"])
def test_of_models_of_patches(family: str, tmp_path: Path) -> None:
    found = find_model(str(write_editor(family, tmp_path / family)))
    assert isinstance(found, FoundEditor)
    assert trained_side(found) == load_editor(found, found.default_way, "cpu").side


def test_a_folder_that_does_not_say_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="vae/config.json"):
        trained_side(ModelSource("bare", tmp_path))
