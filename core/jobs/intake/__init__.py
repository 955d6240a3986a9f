"""Photos and real anomalies into a project, from a folder, a zip, files or a dataset's layout."""

from core.jobs.intake.entries import Problem
from core.jobs.intake.plan import Plan, safe_label, scan, scan_anomalies
from core.jobs.intake.work import IntakeReport, take_in

__all__ = ["IntakeReport", "Plan", "Problem", "safe_label", "scan", "scan_anomalies", "take_in"]
