"""Photos, real anomalies and their masks from whatever lies on the disk: what is there, and what is what.

``scan`` looks at names and plans; ``formats`` has one file per layout or annotation format.
"""

from core.importers.plan import Anomaly, DrawnMask, GoodPhoto, ImportPlan, Unmasked
from core.importers.scan import scan, scan_anomalies
from core.importers.source_entry import Problem, SourceEntry
from core.importers.words import safe_label

__all__ = [
    "Anomaly",
    "DrawnMask",
    "GoodPhoto",
    "ImportPlan",
    "Problem",
    "SourceEntry",
    "Unmasked",
    "safe_label",
    "scan",
    "scan_anomalies",
]
