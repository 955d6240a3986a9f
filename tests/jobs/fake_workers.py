"""What a worker process runs in tests, in a module that is quick to import: the process imports it anew."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any


def dies_over_three(pipe: Connection, path: Any, batch: Any) -> None:
    """A worker that answers with each index and its place, and dies over index 3."""
    pipe.send("opened")
    while True:
        indices = pipe.recv()
        if 3 in indices:
            os._exit(9)
        pipe.send([f"{index} at {os.environ['FLAWSMITH_TEST_PLACE']}" for index in indices])


def dies_at_once(pipe: Connection, path: Any, batch: Any) -> None:
    os._exit(7)


def sleeps(pipe: Connection, path: Any, batch: Any) -> None:
    pipe.send("opened")
    pipe.recv()
    pipe.recv()
