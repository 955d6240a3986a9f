"""MVTec LOCO AD: the folder gives the kind, ``defects_config.json`` and the masks' values give the label."""

from __future__ import annotations

from core.errors import InputError
from core.images import isolated
from core.importers.importer import Importer
from core.importers.plan import ImportPlan
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree, json_of
from core.importers.split_layout import SplitRules, label_folders, looks_split, read_split
from core.types import Kind

CONFIG = "defects_config.json"
KINDS: dict[str, Kind] = {"logical_anomalies": "logical", "structural_anomalies": "structural"}


class MvtecLocoImporter(Importer):
    """``test/{logical,structural}_anomalies`` with one mask file per defect in ``ground_truth/<kind>/<stem>/``."""

    name = "mvtec-loco"
    title = "MVTec LOCO AD"
    reads = "kinds from the two folders, labels from `defects_config.json` and the masks' values, one mask per defect"

    def detect(self, tree: SourceTree) -> float:
        if not looks_split(tree):
            return 0.0
        two = label_folders(tree, "test", "ground_truth") & set(KINDS)
        return 0.9 if two or tree.get(CONFIG) else 0.0

    def plan(self, tree: SourceTree) -> ImportPlan:
        return self._plan(tree, keep_test_good=False)

    def plan_export(self, tree: SourceTree) -> ImportPlan:
        """The same with the good photos of the test, which an export took from the project."""
        return self._plan(tree, keep_test_good=True)

    def _plan(self, tree: SourceTree, keep_test_good: bool) -> ImportPlan:
        config = tree.get(CONFIG)
        names = _names(config) if config else {}

        def label_of(photo: SourceEntry, masks: tuple[SourceEntry, ...]) -> tuple[str, Kind]:
            folder = next((f for f in photo.folded if f in KINDS), photo.folders[-1])
            value = isolated.mask_top_value(masks[0].load(), masks[0].name) if names and masks else 0
            return names.get(value, folder), KINDS.get(folder, "structural")

        rules = SplitRules(self.name, keep_test_good=keep_test_good, label_of=label_of)
        builder = read_split(tree, rules)
        builder.annotations += [config] if config else []
        return builder.plan(tree)


def _names(config: SourceEntry) -> dict[int, str]:
    """Label by mask value; {} where one value stands for all."""
    try:
        names = {int(e["pixel_value"]): str(e["defect_name"]) for e in json_of(config)}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{config.name}: expected defect_name and pixel_value entries; repair it") from error
    return {} if set(names) == {255} and names[255] == "anomaly" else names
