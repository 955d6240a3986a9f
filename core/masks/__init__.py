"""Masks: run lengths, morphology, GAA's perturbation, shapes, and where on a part they may lie."""
