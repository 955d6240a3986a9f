"""How good the pairs are by themselves: believable, varied, with masks that fit, and not copied."""

from core.evaluation.generation.pairs import GeneratedPair, PairSet, read_pairs
from core.evaluation.generation.runner import evaluate_generation

__all__ = ["GeneratedPair", "PairSet", "evaluate_generation", "read_pairs"]
