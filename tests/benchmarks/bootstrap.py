"""Time of the patient bootstrap: 25,596 images x 14 findings x 2,000 resamples.

    python -m tests.benchmarks.bootstrap [--images 25596] [--patients 2797] [--resamples 2000]

Random labels with the prevalences of ChestX-ray14 and distinct random scores, which is the slowest
case (ties are summed at once). Prints wall and processor seconds from the drawing of the patients
to the intervals of every AUC and average precision and their means.
"""

from __future__ import annotations

import time

import numpy as np

from tests.support.benchmarking import options
from train.evaluation.bootstrap import draw, interval, mean_interval, resampled
from train.evaluation.metrics import auc_per_finding, average_precision, mean_auc

PREVALENCE = (0.103, 0.025, 0.119, 0.177, 0.052, 0.056, 0.013, 0.047, 0.042, 0.021, 0.022)
PREVALENCE += (0.015, 0.030, 0.002)


def main() -> None:
    given = options(__doc__, images=25596, patients=2797, resamples=2000)
    rng = np.random.default_rng(0)
    labels = rng.random((given.images, 14)) < PREVALENCE
    scores = rng.random((given.images, 14)) + 0.3 * labels
    patients = rng.integers(0, given.patients, given.images)

    wall, processor = time.perf_counter(), time.process_time()
    drawn = resampled(labels, scores, draw(patients, given.resamples))
    values = auc_per_finding(labels, scores)
    bounds = [interval(v, drawn.auc[:, i]) for i, v in enumerate(values)]
    for i in range(labels.shape[1]):
        interval(average_precision(labels[:, i], scores[:, i]), drawn.average_precision[:, i])
    mean = mean_interval(mean_auc(values), drawn.auc)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor

    print(f"{given.images} images x {labels.shape[1]} findings x {given.resamples} resamples")
    print(f"{wall:.1f} s, {processor:.1f} s of processor time")
    print(f"first AUC {bounds[0].value:.4f} ({bounds[0].low:.4f} to {bounds[0].high:.4f})", end="")
    print(f", mean {mean.value:.4f} ({mean.low:.4f} to {mean.high:.4f})")


if __name__ == "__main__":
    main()
