"""Which weights and diffusion models are on this machine, and where to get the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from core import weights
from core.diffusion import hub, model_folders
from core.diffusion.found_models import FoundModel, found_adapters, found_models
from core.diffusion.model_sources import KNOWN_MODELS, ModelSource
from core.jobs.runner import JobControl, JobRunner
from core.lookup import named
from core.progress import Steps
from core.segmentation.known_folders import FolderModel, folder_models
from core.store import Project


@dataclass(frozen=True)
class ModelRow:
    """One file of weights, one folder of a diffusion model, one ``adapter`` for one, or one ``folder`` that answers
    clicks or finds words.

    ``state`` is present, missing, corrupt (a file) or incomplete (a folder). ``size`` in bytes: of what is there, else
    of what is to come. ``begun``: bytes of a fetch that was stopped. ``problems``: what a folder lacks. ``auto``: the
    diffusion model that engines take where their setting says auto. ``offline``: what to do without internet; empty
    where it is present. ``fetchable``: False for what is shipped. ``url`` is the page or the file to open elsewhere.
    """

    name: str
    title: str
    purpose: str
    kind: Literal["weights", "diffusion", "adapter", "folder"]
    state: str
    size: int
    licence: str
    path: str
    url: str
    fetchable: bool
    begun: int = 0
    problems: tuple[str, ...] = ()
    auto: bool = False
    offline: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


class ModelsApi:
    """The desk behind the Models tab and ``launch.py models``; it works without a project too."""

    def __init__(self, project: Project | None, jobs: JobRunner | None) -> None:
        self._project = project
        self._jobs = jobs

    @staticmethod
    def folder() -> Path:
        """Where weight files and model folders are put; FLAWSMITH_MODELS moves it."""
        return weights.models_dir()

    @staticmethod
    def automatic_model() -> str:
        """Which diffusion model ``auto`` means now, or why none, in one line."""
        source = model_folders.resolve_auto()
        if not isinstance(source, ModelSource):
            return source
        title = KNOWN_MODELS[source.name].title if source.name in KNOWN_MODELS else source.name
        return f"{title}, {source.path}"

    def status(self) -> list[ModelRow]:
        """One row per known diffusion model, in the order ``auto`` looks for them, then one per weight file."""
        return [_folder_row(s) for s in model_folders.status()] + [_weights_row(status) for status in weights.status()]

    def folders(self) -> list[ModelRow]:
        """One row per model that was put into the models folder by hand: those that draw, then those that answer
        clicks or find words."""
        drawing = [_found_row(one, "diffusion") for one in found_models()]
        adapters = [_found_row(one, "adapter") for one in found_adapters()]
        return drawing + adapters + [_model_folder_row(one) for one in folder_models()]

    def fetch(
        self,
        name: str,
        progress: Steps | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Path:
        """Bring a weight file or the folder of a diffusion model, checked by its sha256; returns where it is.

        ``progress(bytes, total)``. Unavailable says what to do offline; NotFound names what there is.
        """
        _title_of(name)
        return (hub.fetch if name in KNOWN_MODELS else weights.fetch)(name, progress, cancelled)

    def start_fetch(self, name: str) -> str:
        """``fetch`` in the background of an open project; it reports in megabytes."""
        assert self._jobs is not None, "a desk without a project has no background"
        title = _title_of(name)

        def work(control: JobControl) -> dict[str, Any]:
            progress = lambda done, total: control.progress(  # noqa: E731
                megabytes(done), megabytes(total), message=f"MB of {title}"
            )
            return {"path": str(self.fetch(name, progress, control.cancelled))}

        return self._jobs.submit("fetch", f"Fetch {title}", work)

    def verify(self, name: str) -> ModelRow:
        """Check a weight file against its sha256, or a model's folder file by file."""
        _title_of(name)
        return _folder_row(model_folders.verify(name)) if name in KNOWN_MODELS else _weights_row(weights.verify(name))


def megabytes(size: int) -> int:
    """Whole megabytes, rounded up: all of something is never shown as less."""
    return -(-size // 1_000_000)


def _title_of(name: str) -> str:
    """The title of ``name``."""
    titles = {row: known.title for row, known in KNOWN_MODELS.items()} | {
        w.name: w.title for w in weights.CATALOGUE.values()
    }
    return named(titles, name, "model")


def _weights_row(status: weights.WeightStatus) -> ModelRow:
    w = status.weights
    size = status.size or w.size
    shipped = f"comes with Flawsmith: copy assets/models/{w.file} of another copy of Flawsmith to {status.path}"
    todo = f"on a machine with internet open {w.url} and put the file as {status.path}" if w.url else shipped
    return ModelRow(
        w.name,
        w.title,
        w.purpose,
        "weights",
        status.state,
        size,
        w.licence,
        str(status.path),
        w.url,
        bool(w.url),
        offline="" if status.state == "present" else todo,
    )


def _model_folder_row(one: FolderModel) -> ModelRow:
    url = f"https://huggingface.co/{one.repo}" if one.repo else ""
    get = f"`hf download {one.repo} --local-dir {one.name}`"
    todo = f"on a machine with internet run {get} and put the folder as {one.path}"
    return ModelRow(
        one.name,
        one.title,
        one.purpose,
        "folder",
        "missing" if not one.present else "incomplete" if one.problem else "present",
        one.size,
        one.licence,
        str(one.path),
        url,
        False,
        problems=(one.problem,) if one.problem else (),
        offline="" if one.present else todo,
    )


def _found_row(one: FoundModel, kind: Literal["diffusion", "adapter"]) -> ModelRow:
    return ModelRow(
        one.name,
        one.title,
        one.purpose,
        kind,
        "incomplete" if one.problem else "present",
        one.size,
        "yours to know",
        str(one.path),
        "",
        False,
        problems=(one.problem,) if one.problem else (),
    )


def _folder_row(status: model_folders.FolderStatus) -> ModelRow:
    k = status.known
    return ModelRow(
        k.name,
        k.title,
        k.purpose,
        "diffusion",
        status.state,
        status.size,
        k.licence,
        str(status.path),
        f"https://huggingface.co/{k.repo}" if k.repo else "",
        k.repo is not None,
        status.partial_size,
        status.problems,
        status.auto,
        "" if status.state == "present" else model_folders.offline_advice(k),
    )
