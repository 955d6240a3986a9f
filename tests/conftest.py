"""Shared fixtures: photos drawn in code, and a home of its own for every test run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from _pytest.terminal import TerminalReporter

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


LONG_S = 5.0
"""A test of the default run that takes longer is named at the end of the run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: a file of them is long, and would keep one process busy after all others have ended."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Name what took long outside the tiers; nothing fails by it, since another machine or load is no fault."""
    took: dict[str, float] = {}
    for report in terminalreporter.getreports("passed"):
        if not {"slow", "thorough", "browser"} & set(report.keywords):
            took[report.nodeid] = took.get(report.nodeid, 0.0) + report.duration
    for name, seconds in sorted(took.items(), key=lambda pair: -pair[1]):
        if seconds > LONG_S:
            terminalreporter.line(f"{seconds:.0f} s in the default run: {name}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, headless; one for all tests of a run, since Playwright starts only once in a process."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS, headless=True)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or touches the projects, weights or recent list of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    names = {
        "FLAWSMITH_STATE": "state",
        "FLAWSMITH_PROJECTS": "projects",
        "FLAWSMITH_MODELS": "models",
        "FLAWSMITH_BANK": "bank",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(home / folder) for name, folder in names.items()})
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion of toy width with random weights, as a folder in diffusers' layout."""
    from tests.diffusion.toy import write_toy

    return write_toy(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="session")
def toy(toy_folder: Path) -> Iterator[Any]:
    """The Backbone of ``toy_folder`` on the CPU; torch computes with one thread as long as it is there."""
    import torch

    from core.diffusion.loading import forget_backbones, load_backbone

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_backbone(str(toy_folder), "cpu")
    forget_backbones()
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def part_photos() -> list[np.ndarray]:
    """Six photos, 96 rows by 128 columns, of a grainy plate with two dark discs that sit a little differently."""
    photos = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        image = np.clip(rng.normal(160, 9, (96, 128)), 0, 255).astype(np.uint8)
        image = cv2.GaussianBlur(image, (0, 0), 0.8)
        for centre, shade in (((36 + seed % 3, 48), 70), ((92, 46 + seed % 2), 100)):
            cv2.circle(image, centre, 14, shade, -1)
        photos.append(np.repeat(image[..., None], 3, axis=2))
    return photos


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory, part_photos: list[np.ndarray]) -> Path:
    """The photos as PNG files in a folder."""
    folder = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(part_photos):
        cv2.imwrite(str(folder / f"plate {number}.png"), image)
    return folder


@pytest.fixture(scope="session")
def disc_masks() -> dict[str, np.ndarray]:
    """Masks of the two discs on the first photo."""
    masks = {}
    for name, centre in (("left disc", (36, 48)), ("right disc", (92, 46))):
        canvas = np.zeros((96, 128), np.uint8)
        cv2.circle(canvas, centre, 14, 1, -1)
        masks[name] = canvas.astype(bool)
    return masks
