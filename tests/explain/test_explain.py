"""Where attention goes, the explanation as plain data, and `python -m lmeran explain`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lmeran.checkpoint import save_checkpoint
from lmeran.cli.main import main
from lmeran.explain.attention_split import attention_split
from lmeran.explain.decomposition import decompose_logits
from lmeran.explain.explain import explain_object
from lmeran.findings import FINDINGS, Pins, State
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import lively_model, small_config
from tests.explain.test_decomposition import PINS, SEVEN, predictor_of
from tests.explain.test_label_prior import label_matrix, sets_of
from tests.test_predictor import radiograph

N = len(FINDINGS)


@pytest.fixture(scope="module")
def counted(predictor: Predictor) -> Predictor:
    """The same model, whose checkpoint holds the label sets of its training."""
    training = {"label_sets": sets_of(label_matrix())}
    return Predictor(dataclasses.replace(predictor.checkpoint, training=training))


@pytest.mark.parametrize("layer", [1, 2, 3, None])
@pytest.mark.parametrize("head", [1, 4, None])
def test_a_tokens_attention_splits_into_image_and_labels(
    predictor: Predictor, film: EncodedRadiograph, layer: int | None, head: int | None
) -> None:
    attention = predictor.read(film, PINS).attention
    split = attention_split(attention, layer, head)
    chosen = attention[(layer or 3) - 1]
    alpha = chosen.mean(0) if head is None else chosen[head - 1]
    for i in range(N):
        assert split.image[i] + split.labels[i].sum() == pytest.approx(1, abs=1e-5)
        assert split.image[i] == pytest.approx(alpha[i, :9].sum(), abs=1e-6)
        for j in range(N):
            assert split.labels[i, j] == pytest.approx(alpha[i, 9 + j], abs=1e-6)
    assert (split.layer, split.head) == (layer or 3, head)


def test_a_layer_the_model_has_not_is_refused(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    with pytest.raises(ValueError, match="layers 1 to 3"):
        attention_split(predictor.read(film, {}).attention, layer=9)


def strict_json(given: dict) -> dict:
    """Through JSON and back; NaN is refused."""
    return json.loads(json.dumps(given, allow_nan=False))


def test_the_explanation_is_plain_data_that_agrees_with_its_parts(
    counted: Predictor, film: EncodedRadiograph
) -> None:
    made = strict_json(explain_object("a.png", counted, film, PINS, ("a warning",)))
    reading, decomposition = counted.read(film, PINS), decompose_logits(counted, film, PINS)
    assert (made["file"], made["warnings"], made["error"]) == ("a.png", ["a warning"], None)
    assert made["checkpoint"] == counted.checkpoint.identity
    assert made["pins"] == {"Effusion": "positive", "Mass": "negative", "Edema": "positive"}
    assert [entry["finding"] for entry in made["findings"]] == list(FINDINGS)
    for i, entry in enumerate(made["findings"]):
        parts = entry["decomposition"]
        assert entry["method"] == "exact"
        assert entry["per_pin_error"] is None
        free = parts["bias"] + parts["image"] + parts["label_free"]
        assert free == pytest.approx(parts["free_logit"], abs=1e-5)
        assert 1 / (1 + np.exp(-free)) == pytest.approx(entry["free"], abs=1e-5)
        if entry["finding"] in PINS:
            assert entry["conditioned"] is entry["per_pin"] is None
            assert parts["shift"] is parts["logit"] is None
            continue
        assert free + parts["shift"] == pytest.approx(parts["logit"], abs=1e-5)
        assert 1 / (1 + np.exp(-parts["logit"])) == pytest.approx(entry["conditioned"], abs=1e-5)
        assert list(entry["per_pin"]) == list(decomposition.pins)
        assert sum(entry["per_pin"].values()) == pytest.approx(parts["shift"], abs=1e-5)
        assert reading.shift[i] * parts["shift"] > 0
    for matrix in made["influence"].values():
        assert [len(row) for row in matrix] == [N] * N
        assert all(matrix[i][i] is None for i in range(N))
    assert {n["criterion"] for n in made["next"]} == {"expected change"}
    assert {n["criterion"] for n in made["next_by_entropy"]} == {"expected entropy reduction"}
    assert len(made["next"]) == N - len(PINS)
    label_only = made["label_only"]
    assert "400 training films" in label_only["description"]
    for key in ("probabilities", "counted"):
        for finding, p in zip(FINDINGS, label_only[key], strict=True):
            assert (p is None) == (finding in PINS)
    assert (label_only["weight"], label_only["weight_fitted"]) == (0.5, False)
    for finding, shares in made["attention"].items():
        if finding in PINS:
            assert shares is None
            continue
        assert finding not in shares["labels"]
        total = shares["image"] + shares["own"] + sum(shares["labels"].values())
        assert total == pytest.approx(1, abs=1e-4)
        pinned = attention_split(reading.attention).image[FINDINGS.index(finding)]
        assert shares["image"] == pytest.approx(pinned, abs=1e-5)


def test_sampled_shares_come_with_their_error(counted: Predictor, film: EncodedRadiograph) -> None:
    made = strict_json(explain_object("a.png", counted, film, SEVEN, ()))
    entry = made["findings"][-1]
    assert entry["method"] == "sampled"
    assert list(entry["per_pin_error"]) == list(entry["per_pin"]) == list(FINDINGS[:7])
    assert made["findings"][0]["per_pin_error"] is None
    assert "rarely seen together" in [flag["kind"] for flag in made["flags"]]


@pytest.mark.parametrize("pins", [{}, PINS, dict.fromkeys(FINDINGS, State.NEGATIVE)], ids=len)
@pytest.mark.parametrize("branch", ["none", "embedding"])
def test_models_without_attention_are_explained_too(branch: str, pins: Pins) -> None:
    predictor = predictor_of(small_config(label_branch=branch))
    made = strict_json(explain_object("a.png", predictor, predictor.encode(radiograph()), pins, ()))
    assert made["attention"] is None
    assert made["label_only"] is None
    for entry in made["findings"]:
        if entry["finding"] not in pins and branch == "none":
            assert entry["decomposition"]["shift"] == 0


def test_the_command_line_writes_one_object_a_film_and_a_bad_file_is_an_object(
    capsys: pytest.CaptureFixture[str], film_file: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    bad, out = tmp_path / "bad.png", tmp_path / "out.jsonl"
    bad.write_bytes(b"not a film")
    common = ["explain", "--checkpoint", str(checkpoint_folder), "--pin", "Effusion=positive"]
    assert main([*common, str(film_file)]) == 0
    film = json.loads(capsys.readouterr().out)
    assert film["pins"] == {"Effusion": "positive"}
    assert len(film["findings"]) == N
    assert main([*common, str(film_file), str(bad), "--out", str(out)]) == 1
    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert first == film
    assert second["file"] == str(bad)
    assert second["error"]
    assert second["findings"] == []


def test_a_checkpoint_with_damaged_label_sets_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], film_file: Path, tmp_path: Path
) -> None:
    model = lively_model(small_config(label_branch="none"))
    save_checkpoint(tmp_path / "c", model, {"label_sets": {"Efusion": 1}}, {})
    status = main(["explain", str(film_file), "--checkpoint", str(tmp_path / "c")])
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert "label sets are damaged: 'Efusion'" in captured.err
