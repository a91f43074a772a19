"""One film's explanation put together: why the numbers are what they are under these pins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lmeran.explain.attention_split import AttentionSplit, attention_split
from lmeran.explain.caveats import Caveat, caveats, prevalence_of
from lmeran.explain.decomposition import LogitDecomposition, decompose_logits
from lmeran.explain.influence import Influence, NextFinding, influence, next_findings
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, Pins, State, pin_words, pins_of
from lmeran.predictor import EncodedRadiograph, Predictor, Reading
from lmeran.serialize import plain, reading_object


@dataclass(frozen=True, eq=False)
class Explanation:
    """All of it for one film and one set of pins; see the modules the parts come from.

    next_by_change, next_by_entropy: the unknown findings by either criterion, best first.
    prior: None where the checkpoint does not hold its training labels.
    attention: last layer, mean of the heads, with the pins; None for a model without attention.
    """

    pins: Pins
    reading: Reading
    decomposition: LogitDecomposition
    influence: Influence
    next_by_change: list[NextFinding]
    next_by_entropy: list[NextFinding]
    prior: LabelPrior | None
    caveats: tuple[Caveat, ...]
    attention: AttentionSplit | None


def explain(predictor: Predictor, film: EncodedRadiograph, pins: Pins) -> Explanation:
    """Explain the reading of one encoded film under one set of pins."""
    reading = predictor.read(film, pins)
    moves = influence(predictor, film.encoding, pins)
    prior = LabelPrior.of(predictor.checkpoint)
    return Explanation(
        pins=pins,
        reading=reading,
        decomposition=decompose_logits(predictor, film, pins),
        influence=moves,
        next_by_change=next_findings(moves, "expected change"),
        next_by_entropy=next_findings(moves, "expected entropy reduction"),
        prior=prior,
        caveats=caveats(reading, prior, prevalence_of(predictor.checkpoint, prior)),
        attention=attention_split(reading.attention),
    )


def explain_object(
    file: str, predictor: Predictor, film: EncodedRadiograph, pins: Pins, warnings: tuple[str, ...]
) -> dict[str, Any]:
    """`explain` as `explanation_object` has it."""
    given = explain(predictor, film, pins)
    return explanation_object(file, predictor.checkpoint.identity, given, warnings)


def explanation_object(
    file: str, checkpoint: str, given: Explanation, warnings: tuple[str, ...]
) -> dict[str, Any]:
    """Plain JSON values; null wherever a pinned finding has no meaning. warnings: of the film.

    The keys of `reading_object` mean the same here; each finding also has its "decomposition" and
    what each pin did, in logits.
    """
    base = reading_object(file, checkpoint, given.reading, warnings)
    return {
        "file": base["file"],
        "checkpoint": base["checkpoint"],
        "warnings": base["warnings"],
        "pins": pin_words(pins_of(given.reading.states)),
        "findings": [
            entry | _decomposition_entry(given.decomposition, i)
            for i, entry in enumerate(base["findings"])
        ],
        "influence": {
            "positive": plain(given.influence.positive),
            "negative": plain(given.influence.negative),
        },
        "next": [_rounded(asdict(entry)) for entry in given.next_by_change],
        "next_by_entropy": [_rounded(asdict(entry)) for entry in given.next_by_entropy],
        "label_only": _label_only(given),
        "flags": [asdict(caveat) for caveat in given.caveats],
        "attention": attention_shares(given.attention, given.reading),
        "error": base["error"],
    }


def _decomposition_entry(decomposition: LogitDecomposition, i: int) -> dict[str, Any]:
    """The decomposition of finding i; of a pinned finding its free part alone."""
    pinned = decomposition.states[i] != State.UNKNOWN
    errors = decomposition.per_pin_error
    return {
        "decomposition": {
            part: plain(getattr(decomposition, part)[i])
            for part in ("bias", "image", "label_free", "free_logit", "shift", "logit")
        },
        "per_pin": None if pinned else _by_pin(decomposition, decomposition.per_pin[:, i]),
        "per_pin_error": None if pinned or errors is None else _by_pin(decomposition, errors[:, i]),
        "method": decomposition.method,
    }


def _by_pin(decomposition: LogitDecomposition, values: np.ndarray) -> dict[str, float]:
    return dict(zip(decomposition.pins, plain(values), strict=True))


def _label_only(given: Explanation) -> dict[str, Any] | None:
    """What the pins alone say, and "counted": the free reading moved by "weight" of it."""
    prior = given.prior
    if prior is None:
        return None
    alone = prior.probabilities(given.pins)
    return {
        "description": prior.description,
        "films": prior.seen(given.pins),
        "probabilities": plain(alone),
        "counted": plain(prior.counted(given.reading.free, alone)),
        "weight": prior.used_weight,
        "weight_fitted": prior.weight is not None,
    }


def attention_shares(split: AttentionSplit | None, reading: Reading) -> dict[str, Any] | None:
    """By finding: shares of its token's attention, summing to 1; null where it is pinned."""
    if split is None:
        return None
    shares: dict[str, Any] = {}
    for i, finding in enumerate(FINDINGS):
        others = {FINDINGS[j]: plain(split.labels[i, j]) for j in range(len(FINDINGS)) if j != i}
        own, image = plain(split.labels[i, i]), plain(split.image[i])
        pinned = reading.states[i] != State.UNKNOWN
        shares[finding] = None if pinned else {"image": image, "own": own, "labels": others}
    return shares


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: plain(v) if isinstance(v, float) else v for k, v in entry.items()}
