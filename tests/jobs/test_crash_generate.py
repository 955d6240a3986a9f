"""Kill -9 in the middle of generate, accept and export: nothing accepted is lost, nothing half-written is listed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.api import SampleFilter, Workbench
from core.images import read_image, read_mask
from core.types import ReviewStatus

ROOT = Path(__file__).resolve().parents[2]

GENERATE_AND_KEEP = """
import sys
from pathlib import Path
from core.api import GenerationBatch, Workbench
with Workbench.open(Path(sys.argv[1])) as bench:
    for seed in range(1000):
        made = bench.studio.generate(GenerationBatch(engine="perlin", label="crack", count=3, seed=seed))
        bench.review.set_status(made["sample_ids"][:2], "kept")
        print(*made["sample_ids"][:2], flush=True)
"""

EXPORT = """
import sys
from pathlib import Path
from core.api import Workbench
with Workbench.open(Path(sys.argv[1])) as bench:
    print("ready", flush=True)
    for _ in range(1000):
        bench.datasets.export("mvtec-ad", Path(sys.argv[2]), everything=True, overwrite=True)
        print("done", flush=True)
"""


def run_and_kill(code: str, lines: int, *argv: Path) -> list[str]:
    """Start ``code``, read ``lines`` lines of its output, kill it at once, and return all it had printed."""
    command = [sys.executable, "-c", code, *map(str, argv)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert process.wait(20) == -signal.SIGKILL
    return said


@pytest.fixture
def project(tmp_path: Path, photo_folder: Path) -> Path:
    with Workbench.create(tmp_path / "p") as bench:
        bench.photos.import_images(photo_folder)
    return tmp_path / "p"


@pytest.mark.thorough
def test_generate_and_accept_survive_kill_9(project: Path) -> None:
    accepted: set[str] = set()
    for lines in (1, 2, 3):
        accepted |= set(" ".join(run_and_kill(GENERATE_AND_KEEP, lines, project)).split())
        with Workbench.open(project) as bench:
            rows = bench.review.page(SampleFilter(), limit=10_000)
            kept = {r.id for r in rows if r.verdict == ReviewStatus.KEPT}
            assert accepted <= kept
            for row in rows:
                for path in (row.image_path, row.mask_path):
                    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem[:16])
                assert read_image(row.image_path).shape[:2] == read_mask(row.mask_path).shape
    assert len(accepted) >= 6


@pytest.mark.thorough
def test_export_is_whole_or_not_there_after_kill_9(project: Path, tmp_path: Path) -> None:
    run_and_kill(GENERATE_AND_KEEP, 4, project)
    out = tmp_path / "dataset"
    for lines in (1, 2, 3):
        run_and_kill(EXPORT, lines, project, out)
        if out.exists():
            images = sorted(p for p in out.rglob("test/crack/*.png"))
            masks = sorted(p for p in out.rglob("ground_truth/crack/*.png"))
            assert len(images) == len(masks) > 0
            assert all(np.isin(np.unique(read_image(m)), (0, 255)).all() for m in masks)
    assert out.exists()
