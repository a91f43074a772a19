"""The checkpoint that comes with the program: small, measured, and conditioned by what is known."""

from __future__ import annotations

import pytest

from lmeran.checkpoint import WEIGHTS_FILE
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from lmeran.hub import BUNDLED, open_checkpoint

pytestmark = pytest.mark.skipif(
    not BUNDLED.is_dir(), reason="no bundled checkpoint in this checkout"
)


def test_it_loads_and_is_small_enough_for_the_repository() -> None:
    assert open_checkpoint().source == "bundled"
    assert (BUNDLED / WEIGHTS_FILE).stat().st_size <= 60 * 2**20


def test_its_facts_say_how_it_was_trained_and_how_well_it_does() -> None:
    checkpoint = open_checkpoint()
    assert checkpoint.training["train_images"] > 0
    assert LabelPrior.of(checkpoint) is not None
    scores = {score["known"]: score for score in checkpoint.metrics["test"]["scores"]}
    assert {0, 7} <= scores.keys()
    assert list(scores[0]["auc"]) == list(FINDINGS)
    assert scores[7]["mean_auc"] > scores[0]["mean_auc"] > 0.65


def test_its_card_is_of_these_weights() -> None:
    assert open_checkpoint().identity in (BUNDLED / "README.md").read_text()
