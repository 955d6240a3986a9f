"""How good the pairs are by themselves: believable, varied, with masks that fit, and not copied."""

from core.evaluate.generation.pairs import Pair, Taken, read_pairs
from core.evaluate.generation.run import evaluate_generation

__all__ = ["Pair", "Taken", "evaluate_generation", "read_pairs"]
