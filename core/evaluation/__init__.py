"""How good the pairs are, in numbers: metrics, detectors trained on them, and results that can be kept and compared.

A room of this folder measures one thing and returns an ``EvalResult``; nothing here loads torch at import.
"""

from core.evaluation.results import Curve, EvalResult, Picture, SavedResult, list_results, load_result, save_result

__all__ = ["Curve", "Picture", "EvalResult", "SavedResult", "list_results", "load_result", "save_result"]
