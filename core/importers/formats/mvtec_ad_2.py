"""MVTec AD 2: a public test with masks, and private ones whose masks nobody has."""

from __future__ import annotations

from core.importers.importer import Importer
from core.importers.plan import ImportPlan
from core.importers.source_tree import SourceTree
from core.importers.split_layout import SplitRules, read_split

_PRIVATE = "a private test photo: whether it is good is not published"


class MvtecAd2Importer(Importer):
    """``train/good``, ``validation/good``, ``test_public/{good,bad,ground_truth/bad}``, ``test_private*``."""

    name = "mvtec-ad-2"
    title = "MVTec AD 2"
    reads = "train, validation and the public test; the private tests are left out and said"

    def detect(self, tree: SourceTree) -> float:
        return 0.95 if tree.has("test_public") else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        private = {f for f in (e.folded[0] for e in tree.entries if e.folded) if f.startswith("test_private")}
        builder = read_split(tree, SplitRules(self.name, left_out=dict.fromkeys(private, _PRIVATE)))
        if private:
            builder.notes.append(f"{', '.join(sorted(private))} left out: whether a photo is good is not published")
        return builder.plan(tree)
