"""The demo products that ship with Flawsmith: rendered photos with regions and anomalies known to the pixel."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api.recent import projects_folder
from core.errors import InputError, StoreError, Unavailable
from core.images import read_photo
from core.lookup import named
from core.progress import Steps, unwatched
from core.store import Project

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "demo"


@dataclass(frozen=True)
class DemoProduct:
    """A product to try things on: ``name`` is its folder in assets/demo, ``title`` and ``about`` are for people."""

    name: str
    title: str
    about: str


DEMO_PRODUCTS: tuple[DemoProduct, ...] = (
    DemoProduct("fastener_tray", "Fastener tray", "six pockets, each with its parts; missing, extra, wrong ones"),
    DemoProduct("gear_unit", "Gear unit", "an assembly in which position and orientation matter"),
    DemoProduct("brushed_plate", "Brushed plate", "a machined surface; scratches, dents, cracks and stains"),
)


def find_demo(name: str) -> DemoProduct:
    """The demo called ``name``; InputError says which there are."""
    return named({demo.name: demo for demo in DEMO_PRODUCTS}, name, "demo product", InputError)


def make_demo(
    path: Path,
    name: str = DEMO_PRODUCTS[0].name,
    progress: Steps = unwatched,
) -> None:
    """A new project in the folder ``path`` with a demo's photos, named regions and real anomalies.

    Photos of ``test/good`` are left out, as on every import, to judge detectors on. StoreError if something is at
    ``path`` already, Unavailable if assets/demo is not there; nothing half-made is left behind.
    """
    demo = find_demo(name)
    source = ASSETS / demo.name
    try:
        photos = json.loads((source / "demo.json").read_text())["photos"]
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(f"{source}: the demo is missing or damaged; get Flawsmith's assets folder") from error
    wanted = [photo for photo in photos if not photo["file"].startswith("test/good/")]
    with Project.create(path, demo.title) as project:
        try:
            with project.transaction():
                for done, photo in enumerate(wanted):
                    _add_photo(project, source, photo)
                    progress(done + 1, len(wanted))
        except BaseException:
            project.close()
            shutil.rmtree(path, ignore_errors=True)
            raise


def demo_project(name: str = DEMO_PRODUCTS[0].name) -> Path:
    """The demo's project in the projects folder, made if it is not there yet; what was done in it stays."""
    path = projects_folder() / find_demo(name).name
    if not (path / "project.db").is_file():
        fresh = path.with_name(f".{path.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_demo(fresh, name)
        try:
            fresh.rename(path)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StoreError(f"{path}: something else is there; move it away to open the demo") from error
    return path


def _add_photo(project: Project, source: Path, photo: dict[str, Any]) -> None:
    file = source / photo["file"]
    read = read_photo(file)
    height, width = read.pixels.shape[:2]
    if photo["label"] == "good":
        note = f"from the {file.parts[-3]} part"
        row = project.add_normal(read.data, read.ext, photo["file"], width, height, read.grey, (note,))
        for mask in sorted((source / "regions" / file.parts[-3] / file.stem).glob("*.png")):
            project.set_region(row.id, mask.stem, mask.read_bytes(), "hand", 1.0)
        return
    masks = sorted((source / "ground_truth" / file.parent.name / file.stem).glob("*.png"))
    pngs = [mask.read_bytes() for mask in masks]
    project.add_example(read.data, read.ext, photo["label"], photo["kind"], pngs, photo["file"], width, height)
