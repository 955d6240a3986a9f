"""The numbers that the papers print, and those that others got with the authors' data, from ``published.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from core.errors import NotFound

FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper: the method's own column for each of ``metrics``, in the table's ``unit``.

    ``products`` are its rows, ``mean`` its printed last line, ``rerun`` the same line by others, who are named in
    ``rerun_by``. ``ablation`` are the rows of a table that takes parts of the method away. ``where`` is page or
    section.
    """

    table: str
    title: str
    metrics: tuple[str, ...]
    unit: str
    where: str
    products: Mapping[str, tuple[float, ...]]
    mean: tuple[float, ...]
    rerun: tuple[float, ...] = ()
    rerun_by: str = ""
    ablation: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class PublishedPaper:
    """A paper's name and its tables."""

    paper: str
    tables: tuple[PublishedTable, ...]

    def table(self, number: str) -> PublishedTable:
        """The table of that number; NotFound names those there are."""
        for one in self.tables:
            if one.table == number:
                return one
        raise NotFound(f"--table {number}: of {self.paper} there are {', '.join(t.table for t in self.tables)}")


@cache
def published() -> Mapping[str, PublishedPaper]:
    """Every paper by its method's name."""
    return {
        name: PublishedPaper(paper["paper"], tuple(map(_table, paper["tables"])))
        for name, paper in json.loads(FILE.read_text()).items()
    }


def _table(raw: Mapping[str, object]) -> PublishedTable:
    rerun = raw.get("rerun")
    more = {"rerun": rerun["values"], "rerun_by": rerun["by"]} if isinstance(rerun, dict) else {}
    return TypeAdapter(PublishedTable).validate_python({**raw, **more})
