"""The façade: everything that the app and the command line may ask of the core.

    with Workbench.open(path) as bench:
        bench.photos.take_in(folder)
        bench.studio.generate(Batch(engine="cut_paste", label="crack", count=200, seed=1))
        bench.datasets.export("mvtec-ad", out)

One desk per tab: photos, regions, rules, concepts, studio, review, datasets, evaluations, weights; and shards for bulk
on several machines. Desks hold no state of a
browser session; they share the project, the warm pictures (``material``) and the background runner (``jobs``).
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from core.api.bank import BankApi
from core.api.concepts.library import ConceptsApi
from core.api.datasets import DatasetsApi
from core.api.depth import DepthApi
from core.api.evaluation.calibrations import CalibrationsApi
from core.api.evaluation.evaluations import EvaluationsApi
from core.api.loops import LoopsApi
from core.api.mask_library import MaskLibrary
from core.api.masks import MasksApi
from core.api.models import ModelsApi
from core.api.photos import PhotosApi
from core.api.regions import RegionsApi
from core.api.review import ReviewApi, ReviewRules
from core.api.rules import RulesApi
from core.api.shards import ShardsApi
from core.api.studio.studio import StudioApi
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch
from core.jobs.runner import JobRunner
from core.store import ExampleRow, NormalRow, Project, RegionRow, SampleFilter, SampleRow

__all__ = [
    "ExampleRow",
    "GenerationBatch",
    "NormalRow",
    "RegionRow",
    "ReviewRules",
    "SampleFilter",
    "SampleRow",
    "Workbench",
]


class Workbench:
    """A project on the table. Safe to share between the threads of one process."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.material = ProductData(project)
        self.jobs = JobRunner(project)
        self.depth = DepthApi(project, self.jobs, self._forget_photos)
        self.photos = PhotosApi(self.material, self.jobs)
        self.masks = MasksApi(self.material)
        self.mask_library = MaskLibrary(project)
        self.regions = RegionsApi(self.material, self.jobs)
        self.rules = RulesApi(self.material, self.jobs, self.regions.segmenter)
        self.concepts = ConceptsApi(self.material, self.jobs)
        self.studio = StudioApi(self.material, self.jobs)
        self.shards = ShardsApi(self.material)
        self.bank = BankApi(self.material)
        self.review = ReviewApi(self.material)
        self.datasets = DatasetsApi(self.material, self.jobs)
        self.evaluations = EvaluationsApi(self.material, self.jobs)
        self.calibrations = CalibrationsApi(self.material, self.jobs)
        self.loops = LoopsApi(self.material, self.jobs)
        self.weights = ModelsApi(project, self.jobs)

    @classmethod
    def open(cls, path: Path, for_reading: bool = False) -> Workbench:
        """The project in the folder ``path``, perhaps only to read it; StoreError if it is none."""
        return cls(Project.open(path, for_reading))

    @classmethod
    def create(cls, path: Path, name: str | None = None) -> Workbench:
        """A new, empty project in the folder ``path``; StoreError if something is there already."""
        return cls(Project.create(path, name))

    def _forget_photos(self) -> None:
        self.material.forget_photos()
        self.regions.forget_photos()

    @property
    def path(self) -> Path:
        """The project's folder."""
        return self.project.path

    def close(self) -> None:
        """Stop the jobs and close the project; nothing that was reported as stored is lost."""
        self.jobs.close()
        self.project.close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()
