"""Engines: each makes one sort of anomaly. See base.py for what an engine is."""
