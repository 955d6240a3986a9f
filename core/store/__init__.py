"""The store: one folder per project, SQLite beside content-addressed files."""

from core.store.example_split import ExamplePart, ExampleSplit, SplitRule
from core.store.files import StoredFile
from core.store.project import Project
from core.store.rows import (
    ExampleRow,
    JobRow,
    JobStatus,
    NormalRow,
    RegionRow,
    RegionSource,
    SampleFilter,
    SampleRow,
)

__all__ = [
    "ExamplePart",
    "ExampleRow",
    "ExampleSplit",
    "JobRow",
    "JobStatus",
    "NormalRow",
    "Project",
    "RegionRow",
    "RegionSource",
    "SampleFilter",
    "SampleRow",
    "SplitRule",
    "StoredFile",
]
