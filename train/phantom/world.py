"""A world with a known answer: which findings occur together, and what a film shows of each.

Findings y in {0, 1}^14 follow a pairwise log-linear model (Ising),

    log p(y) = sum_i b_i y_i + sum_{i<j} J_ij y_i y_j - log Z,

small enough (2^14 = 16,384 states) to be summed over exactly. The film shows each finding at a
level e_i in [0, 1], drawn given y_i alone:

    nothing is drawn, e_i = 0, with probability 1 - s(y_i);
    else e_i has the density  a exp(a e) / (exp(a) - 1)  on (0, 1],  a = a(y_i).

Findings that are present may not show, and films without them carry faint look-alikes. The log
likelihood ratio log p(e_i | 1) / p(e_i | 0) is therefore one constant where nothing is drawn and a
straight line in the level where something is. With it the posterior of every finding, given the
levels of a film and any pins, is a sum over the states that agree with the pins: no approximation.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from lmeran.findings import FINDINGS, State, finding_index

PREVALENCE: tuple[float, ...] = (
    *(0.15, 0.12, 0.18, 0.18, 0.12, 0.12, 0.12),
    *(0.12, 0.12, 0.12, 0.10, 0.10, 0.12, 0.08),
)
"""Of each finding in the order of `FINDINGS`; rarer ones raised, so that a small set has enough."""

COUPLINGS: tuple[tuple[str, str, float], ...] = (
    ("Atelectasis", "Effusion", 1.1),
    ("Atelectasis", "Consolidation", 1.0),
    ("Atelectasis", "Pneumonia", 0.6),
    ("Atelectasis", "Infiltration", 0.5),
    ("Atelectasis", "Emphysema", 0.5),
    ("Atelectasis", "Hernia", 0.6),
    ("Atelectasis", "Edema", -0.5),
    ("Cardiomegaly", "Effusion", 1.6),
    ("Cardiomegaly", "Edema", 0.6),
    ("Cardiomegaly", "Mass", -0.6),
    ("Cardiomegaly", "Pneumothorax", -1.2),
    ("Effusion", "Consolidation", 0.8),
    ("Effusion", "Edema", 0.8),
    ("Effusion", "Pleural_Thickening", 0.8),
    ("Effusion", "Infiltration", 0.7),
    ("Effusion", "Mass", 0.7),
    ("Effusion", "Pneumothorax", 0.6),
    ("Infiltration", "Edema", 1.1),
    ("Infiltration", "Pneumonia", 0.9),
    ("Mass", "Nodule", 1.1),
    ("Mass", "Consolidation", 0.9),
    ("Mass", "Pleural_Thickening", 0.8),
    ("Mass", "Hernia", 0.6),
    ("Mass", "Emphysema", 0.5),
    ("Nodule", "Pleural_Thickening", 0.7),
    ("Nodule", "Fibrosis", 0.5),
    ("Pneumonia", "Edema", 2.6),
    ("Pneumonia", "Consolidation", 0.5),
    ("Pneumothorax", "Emphysema", 2.2),
    ("Pneumothorax", "Pleural_Thickening", 0.5),
    ("Pneumothorax", "Edema", -1.1),
    ("Edema", "Fibrosis", -0.7),
    ("Emphysema", "Pleural_Thickening", 0.5),
    ("Fibrosis", "Pleural_Thickening", 1.3),
)
"""J: log odds ratio of two findings, the other twelve given. Those of the labels of ChestX-ray14
(a logistic regression of each finding on the others, both directions averaged) of 0.5 or more."""


@dataclass(frozen=True)
class World:
    """The joint distribution of findings and levels; all of it fits in a JSON object.

    Args:
        prevalence: of each finding, (14,); the b_i follow from these
        couplings: pairs of findings and their J; pairs not named have none
        shown: s(0) and s(1), how often something is drawn
        slope: a(0) and a(1) of the levels' density
    """

    prevalence: tuple[float, ...] = PREVALENCE
    couplings: tuple[tuple[str, str, float], ...] = COUPLINGS
    shown: tuple[float, float] = (0.15, 0.70)
    slope: tuple[float, float] = (-2.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> World:
        """The inverse of `to_dict`; lists become tuples."""
        couplings = tuple((a, b, float(value)) for a, b, value in values["couplings"])
        others = {k: tuple(v) for k, v in values.items() if k != "couplings"}
        return cls(couplings=couplings, **others)

    @cached_property
    def states(self) -> np.ndarray:
        """Every y, float64 (16384, 14): row k holds the binary digits of k, lowest first."""
        rows = np.arange(2 ** len(FINDINGS))[:, None] >> np.arange(len(FINDINGS))
        return (rows & 1).astype(np.float64)

    @cached_property
    def coupling(self) -> np.ndarray:
        """J, symmetric float64 (14, 14) with a zero diagonal."""
        matrix = np.zeros((len(FINDINGS), len(FINDINGS)))
        for first, second, value in self.couplings:
            i, j = finding_index(first), finding_index(second)
            matrix[i, j] = matrix[j, i] = value
        return matrix

    @cached_property
    def log_prior(self) -> np.ndarray:
        """log p(y) of every row of `states`, float64 (16384,)."""
        pairs = np.einsum("si,ij,sj->s", self.states, self.coupling, self.states) / 2
        return log_softmax(pairs + self.states @ _biases(self.states, pairs, self.prevalence))


def log_likelihood_ratio(world: World, levels: np.ndarray) -> np.ndarray:
    """log p(e | present) / p(e | absent) of levels (..., 14) in [0, 1], the same shape."""
    absent, present = (
        np.where(
            levels > 0,
            np.log(shown * slope / np.expm1(slope)) + slope * levels,
            np.log1p(-shown),
        )
        for shown, slope in zip(world.shown, world.slope, strict=True)
    )
    return present - absent


def posteriors(world: World, levels: np.ndarray | None, pins: np.ndarray) -> np.ndarray:
    """Probability of each finding given a film's levels under S sets of pins, float64 (S, 14).

    Args:
        world: the joint distribution
        levels: e (14,) of the film; None for the labels alone, without any film
        pins: (S, 14) of `State` values; a pinned finding has probability 0 or 1
    """
    log_weight = world.log_prior
    if levels is not None:
        log_weight = log_weight + world.states @ log_likelihood_ratio(world, levels)
    weight = np.exp(log_weight - log_weight.max())
    # A state disagrees where it has a 1 at a negative pin or a 0 at a positive one.
    disagreements = (pins == State.NEGATIVE) @ world.states.T
    disagreements += (pins == State.POSITIVE) @ (1 - world.states).T
    agreeing = np.where(disagreements == 0, weight, 0.0)
    found = agreeing @ world.states / agreeing.sum(axis=1, keepdims=True)
    # A sum in floating point may miss the 1 of a positive pin by a rounding error.
    return np.where(pins == State.POSITIVE, 1.0, found)


def draw_labels(world: World, count: int, random: np.random.Generator) -> np.ndarray:
    """Findings of `count` films, float64 (count, 14), drawn exactly from p(y)."""
    rows = random.choice(len(world.states), size=count, p=np.exp(world.log_prior))
    return world.states[rows]


def draw_levels(world: World, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Levels of films with labels (N, 14), float64 (N, 14), by inversion of the distribution."""
    present = labels > 0.5
    shown = np.where(present, *world.shown[::-1])
    slope = np.where(present, *world.slope[::-1])
    chance, place = np.moveaxis(random.random((*labels.shape, 2)), -1, 0)
    # Four decimals are all that is written and drawn; a drawn finding never rounds to none.
    level = np.log1p(place * np.expm1(slope)) / slope
    return np.where(chance < shown, np.clip(level.round(4), 1e-4, 1.0), 0.0)


def _biases(states: np.ndarray, pairs: np.ndarray, prevalence: tuple[float, ...]) -> np.ndarray:
    """The b (14,) under which each finding is as frequent as it should be, by Newton's method."""
    wanted = np.array(prevalence)
    bias = np.log(wanted / (1 - wanted))
    for _ in range(200):
        weight = np.exp(log_softmax(pairs + states @ bias))
        found = weight @ states
        if np.abs(found - wanted).max() < 1e-12:
            return bias
        # Covariance of the findings: how each prevalence answers to each bias.
        answer = (states * weight[:, None]).T @ states - np.outer(found, found)
        step = np.linalg.solve(answer, wanted - found)
        bias += step / max(1.0, np.abs(step).max())
    raise ValueError("no biases give these prevalences with these couplings")
