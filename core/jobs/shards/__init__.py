"""A batch made in shards, on as many machines as one likes, and merged into the project by one writer.

Seeds derive from the batch's seed, the sample's index and the attempt, so a sample is the same wherever it is made.
"""
