"""What the tests of the four methods share: plates to learn from, and a toy model that their engines draw with."""

from tests.engines.conftest import toy_model
from tests.training.conftest import holes, normals

__all__ = ["holes", "normals", "toy_model"]
