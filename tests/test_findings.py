from __future__ import annotations

import pytest

from lmeran.findings import FINDINGS, PinError, State, finding_index, parse_pins, states_of


def test_names_are_those_of_chestxray14_in_order() -> None:
    assert len(FINDINGS) == len(set(FINDINGS)) == 14
    assert FINDINGS[0] == "Atelectasis"
    assert FINDINGS[-1] == "Hernia"


@pytest.mark.parametrize("name", ["Pleural_Thickening", "pleural thickening", "PLEURAL-THICKENING"])
def test_a_finding_is_found_however_it_is_written(name: str) -> None:
    assert finding_index(name) == FINDINGS.index("Pleural_Thickening")


def test_pins_become_states_in_order() -> None:
    states = states_of(parse_pins(["Effusion=positive", "edema=Negative", "Mass=unknown"]))
    assert states[FINDINGS.index("Effusion")] == State.POSITIVE
    assert states[FINDINGS.index("Edema")] == State.NEGATIVE
    assert (states != State.UNKNOWN).sum() == 2


@pytest.mark.parametrize(
    "texts",
    [["Efusion=positive"], ["Effusion"], ["Effusion=yes"], ["Mass=negative", "mass=positive"]],
)
def test_a_bad_pin_is_refused_in_one_sentence(texts: list[str]) -> None:
    with pytest.raises(PinError) as caught:
        parse_pins(texts)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_pins_come_as_texts_or_by_name() -> None:
    expected = {"Effusion": State.POSITIVE, "Pleural_Thickening": State.NEGATIVE}
    assert parse_pins(["effusion=Positive", "Pleural Thickening=negative"]) == expected
    given = {"effusion": "positive", "Pleural Thickening": State.NEGATIVE, "Mass": "unknown"}
    assert parse_pins(given) == expected
    for wrong in ({"Effusion": 2}, {"Effusion": "yes"}, {"Lung": "positive"}):
        with pytest.raises(PinError):
            parse_pins(wrong)
    with pytest.raises(PinError, match="twice"):
        parse_pins({"Mass": "positive", "mass": "negative"})
