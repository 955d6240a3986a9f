"""The four papers, a folder each: engine, training, sampling, equations and settings. Only registries import it."""
