"""A project's split into real anomalies to learn from and to test on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from core.errors import InputError
from core.store.example_split import ExamplePart, ExampleSplit, SplitRule
from core.store.photos import EXAMPLE_SPLIT, PhotoStore
from core.store.rows import ExampleRow


class SplitStore(PhotoStore):
    """Who is learned from, and who is kept for the test."""

    def set_split(self, rule: SplitRule | None) -> ExampleSplit | None:
        """Split all real anomalies anew by ``rule``, None to have no split; InputError without any.

        A photo of several labels is learned from where one of them takes it.
        """
        with self.transaction():
            self.set_setting(EXAMPLE_SPLIT, None)
            if rule is None:
                return None
            rows = self.examples()
            if not rows:
                raise InputError("split: the project has no real anomalies; import some first")
            learned = _learned(rows, rule)
            return self._keep(ExampleSplit(rule, frozenset(_photo(row) for row in rows) - learned))

    def extend_split(self, ids: Iterable[str]) -> int:
        """Split the real anomalies ``ids``, which just came in, by the project's rule; return how many are for the
        test. Others stay in their part."""
        split, wanted = self.example_split(), set(ids)
        if split is None or not wanted:
            return 0
        before = [row for row in self.examples() if row.id not in wanted]
        known = {_photo(row) for row in before}
        rows = [row for row in self.examples() if row.id in wanted and _photo(row) not in known]
        fresh = {_photo(row) for row in rows} - _learned(rows, split.rule, before)
        self._keep(ExampleSplit(split.rule, split.test | fresh))
        return len(fresh)

    def move_example(self, id: str, part: ExamplePart) -> ExampleRow:
        """Put a real anomaly, with all on the same photo, into another part; InputError without a split."""
        split, row = self.example_split(), self.example_row(id)
        if split is None:
            raise InputError("the project has no split: set one first, for example --split 1/3")
        photo = {_photo(row)}
        self._keep(ExampleSplit(split.rule, split.test | photo if part == "test" else split.test - photo))
        return self.example_row(id)

    def _keep(self, split: ExampleSplit) -> ExampleSplit:
        self.set_setting(EXAMPLE_SPLIT, split.to_json())
        return split


def _learned(rows: Iterable[ExampleRow], rule: SplitRule, before: Iterable[ExampleRow] = ()) -> set[str]:
    """sha256 of the photos that ``rule`` learns from, where those ``before`` have their part already."""
    names: dict[str, dict[str, str]] = defaultdict(dict)
    known: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        names[row.label][f"{row.name}\n{row.id}"] = _photo(row)
    for row in before:
        known[row.label].append(row.part != "test")
    return {
        photos[name] for label, photos in sorted(names.items()) for name in rule.learned(photos, label, known[label])
    }


def _photo(row: ExampleRow) -> str:
    return row.path.stem
