"""A Ray cluster whose nodes are processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def nodes_of_one_machine(count: int, **node: Any) -> Iterator[Any]:
    """A head without a slot and ``count`` nodes of one CPU each, and what ``node`` says more.

    The test is skipped where Ray is not installed.
    """
    pytest.importorskip("ray", reason='Ray is not installed: pip install "ray[default]"')
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1, **node)
        yield cluster
    finally:
        cluster.shutdown()
