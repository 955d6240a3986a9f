"""A new engine is one file, and so is a new export format: nothing else in the house has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import core.engines
import core.exporters
from core.engines.api import Context
from core.engines.registry import engine, engines
from core.errors import NotFound
from core.exporters import DatasetItem
from core.exporters.export import find_formats
from core.types import NormalImage, Request

ENGINE = '''
import numpy as np
from pydantic import Field

from core.engines.api import Engine, EngineParams, require_mask
from core.engines.finalize import finalize_sample


class Bleach(Engine):
    """Brightens the masked surface."""

    name = "bleach"
    title = "Bleach"
    summary = "Brightens the masked surface."
    kind = "structural"
    needs = frozenset({"mask"})

    class Params(EngineParams):
        levels: int = Field(60, ge=1, le=255, title="Levels", description="By how many levels of 255.")

    def generate(self, request, ctx):
        ctx.check()
        mask, levels = require_mask(self, request), self.Params(**request.params).levels
        brighter = np.clip(request.normal.pixels.astype(np.int32) + levels, 0, 255).astype(np.uint8)
        yield finalize_sample(self, request, brighter, mask)
'''

FORMAT = '''
from pathlib import Path

from core.exporters.api import DatasetFormat, DatasetItem, WrittenItem, images_in, write_file


class Flat(DatasetFormat):
    """All images in one folder, the label before the name."""

    name, title, summary, library = "flat", "Flat folder", "All images in one folder.", "pillow"

    def write(self, plan, placed, content):
        label = placed.item.label
        return WrittenItem(placed, write_file(plan.folder, f"all/{label}-{placed.stem}.png", content.png))

    def finish(self, plan, written):
        return []

    def layout(self, plan):
        return "all/LABEL-NAME.png"

    def loader_script(self, plan):
        return "print(1)"

    def matches(self, path):
        return (path / "all").is_dir()

    def read(self, path):
        return [DatasetItem(p.stem, p, p.stem.partition("-")[0], ()) for p in images_in(path / "all")]
'''


@pytest.fixture
def new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[object, str, str], None]]:
    """Puts a module beside those of a package, for one test."""
    import sys

    added: list[str] = []

    def add(package: object, name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])  # type: ignore[attr-defined]
        added.append(f"{package.__name__}.{name}")  # type: ignore[attr-defined]
        engines.cache_clear()

    yield add
    engines.cache_clear()
    for name in added:
        sys.modules.pop(name, None)


def test_an_engine_is_one_file(new_file: Callable[[object, str, str], None]) -> None:
    new_file(core.engines, "bleach", ENGINE)
    assert "bleach" in engines()
    photo = np.full((40, 60, 3), 100, np.uint8)
    mask = np.zeros((40, 60), np.bool_)
    mask[10:20, 10:30] = True
    request = Request(normal=NormalImage("n", "n.png", photo), label="bright", params={}, seed=1, mask=mask)
    (sample,) = engine("bleach").generate_batch([request], Context())
    assert (
        np.array_equal(sample.mask, mask) and (sample.image[mask] == 160).all() and (sample.image[~mask] == 100).all()
    )
    assert sample.recipe.params == {"tighten": True, "levels": 60}


def test_without_its_file_there_is_none() -> None:
    with pytest.raises(NotFound, match="bleach"):
        engine("bleach")


def test_a_format_is_one_file(new_file: Callable[[object, str, str], None], tmp_path: Path) -> None:
    new_file(core.exporters, "flat", FORMAT)
    formats = find_formats()
    assert list(formats)[-1] == "flat" and len(formats) == 9
    (tmp_path / "out" / "all").mkdir(parents=True)
    assert formats["flat"].matches(tmp_path / "out") and formats["flat"].read(tmp_path / "out") == []
    assert isinstance(DatasetItem("n", tmp_path / "n.png", "good", ()), DatasetItem)
