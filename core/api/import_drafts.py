"""Imports that a person looks at before they are done: found, corrected, imported or given up."""

from __future__ import annotations

import hashlib
import shutil
import threading
import uuid
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import FlawsmithError, NotFound
from core.images import cached_file
from core.importers.corrections import READINGS, Correction, Corrections, Reading
from core.importers.plan import ImportPlan
from core.jobs.early_reading import EarlyReading
from core.jobs.import_draft import FolderRow, ImportDraft, LabelRow
from core.jobs.import_images import plan_import, run_plan
from core.jobs.kept_looks import KeptLooks
from core.jobs.project_photos import project_photos
from core.jobs.runner import JobControl, JobRunner
from core.progress import saying
from core.store import Project

__all__ = [
    "READINGS",
    "Correction",
    "Corrections",
    "FolderRow",
    "ImportDraft",
    "ImportDraftsApi",
    "LabelRow",
    "Reading",
]

MAX_ODD_PICTURES = 60
"""Small pictures of photos to look at; of more only the names are shown."""


class ImportDraftsApi:
    """What *Import* shows before it imports. Each step is a job, since many photos take their time."""

    def __init__(self, project: Project, jobs: JobRunner) -> None:
        self._project = project
        self._jobs = jobs
        self._drafts: dict[str, ImportDraft] = {}
        self._lock = threading.Lock()

    def start(self, source: Path | Sequence[Path], anomalies: Path | None = None) -> tuple[str, str]:
        """Look at a source in the background; the ids of the draft, which is there when the job has ended, and of the
        job."""
        draft_id = uuid.uuid4().hex

        def work(control: JobControl) -> dict[str, Any]:
            draft = self._draft(plan_import(source, anomalies=anomalies))
            try:
                self._apply(draft, draft_id, Corrections(), control)
            except BaseException:
                draft.close()
                raise
            with self._lock:
                self._drafts[draft_id] = draft
            return {"message": "look at what was found, then import it"}

        title = f"Look at {source.name if isinstance(source, Path) else 'photos'}"
        return draft_id, self._jobs.submit("look", title, work, lane="studio")

    def _draft(self, plan: ImportPlan) -> ImportDraft:
        return ImportDraft(plan, partial(project_photos, self._project), self._project.depth_scales())

    def get(self, draft_id: str) -> ImportDraft | None:
        """The draft, None before it is there and after it was imported or given up."""
        with self._lock:
            return self._drafts.get(draft_id)

    def start_change(self, draft_id: str, said: Corrections) -> str:
        """Read the source as a person says, in the background; the job's id. A mistake ends the job with its line."""
        draft = self._required(draft_id)

        def work(control: JobControl) -> dict[str, Any]:
            self._apply(draft, draft_id, said, control)
            return {}

        return self._jobs.submit("look", "Look again", work, lane="studio")

    def start_import(self, draft_id: str) -> str:
        """Import the draft in the background; the job's result is the report as a dict."""
        draft = self._required(draft_id)

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Reading photos")
            with closing(KeptLooks.of(self._project)) as looks:
                reading = EarlyReading(self._project, {}, looks)
                report = run_plan(self._project, draft.plan, draft.scales, reading, progress, control.cancelled)
                looks.forget()
            self.discard(draft_id)
            return report.as_dict()

        return self._jobs.submit("import", "Import photos", work, lane="studio")

    def discard(self, draft_id: str) -> None:
        """Give a draft up; one that is gone already is left so."""
        with self._lock:
            draft = self._drafts.pop(draft_id, None)
        if draft is not None:
            draft.close()
            shutil.rmtree(self._folder(draft_id), ignore_errors=True)

    def thumbnail(self, draft_id: str, name: str) -> Path | None:
        """A small picture of a file of the draft, made while it was looked at; None where there is none."""
        draft = self.get(draft_id)
        path = self._thumb(draft_id, draft, name) if draft else None
        return path if path is not None and path.is_file() else None

    def _apply(self, draft: ImportDraft, draft_id: str, said: Corrections, control: JobControl) -> None:
        with closing(KeptLooks.of(self._project)) as looks:
            draft.apply(said, saying(control.progress, "Looking at photos"), control.cancelled, looks)
        odd = [problem.path for problem in draft.report.odd[:MAX_ODD_PICTURES]]
        for name in dict.fromkeys([*odd, *(name for row in draft.folders() for name in row.pictures)]):
            try:
                cached_file(self._thumb(draft_id, draft, name), partial(draft.thumbnail, name))
            except FlawsmithError:
                continue  # it cannot be read, which the report says

    def _thumb(self, draft_id: str, draft: ImportDraft, name: str) -> Path:
        key = hashlib.sha256(f"{name}\n{draft.reading_of(name)}".encode()).hexdigest()[:24]
        return self._folder(draft_id) / f"{key}.jpg"

    def _folder(self, draft_id: str) -> Path:
        return self._project.cache_dir / "import" / draft_id

    def _required(self, draft_id: str) -> ImportDraft:
        draft = self.get(draft_id)
        if draft is None:
            raise NotFound("this import is not open any more: give its source again")
        return draft
