"""A training run killed 20 times ends in the weights of one that was not.

`python -m tests.benchmarks.kills [--kills 20]`
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.conftest import make_data
from tests.support.benchmarking import options
from tests.support.killing import LONG, assert_same_run, killed_runs, quick_processes
from tests.support.killing import train_silently as train
from tests.support.training import config


def main() -> None:
    kills = options(__doc__, kills=20).kills
    with tempfile.TemporaryDirectory() as folder:
        data, whole = Path(folder) / "data", Path(folder) / "whole"
        make_data(data)
        train(config(**LONG), data, whole)
        runs = killed_runs(quick_processes(), data, Path(folder), kills)
        for run in runs:
            assert_same_run(whole, run)
    print(f"{kills} kills in {len(runs)} runs: the same weights, bit for bit")


if __name__ == "__main__":
    main()
