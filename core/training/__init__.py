"""What learning shares: training samples, the loop, low-rank adapters, learned words, and checkpoints of concepts."""
