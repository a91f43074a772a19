"""Localisation: maps against the model, means against resampling by hand, the whole section."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lmeran.checkpoint import Checkpoint, load_checkpoint
from lmeran.explain.cam import image_maps
from lmeran.explain.region import Region, read_region
from lmeran.findings import FINDINGS, states_of
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import Encoding
from lmeran.predictor import Predictor
from tests.conftest import film_pixels, lively_model, small_config
from tests.support.study_making import bare_study
from train.data.boxes import Box, coverage, read_boxes
from train.data.index import read_index
from train.evaluation.bootstrap import draw, macro
from train.evaluation.localisation.maps import CONTROLS, MODEL_MAPS, grad_cam, model_maps, sum_map
from train.evaluation.localisation.measures import match
from train.evaluation.localisation.regions import regions_section
from train.evaluation.localisation.section import localisation_section, why_no_localisation

EFFUSION, MASS = (FINDINGS.index(name) for name in ("Effusion", "Mass"))


@pytest.mark.parametrize("block", ["residual", "paper"])
def test_grad_cam_is_the_gradient_written_out(block: str) -> None:
    model = lively_model(small_config(block=block)).double()
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():
        encoding = model.encode(image)
    found = grad_cam(model, encoding, range(len(FINDINGS)))
    features = model.backbone(image).relu().detach().requires_grad_()
    cells = features.flatten(2).transpose(1, 2)
    again = Encoding(cells, cells.mean(1))
    logits = model.condition(again, torch.from_numpy(states_of({}))[None]).logits[0]
    for finding, logit in enumerate(logits):
        (gradient,) = torch.autograd.grad(logit, features, retain_graph=True)
        expected = (gradient.mean((2, 3), keepdim=True) * features).sum(1).relu()[0]
        assert found[finding] == pytest.approx(expected.detach().numpy(), rel=1e-6, abs=1e-9)
    assert (found.max(axis=(1, 2)) > 0).any()


def test_the_maps_are_those_of_the_viewer(predictor: Predictor) -> None:
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    maps = model_maps(predictor, film, [MASS, EFFUSION])
    reading = predictor.read(film, {})
    for k, finding in enumerate((MASS, EFFUSION)):
        assert maps["attention"][k] == pytest.approx(reading.maps()[finding].values, rel=1e-4)
        assert np.array_equal(maps["cam"][k], image_maps(predictor, film)[finding])
        rolled = predictor.rollouts(film, [{}])[0][finding].values
        assert maps["rollout"][k] == pytest.approx(rolled, rel=1e-4)
    expected = maps["attention"][0] / maps["attention"][0].max()
    cam = maps["cam"][0]
    if cam.max() > 0:
        expected = expected + np.maximum(cam, 0) / cam.max()
    assert maps["sum"][0] == pytest.approx(expected)
    one = np.eye(3)[None]
    assert sum_map(one, -one) == pytest.approx(one), "nothing is divided by zero"


def test_a_model_without_attention_has_the_image_maps_alone() -> None:
    model = lively_model(small_config(label_branch="none"))
    predictor = Predictor(Checkpoint(model, "0" * 12, "test", {}, {}))
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    maps = model_maps(predictor, film, [MASS])
    assert set(maps) == {"cam", "gradcam"}
    # Without a label branch Grad-CAM is the positive part of the class activation map.
    assert maps["gradcam"] == pytest.approx(np.maximum(maps["cam"], 0), abs=1e-5)


def test_macro_weighs_findings_alike_and_resamples_patients() -> None:
    rng = np.random.default_rng(0)
    findings = rng.integers(0, 3, 60)
    patients, values = rng.integers(0, 25, 60), rng.random((60, 2))
    resamples = draw(patients, 50, seed=1)
    found = macro(values, findings, resamples)
    plain = np.mean([values[findings == f].mean(axis=0) for f in range(3)], axis=0)
    assert [e.value for e in found] == pytest.approx(plain)
    # The same resamples, written out: each case as often as its patient was drawn.
    names = np.unique(patients)
    means = []
    for counts in resamples.counts.T.astype(int):
        drawn = np.repeat(names, counts)
        cases = np.concatenate([np.flatnonzero(patients == p) for p in drawn])
        means.append(
            np.mean([values[cases][findings[cases] == f].mean(axis=0) for f in range(3)], axis=0)
        )
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    assert [e.low for e in found] == pytest.approx(low)
    assert [e.high for e in found] == pytest.approx(high)


@pytest.fixture(scope="module")
def boxed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data set with boxes on three of its test films."""
    root = tmp_path_factory.mktemp("boxed")
    (root / "images").symlink_to(data / "images")
    (root / "index.csv").write_text((data / "index.csv").read_text())
    (root / "labels").mkdir()
    rows = [
        ("33.png", "Effusion", 0, 640, 384, 384),
        ("36.png", "Effusion", 64, 600, 300, 400),
        ("36.png", "Infiltrate", 100, 100, 200, 200),
        ("39.png", "Effusion", 0, 512, 512, 512),
    ]
    table = pd.DataFrame(rows, columns=["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"])
    table.to_csv(root / "labels" / "BBox_List_2017.csv", index=False)
    return root


def test_the_section_counts_and_measures_every_box(
    boxed: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(checkpoint_folder)
    index = read_index(boxed, "test")
    assert why_no_localisation(index) is None
    section = localisation_section(bare_study(checkpoint, index, tmp_path))
    assert (section.facts["films"], section.facts["patients"]) == (3, 3)
    findings = section.frames["localisation_findings"]
    assert set(zip(findings["finding"], findings["boxes"], strict=True)) == {
        ("Effusion", 3),
        ("Infiltration", 1),
    }
    means = section.frames["localisation"].set_index(["map", "measure"])["value"]
    own = findings.set_index(["finding", "map", "measure"])["value"]
    # One value against the model read by hand.
    predictor = Predictor(checkpoint)
    pixels = film_pixels(64, 64, 36) // 2
    pixels[40:, :24] += 100
    film = predictor.encode(Radiograph(pixels, "PNG", 8))
    values = predictor.read(film, {}).maps()[FINDINGS.index("Infiltration")].values
    box = Box(100 / 1024, 100 / 1024, 300 / 1024, 300 / 1024)
    expected = match(values, film.geometry, coverage((box,), 64, 64))[0]
    attention = MODEL_MAPS["attention"]
    assert own["Infiltration", attention, "IoU"] == pytest.approx(expected, abs=1e-5)
    effusion = own["Effusion", attention, "IoU"]
    assert means[attention, "IoU"] == pytest.approx((effusion + expected) / 2)
    truth = means[CONTROLS["truth"], "IoU"]
    assert (means.xs("IoU", level=1).drop(CONTROLS["truth"]) < truth).all()


def test_a_finding_falls_without_its_box_as_the_films_read_by_hand(
    boxed: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    checkpoint, index = load_checkpoint(checkpoint_folder), read_index(boxed, "test")
    section = regions_section(bare_study(checkpoint, index, tmp_path))
    predictor, boxes = Predictor(checkpoint), read_boxes(boxed)
    falls: dict[str, list[np.ndarray]] = {}
    roomless = 0
    for name in ("33.png", "36.png", "39.png"):
        film = predictor.encode(read_file(boxed / "images" / name))
        for finding, (box,) in boxes[name].items():
            region = Region(box.left, box.top, box.right, box.bottom)
            found = read_region(predictor, film, region, {})
            controls = found["without_controls"]
            if not len(controls):
                roomless += 1
                continue
            i = FINDINGS.index(finding)
            p = np.array([found["whole"][i], found["without"][i], *controls[:, i]])
            logits = np.log(p / (1 - p))
            fall = logits[0] - logits[1:]
            falls.setdefault(finding, []).append(np.array([fall[0], fall[1:].mean()]))
    assert falls
    assert section.facts["boxes_without_room_for_others"] == roomless
    own, others = np.mean([np.mean(some, axis=0) for some in falls.values()], axis=0)
    values = section.frames["regions"].set_index(["without", "measure"])["value"]
    assert values["the box", "fall of the logit"] == pytest.approx(own, abs=1e-4)
    assert values["boxes elsewhere", "fall of the logit"] == pytest.approx(others, abs=1e-4)
    assert values["difference", "fall of the logit"] == pytest.approx(own - others, abs=1e-4)
    assert 0 <= values["the box", "share that fall"] <= 1


def test_without_boxes_there_is_a_reason_alone(
    data: Path, boxed: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    none = read_index(data, "test")
    assert "labels/BBox_List_2017.csv" in why_no_localisation(none)
    other = read_index(boxed, "train_val")
    assert "no film" in why_no_localisation(other)
    checkpoint = load_checkpoint(checkpoint_folder)
    for index in (none, other):
        section = localisation_section(bare_study(checkpoint, index, tmp_path))
        assert section.facts == {"not_measured": why_no_localisation(index)}
        assert not section.frames
        assert regions_section(bare_study(checkpoint, index, tmp_path)) is None
