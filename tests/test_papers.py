"""docs/papers.md names code that is there; the published numbers are those of the tables they say."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from core.bench.paper.published import published

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "papers.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:core|tests)/[\w/]+\.py):(\w+)`", PAGE)))


@cache
def names_in(path: str) -> set[str]:
    """What a module defines at its top."""
    found: set[str] = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_name_on_the_page_is_there(path: str, name: str) -> None:
    assert name in names_in(path), f"docs/papers.md: {path} has no {name}; what is it called now?"


def test_every_equation_of_every_paper_is_on_the_page() -> None:
    papers = dict(re.findall(r"^## (AnomalyDiffusion|GAA|DualAnoDiff|ComGEN) .*?\n(.*?)(?=^## )", PAGE, re.M | re.S))
    for paper, last in (("AnomalyDiffusion", 10), ("GAA", 7), ("DualAnoDiff", 6), ("ComGEN", 12)):
        said: set[int] = set()
        for one, other, through in re.findall(r"eqs?\. (\d+)(?: and (\d+))?(?: to (\d+))?", papers[paper]):
            said |= set(range(int(one), int(through) + 1)) if through else {int(one), int(other or one)}
        missing = set(range(1, last + 1)) - said
        # Eq. 1 of GAA and DualAnoDiff is the diffusion loss that every one of them starts from.
        assert missing <= {1}, f"{paper}: {sorted(missing)}"
    assert len(NAMED) > 70


def test_printed_means_are_those_of_their_columns_where_nothing_else_is_said() -> None:
    for paper in published().values():
        for table in paper.tables:
            assert all(len(row) == len(table.metrics) for row in [*table.products.values(), table.mean])
            for place in range(len(table.metrics)) if table.products else ():
                mean = sum(row[place] for row in table.products.values()) / len(table.products)
                near = 0.006 if not table.unit else 0.11
                assert abs(mean - table.mean[place]) <= near or table.note, (paper.paper, table.table, mean)
            assert all(len(row) == len(table.metrics) for row in table.ablation.values())
            assert len(table.rerun) in (0, len(table.metrics)) and bool(table.rerun) == bool(table.rerun_by)


def test_a_table_that_is_not_there_names_those_that_are() -> None:
    assert published()["gaa"].table("2").products["carpet"][1] == 86.3
    with pytest.raises(Exception, match="there are 1, 2, 3, 5"):
        published()["gaa"].table("9")
