"""Trains and publishes mini-click: ``python -m tools.mini_click train --work DIR --minutes 35``, then ``publish``."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.mini_click", description=__doc__)
    parser.add_argument("what", choices=("train", "publish"))
    parser.add_argument("--work", type=Path, required=True, help="checkpoint, log and sheets; a stopped run goes on")
    parser.add_argument("--minutes", type=float, default=35.0, help="train: of work in all, over restarts")
    parser.add_argument(
        "--start", type=Path, help="train: shipped weights to go on from, e.g. assets/models/mini-click"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "train":
        from tools.mini_click.train import Plan, train

        # Weights that are warm need no rate that tears them apart.
        rates = {"peak": 0.003, "peak_rest": 5e-4} if given.start is not None else {}
        train(given.work, Plan(given.minutes, given.seed, start=given.start, **rates))
    else:
        from tools.mini_click.publish import publish

        publish(given.work)


if __name__ == "__main__":
    main()
