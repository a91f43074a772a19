"""Everything the evaluation reads off a checkpoint, in one pass: the backbone sees each image once.

A scenario says which true labels a reader would have pinned. Each finding is scored while it is
unknown, under masks that depend on the image's name (`known_masks`), so that every
scenario is measured on the same cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from lmeran.checkpoint import Checkpoint
from lmeran.explain.influence import Influence, influence
from lmeran.findings import State
from lmeran.model.lmeran import Encoding, LMeRAN
from lmeran.predictor import Predictor
from train.data.index import Index
from train.evaluation.metrics import known_masks, seed_of
from train.evaluation.scoring import encodings

Which = Literal["all", "positive", "negative"]

ROWS_PER_PASS = 64
"""Sets of states of one image in one pass of the label branch."""


@dataclass(frozen=True)
class Scenario:
    """`known` of the 14 findings are known; of these the ones that are `which` are pinned, each
    with the wrong state with probability `wrong`."""

    known: int
    which: Which = "all"
    wrong: float = 0.0


FREE = Scenario(0)

KNOWN = (0, 3, 7, 10)
"""Known findings along the curve; training shows at most 10."""

WRONG = 0.1
"""Share of wrong pins in the arm that has some."""

SCENARIOS: tuple[Scenario, ...] = (
    FREE,
    *(
        Scenario(known, which, wrong)
        for known in KNOWN[1:]
        for which, wrong in (
            ("all", 0.0),
            ("positive", 0.0),
            ("negative", 0.0),
            ("all", WRONG),
        )
    ),
)
"""All that the measured checkpoint must be read under."""


@dataclass(frozen=True, eq=False)
class SinglePins:
    """What pinning one finding alone does to the others, on some of the images (S of them).

    rows: their positions in the index. free: probabilities (S, 14). positive, negative: change of
    probability p_j when i is pinned so, (S, 14, 14), row i, column j, NaN on the diagonal. See
    `lmeran.explain.influence.Influence`.
    """

    rows: np.ndarray
    free: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, moves: Mapping[int, Influence]) -> SinglePins:
        """From what pins do on each image, by its position in the index."""
        names = ("probability", "positive", "negative")
        stacked = (np.stack([getattr(found, name) for found in moves.values()]) for name in names)
        return cls(np.array(list(moves)), *stacked)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of one checkpoint on one index.

    probabilities: for each scenario float64 (N, 14), each made while that finding was unknown.
    single: None where no image was to be read with single pins.
    """

    checkpoint: Checkpoint
    probabilities: Mapping[Scenario, np.ndarray]
    single: SinglePins | None = None

    @property
    def free(self) -> np.ndarray:
        """With nothing known, (N, 14)."""
        return self.probabilities[FREE]

    def known(self, count: int) -> np.ndarray:
        """With `count` true labels known, (N, 14)."""
        return self.probabilities[Scenario(count)]

    @property
    def known_counts(self) -> tuple[int, ...]:
        """The counts `known` has, from 0 upward."""
        return tuple(sorted(s.known for s in self.probabilities if s == Scenario(s.known)))


def predict(
    checkpoint: Checkpoint,
    pixels: np.ndarray,
    index: Index,
    scenarios: Sequence[Scenario],
    single_rows: Sequence[int] = (),
    device: torch.device | str = "cpu",
    batch_size: int = 32,
    label: str = "predictions",
) -> Predictions:
    """All scenarios of every image, and single pins of the images `single_rows`.

    pixels: uint8 (N, S, S) of `cached_pixels`. Sets of states that several scenarios
    share (an image without a positive label has many) are read once.
    """
    predictor = Predictor(checkpoint, device)
    model = checkpoint.model
    probabilities = {s: np.zeros(index.labels.shape, dtype=np.float64) for s in scenarios}
    wanted, moves = set(single_rows), {}
    for rows, batch in encodings(model, pixels, batch_size, device, label=label):
        for row, encoding in zip(rows, batch.split(), strict=True):
            trials = [
                (scenario, mask, states)
                for scenario in scenarios
                for mask, states in trials_of(index.names[row], index.labels[row], scenario)
            ]
            states, which = np.unique([t[2] for t in trials], axis=0, return_inverse=True)
            logits = _logits(model, encoding, states, device)
            found = 1 / (1 + np.exp(-logits))
            for (scenario, mask, _), position in zip(trials, which, strict=True):
                probabilities[scenario][row, mask] = found[position][mask]
            if row in wanted:
                moves[int(row)] = influence(predictor, encoding, {})
    return Predictions(checkpoint, probabilities, SinglePins.of(moves) if moves else None)


def trials_of(
    name: str, labels: np.ndarray, scenario: Scenario
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(mask, states) of one image; each finding is scored where its mask is true.

    labels: (14,) of 0 and 1. The masks of an image say all its findings at least once; which of
    its labels would be wrong depends on its name alone, whatever else is known.
    """
    truth = np.where(labels > 0.5, int(State.POSITIVE), int(State.NEGATIVE))
    pinned = {
        "all": np.ones(len(labels), dtype=bool),
        "positive": truth == State.POSITIVE,
        "negative": truth == State.NEGATIVE,
    }[scenario.which]
    chance = np.random.default_rng(seed_of(f"wrong:{name}")).random(len(labels))
    wrong = chance < scenario.wrong
    given = np.where(wrong, int(State.POSITIVE) + int(State.NEGATIVE) - truth, truth)
    for mask in known_masks(name, len(labels), scenario.known):
        yield mask, np.where(mask | ~pinned, int(State.UNKNOWN), given)


def sample_rows(index: Index, most: int) -> list[int]:
    """At most `most` images, chosen by a hash of their names; all of them for 0."""
    if most <= 0 or most >= len(index):
        return list(range(len(index)))
    order = sorted(range(len(index)), key=lambda row: seed_of(f"sample:{index.names[row]}"))
    return sorted(order[:most])


def _logits(
    model: LMeRAN, encoding: Encoding, states: np.ndarray, device: torch.device | str
) -> np.ndarray:
    """Float64 logits (R, 14) of one image under states (R, 14)."""
    parts = []
    for start in range(0, len(states), ROWS_PER_PASS):
        rows = torch.from_numpy(states[start : start + ROWS_PER_PASS]).to(device)
        with torch.inference_mode():
            parts.append(model.condition(encoding.expand(len(rows)), rows).logits.double().cpu())
    return torch.cat(parts).numpy()
