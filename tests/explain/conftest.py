"""The film that most explanations are of."""

from __future__ import annotations

import pytest

from lmeran.predictor import EncodedRadiograph, Predictor
from tests.test_predictor import radiograph


@pytest.fixture(scope="session")
def film(predictor: Predictor) -> EncodedRadiograph:
    return predictor.encode(radiograph())
