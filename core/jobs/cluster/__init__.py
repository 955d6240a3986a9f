"""A batch made on a cluster of machines: what is to be made, by whom, and what to do when one goes away.

Ray is imported in ray_cluster.py alone; the rest works on whatever gives nodes and workers.
"""
