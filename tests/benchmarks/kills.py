"""A training run killed 20 times ends in the weights of one that was not.

`python -m tests.benchmarks.kills [--kills 20]`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.conftest import make_data
from tests.support.killing import LONG, assert_same_run, killed_runs, quick_processes
from tests.support.killing import train_silently as train
from tests.support.training import config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    kills = parser.parse_args().kills
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
