"""A new project for each test, and one call that imports a drawn tree and tells what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.images import read_mask
from core.importers.corrections import Corrections
from core.jobs.import_images import import_images, plan_import
from core.jobs.import_report import IntakeReport
from core.store import Project
from tests.importers.drawn import write


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project") as made:
        yield made


Import = Callable[..., IntakeReport]


@pytest.fixture
def imported(project: Project, tmp_path: Path) -> Import:
    def go(
        files: dict[str, bytes | str], *readings: str, renamed: tuple[str, ...] = (), check: bool = True
    ) -> IntakeReport:
        source = write(tmp_path / "in", files)
        said = Corrections.parse(readings, renamed)
        report = import_images(project, source, said=said)
        plan = plan_import(source, said=said)
        assert not check or set(plan.classes) == {
            p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()
        }
        return report

    return go


@pytest.fixture
def areas(project: Project) -> Callable[[], dict[str, int]]:
    """Pixels of the union of each anomaly's masks, by the last part of its name."""

    def tell() -> dict[str, int]:
        return {
            Path(e.name).name: int(np.logical_or.reduce([read_mask(m) for m in e.mask_paths]).sum())
            for e in project.examples()
        }

    return tell
