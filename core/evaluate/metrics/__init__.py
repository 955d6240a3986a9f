"""Exact metrics of score maps."""
