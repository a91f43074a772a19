"""Index, split, cache, metrics, and a whole small training that is killed and goes on."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError, Preprocessing
from lmeran.findings import FINDINGS
from tests.conftest import ROOT, film_pixels, lively_model, small_config
from train import fit as fit_module
from train.__main__ import main
from train.augment import augment
from train.config import TrainConfig
from train.fit import TrainingError, fit, learning_rate
from train.index import (
    DataError,
    label_sets,
    label_vector,
    read_index,
    source_offsets,
    split_by_patient,
)
from train.metrics import auc, auc_within, known_masks, mean_auc
from train.pixels import cached_pixels
from train.scoring import predict_index

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 small films of 20 patients; a bright corner means Effusion, which comes with Edema."""
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    rows = []
    rng = np.random.default_rng(0)
    for k in range(40):
        pixels = film_pixels(64, 64, k) // 2
        names = []
        if k % 3 == 0:
            pixels[40:, :24] += 100
            names = ["Effusion", "Edema"] if k % 2 else ["Effusion"]
        if rng.random() < 0.3:
            names.append("Mass")
        cv2.imwrite(str(root / "images" / f"{k}.png"), pixels)
        rows.append(
            {
                "file": f"images/{k}.png",
                "image_index": f"{k}.png",
                "official_split": "test" if k >= 32 else "train_val",
                "patient_id": k // 2,
                "finding_labels": "|".join(names) or "No Finding",
                "height": 64,
                "width": 64,
            }
        )
    pd.DataFrame(rows).to_csv(root / "index.csv", index=False)
    return root


def config(**changes: object) -> TrainConfig:
    values = {
        "model": small_config(64, layers=2),
        "epochs": 2,
        "batch_size": 8,
        "validation_share": 0.3,
        "learning_rate": 1e-3,
        **changes,
    }
    return TrainConfig(**values)


def test_the_index_is_read_in_the_order_of_the_findings(data: Path) -> None:
    index = read_index(data, "test")
    assert len(index) == 8
    row = index.names.index("33.png")
    assert index.labels[row, FINDINGS.index("Effusion")] == 1
    assert index.labels[row, FINDINGS.index("Edema")] == 1
    assert label_vector("No Finding").sum() == 0


def test_no_patient_is_on_both_sides_of_the_validation_split(data: Path) -> None:
    whole = read_index(data, "train_val")
    train, validation = split_by_patient(whole, 0.3, 0)
    assert not set(train.patients) & set(validation.patients)
    assert sorted(train.names + validation.names) == sorted(whole.names)
    assert split_by_patient(whole, 0.3, 0)[1].names == validation.names
    assert split_by_patient(whole, 0.3, 5)[1].names != validation.names


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.assign(finding_labels="Effusion|Cough"), "Cough"),
        (lambda t: t.assign(patient_id=1), "both official splits"),
        (lambda t: t.assign(image_index="x.png"), "twice"),
        (lambda t: t.drop(columns="file"), "lacks"),
        (lambda t: t.assign(official_split="test"), "no image"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(
    data: Path, tmp_path: Path, change: object, word: str
) -> None:
    table = pd.read_csv(data / "index.csv")
    change(table).to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(DataError, match=word):
        read_index(tmp_path, "train_val")


def test_label_sets_count_every_film_once() -> None:
    labels = np.stack([label_vector(t) for t in ["Mass", "No Finding", "Mass", "Effusion|Mass"]])
    assert label_sets(labels) == {"Mass": 2, "Effusion|Mass": 1, "No Finding": 1}


def test_the_pixel_cache_is_built_once_and_anew_when_a_file_changes(
    data: Path, tmp_path: Path
) -> None:
    index, preprocessing = read_index(data, "test"), Preprocessing(image_size=64)
    first = cached_pixels(index, preprocessing, tmp_path)
    assert first.shape == (8, 64, 64)
    expected = cv2.imread(str(data / index.files[3]), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(first[3], expected)
    cached_pixels(index, preprocessing, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    (data / index.files[3]).touch()
    cached_pixels(index, preprocessing, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_unreadable_images_are_named_all_at_once(data: Path, tmp_path: Path) -> None:
    index = read_index(data, "test")
    broken = dataclasses.replace(index, files=("gone1.png", "gone2.png", *index.files[2:]))
    with pytest.raises(DataError, match=r"2 image.*gone1.*gone2"):
        cached_pixels(broken, Preprocessing(image_size=64), tmp_path)


def test_auc_equals_sklearn_with_ties_and_says_none_for_one_class() -> None:
    rng = np.random.default_rng(0)
    for digits in (1, 2, 8):
        labels = rng.integers(0, 2, 3000)
        scores = (rng.random(3000) + 0.2 * labels).round(digits)
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auc(np.zeros(5), np.arange(5.0)) is None
    assert mean_auc([0.5, None, 0.7]) == pytest.approx(0.6)
    assert mean_auc([None]) is None


def test_auc_within_sources_counts_pairs_of_one_source_only() -> None:
    rng = np.random.default_rng(1)
    labels, groups = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    labels[groups == 2] = 1  # no pair in there
    scores = (rng.random(200) + labels).round(1)
    right = [
        (scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b])
        for a in range(200)
        for b in range(200)
        if labels[a] == 1 and labels[b] == 0 and groups[a] == groups[b]
    ]
    assert auc_within(labels, scores, groups) == pytest.approx(np.mean(right))
    assert auc_within(labels, scores, np.arange(200)) is None
    everything = auc_within(labels, scores, np.zeros(200))
    assert everything == pytest.approx(roc_auc_score(labels, scores))


def test_source_offsets_are_what_a_source_says_by_itself(data: Path) -> None:
    index = read_index(data, "train_val")
    everywhere = source_offsets(index)  # one source: next to nothing to add
    assert np.abs(everywhere[:, [2, 4, 9]]).max() < 0.1
    halves = dataclasses.replace(index, groups=(np.arange(len(index)) >= 16).astype(np.int64))
    labels = np.zeros_like(index.labels)
    labels[:16, 2] = 1
    offsets = source_offsets(dataclasses.replace(halves, labels=labels), pseudo=4)
    assert offsets[0, 2] == pytest.approx(np.log((16 + 2) / 2), rel=1e-3)
    assert offsets[1, 2] == pytest.approx(-np.log((16 + 2) / 2), rel=1e-3)


@pytest.mark.parametrize("known", [0, 3, 7, 10, 13])
def test_known_masks_hide_each_finding_at_least_once(known: int) -> None:
    masks = known_masks("00000001_000.png", 14, known)
    assert all((~mask).sum() == known for mask in masks)
    assert np.logical_or.reduce(masks).all()
    again = known_masks("00000001_000.png", 14, known)
    assert np.array_equal(masks, again)
    if known:
        assert not np.array_equal(masks, known_masks("00000001_001.png", 14, known))


def test_scores_with_known_findings_use_the_truth_of_the_others_only(data: Path) -> None:
    """Against one image at a time; a finding's own label must not reach its own score."""
    index = read_index(data, "test")
    model = lively_model(small_config(64, layers=2))
    pixels = np.stack([film_pixels(64, 64, k) for k in range(len(index))])
    scores = predict_index(model, pixels, index, (0, 7), batch_size=3)[7]
    for finding in (0, 2, 9):
        flipped = index.labels.copy()
        flipped[:, finding] = 1 - flipped[:, finding]
        changed = predict_index(
            model, pixels, dataclasses.replace(index, labels=flipped), (7,), batch_size=8
        )[7]
        np.testing.assert_allclose(changed[:, finding], scores[:, finding], atol=1e-6)
        assert np.abs(changed - scores).max() > 1e-4


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, config(warmup=0.1)) for step in range(1000)]
    assert rates.index(max(rates)) in (99, 100)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-7


def test_augmentation_is_repeatable_and_off_when_asked() -> None:
    gray = torch.from_numpy(np.stack([film_pixels(64, 64, k) for k in range(4)])) / 255.0
    once = augment(gray, config(), torch.Generator().manual_seed(1))
    assert torch.equal(once, augment(gray, config(), torch.Generator().manual_seed(1)))
    assert not torch.equal(once, augment(gray, config(), torch.Generator().manual_seed(2)))
    still = config(crop=1.0, rotate=0.0, contrast=0.0, flip=False)
    same = augment(gray, still, torch.Generator().manual_seed(1))
    torch.testing.assert_close(same, gray, atol=1e-5, rtol=0)
    flipped = augment(gray, dataclasses.replace(still, flip=True), torch.Generator().manual_seed(1))
    for before, after in zip(gray, flipped, strict=True):
        straight, mirrored = (after - before).abs().max(), (after - before.flip(1)).abs().max()
        assert min(straight, mirrored) < 1e-5


def test_a_run_stopped_at_any_step_ends_in_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(config(), data, tmp_path / "whole", CPU)
    expected = torch.load(tmp_path / "whole" / "state.pt", weights_only=True)

    monkeypatch.setattr(fit_module, "SAVE_EVERY", 1)
    step = fit_module._train_step
    for stop in (1, 4):  # a kill inside an epoch: after the last save, before the next
        calls = iter(range(100))

        def dying(*arguments: object, stop: int = stop, calls: object = calls) -> float:
            if next(calls) == stop:
                raise MemoryError
            return step(*arguments)

        monkeypatch.setattr(fit_module, "_train_step", dying)
        with pytest.raises(MemoryError):
            fit(config(), data, tmp_path / "killed", CPU)
    monkeypatch.setattr(fit_module, "_train_step", step)
    fit(config(), data, tmp_path / "killed", CPU)
    found = torch.load(tmp_path / "killed" / "state.pt", weights_only=True)
    assert found["step"] == expected["step"]
    for part in ("model", "average"):
        for name, tensor in expected[part].items():
            assert torch.equal(tensor, found[part][name]), name
    rows = list(csv.DictReader((tmp_path / "whole" / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    facts = load_checkpoint(whole)
    assert facts.training["label_sets"]["Effusion"] > 0
    assert facts.metrics["validation"]["scores"][1]["known"] == 7


def test_the_source_adjustment_changes_the_training(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data / "index.csv")
    table["source"] = np.where(table["finding_labels"] == "No Finding", "a", "b")
    table["file"] = [str(data / f) for f in table["file"]]
    table.to_csv(tmp_path / "index.csv", index=False)
    weights = []
    for adjust in (False, True):
        out = tmp_path / str(adjust)
        fit(config(epochs=1, max_steps=2, source_adjust=adjust), tmp_path, out, CPU)
        state = torch.load(out / "state.pt", weights_only=True)
        weights.append(state["model"]["class_bias"])
    assert (weights[0] != weights[1]).any()


def test_a_run_folder_of_another_configuration_is_refused(data: Path, tmp_path: Path) -> None:
    fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
    with pytest.raises(ConfigError, match="another configuration"):
        fit(config(epochs=1, max_steps=1, seed=3), data, tmp_path, CPU)


def test_a_loss_that_is_no_number_stops_with_words(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "_train_step", lambda *_: float("nan"))
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(config(), data, tmp_path, CPU)


def test_a_run_can_start_from_a_checkpoint_of_another_input_size(
    data: Path, tmp_path: Path
) -> None:
    best = fit(config(epochs=1, max_steps=2), data, tmp_path / "a", CPU)
    larger = config(
        epochs=1, max_steps=1, init=str(best), learning_rate=0.0, model=small_config(96, layers=2)
    )
    fit(larger, data, tmp_path / "b", CPU)
    before = load_checkpoint(best).model.class_weight
    state = torch.load(tmp_path / "b" / "state.pt", weights_only=True)
    assert torch.equal(state["model"]["class_weight"], before)
    other = dataclasses.replace(larger, model=small_config(64, layers=1))
    with pytest.raises(ConfigError, match="init"):
        fit(other, data, tmp_path / "c", CPU)


def test_the_command_line_trains_and_evaluates(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(
        "epochs: 1\nbatch_size: 8\nvalidation_share: 0.3\nmodel:\n  layers: 1\n"
        "  preprocessing: {image_size: 64}\n"
        "  backbone: {growth_rate: 8, layers_per_block: [1, 1, 1, 1], initial_features: 16}\n"
    )
    common = ["--data", str(data), "--out", str(tmp_path / "run")]
    status = main(
        ["fit", "--config", str(tmp_path / "run.yaml"), *common, "--model.block", "paper"]
    )
    assert status == 0
    best = load_checkpoint(tmp_path / "run" / "best")
    assert (best.config.block, best.config.layers) == ("paper", 1)
    capsys.readouterr()
    arguments = ["--checkpoint", str(tmp_path / "run" / "best"), "--data", str(data)]
    assert main(["evaluate", *arguments, "--split", "test", "--record", "true"]) == 0
    table = capsys.readouterr().out
    assert "7 known" in table
    assert "one class" in table
    assert load_checkpoint(tmp_path / "run" / "best").metrics["test"]["images"] == 8
    assert main(["evaluate", *arguments, "--split", "nowhere"]) == 1
    assert "no image" in capsys.readouterr().err


def test_the_house_keeps_its_walls() -> None:
    """lmeran knows neither screens nor training; train and app never use each other."""
    forbidden = {
        "lmeran": ("train", "app", "gradio"),
        "train": ("app", "gradio"),
        "app": ("train",),
    }
    for room, strangers in forbidden.items():
        for path in (ROOT / room).rglob("*.py"):
            for line in path.read_text().splitlines():
                words = line.split()
                if words[:1] in (["import"], ["from"]):
                    assert words[1].split(".")[0] not in strangers, f"{path}: {line}"
