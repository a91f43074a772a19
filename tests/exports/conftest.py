"""The film and the record that most tests of exports share."""

from __future__ import annotations

import pytest

from lmeran.exports.record import Record, record_of
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.support.readings import PINS, described_film


@pytest.fixture(scope="session")
def film() -> Radiograph:
    return described_film()


@pytest.fixture(scope="session")
def record(predictor: Predictor, film: Radiograph) -> Record:
    return record_of(predictor, film, predictor.encode(film), PINS, "Pleural thickening")
