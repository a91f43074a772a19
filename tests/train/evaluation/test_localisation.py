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
from lmeran.findings import FINDINGS, State, states_of
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import Encoding
from lmeran.predictor import Predictor
from tests.conftest import film_pixels, lively_model, small_config
from tests.support.study_making import bare_study
from train.data.boxes import Box, read_boxes
from train.data.index import read_index
from train.evaluation.bootstrap import draw
from train.evaluation.localisation.gradcam import grad_cam
from train.evaluation.localisation.maps import (
    CONTROLS,
    MODEL_MAPS,
    model_maps,
    other_findings,
    sum_map,
)
from train.evaluation.localisation.measures import (
    match,
)
from train.evaluation.localisation.regions import regions_section
from train.evaluation.localisation.scores import macro
from train.evaluation.localisation.section import localisation_section, why_no_localisation

EFFUSION, MASS, EDEMA = (FINDINGS.index(name) for name in ("Effusion", "Mass", "Edema"))


@pytest.mark.parametrize("block", ["residual", "paper"])
def test_grad_cam_is_the_gradient_written_out(block: str) -> None:
    model = lively_model(small_config(block=block)).double()
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():
        encoding = model.encode(image)
    pins = {"Edema": State.POSITIVE, "Hernia": State.NEGATIVE}
    others = [f for f, name in enumerate(FINDINGS) if name not in pins]
    found = grad_cam(model, encoding, others * 2, [{}] * 12 + [pins] * 12)
    features = model.backbone(image).relu().detach().requires_grad_()
    cells = features.flatten(2).transpose(1, 2)
    again = Encoding(cells, cells.mean(1))
    for row, finding in enumerate(others * 2):
        states = torch.from_numpy(states_of({} if row < 12 else pins))[None]
        logit = model.condition(again, states).logits[0, finding]
        (gradient,) = torch.autograd.grad(logit, features, retain_graph=True)
        expected = (gradient.mean((2, 3), keepdim=True) * features).sum(1).relu()[0]
        assert found[row] == pytest.approx(expected.detach().numpy(), rel=1e-6, abs=1e-9)
    assert (found.max(axis=(1, 2)) > 0).any()
    assert not np.allclose(found[:12], found[12:])


def test_the_maps_are_those_of_the_viewer(predictor: Predictor) -> None:
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    pins = {"Edema": State.POSITIVE}
    maps = model_maps(predictor, film, [MASS, EFFUSION], [pins, {}])
    reading = predictor.read(film, pins)
    # Two scenarios in one pass: a processor may round a batch otherwise than a single row.
    assert maps["attention"][0] == pytest.approx(reading.maps()[MASS].values, rel=1e-4)
    free = predictor.read(film, {}).maps()[EFFUSION].values
    assert maps["attention"][1] == pytest.approx(free, rel=1e-4)
    assert np.array_equal(maps["cam"][0], image_maps(predictor, film)[MASS])
    rolled = predictor.rollouts(film, [pins])[0][MASS].values
    assert maps["rollout"][0] == pytest.approx(rolled, rel=1e-4)
    expected = maps["attention"][0] / maps["attention"][0].max()
    cam = maps["cam"][0]
    if cam.max() > 0:
        expected = expected + np.maximum(cam, 0) / cam.max()
    assert maps["sum"][0] == pytest.approx(expected)
    assert sum_map(np.eye(3), -np.eye(3)) == pytest.approx(np.eye(3)), "nothing is divided by zero"


def test_a_model_without_attention_has_the_image_maps_alone() -> None:
    model = lively_model(small_config(label_branch="none"))
    predictor = Predictor(Checkpoint(model, "0" * 12, "test", {}, {}))
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    maps = model_maps(predictor, film, [MASS], [{}])
    assert set(maps) == {"cam", "gradcam"}
    # Without a label branch Grad-CAM is the positive part of the class activation map.
    assert maps["gradcam"] == pytest.approx(np.maximum(maps["cam"], 0), abs=1e-5)


def test_other_findings_are_pinned_positive() -> None:
    labels = np.zeros(14, np.float32)
    labels[[EFFUSION, MASS, EDEMA]] = 1
    expected = {"Effusion": State.POSITIVE, "Edema": State.POSITIVE}
    assert other_findings(labels, MASS) == expected


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
    means = section.frames["localisation"].set_index(["map", "others_pinned", "measure"])["value"]
    own = findings.set_index(["finding", "map", "others_pinned", "measure"])["value"]
    # One value against the model read by hand.
    predictor = Predictor(checkpoint)
    row = index.names.index("36.png")
    pixels = film_pixels(64, 64, 36) // 2
    pixels[40:, :24] += 100
    film = predictor.encode(Radiograph(pixels, "PNG", 8))
    assert index.labels[row, EFFUSION] == 1
    values = predictor.read(film, {}).maps()[FINDINGS.index("Infiltration")].values
    box = Box(100 / 1024, 100 / 1024, 300 / 1024, 300 / 1024)
    expected = match(values, film.geometry, (box,))
    attention, iou = MODEL_MAPS["attention"], "IoU"
    found = own["Infiltration", attention, False, iou]
    assert found == pytest.approx(expected.iou, abs=1e-5)
    effusion = own["Effusion", attention, False, iou]
    assert means[attention, False, iou] == pytest.approx((effusion + expected.iou) / 2)
    # Infiltration is no label of that film; its pins are all its true findings.
    pins = other_findings(index.labels[row], FINDINGS.index("Infiltration"))
    pinned = predictor.read(film, pins).maps()[FINDINGS.index("Infiltration")].values
    moved = own["Infiltration", attention, True, iou]
    assert moved == pytest.approx(match(pinned, film.geometry, (box,)).iou, abs=1e-5)
    # What bounds what.
    assert not any(name == MODEL_MAPS["cam"] and pinned for name, pinned, _ in means.index)
    top = means[CONTROLS["ceiling"], False, iou]
    assert (means.xs((False, iou), level=[1, 2]) <= top).all()
    differences = section.frames["localisation_differences"]
    assert set(differences["difference"]) == {"over the centre prior", "by pinning"}
    assert list(section.figures) == ["localisation_sheet", "localisation_thresholds"]
    for name, figure in section.figures.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
    assert len(list(tmp_path.glob("ceiling-*.npy"))) == 1


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
            if not found.boxes:
                roomless += 1
                continue
            i = FINDINGS.index(finding)
            p = np.array([found.whole[i], found.without[i], *found.controls[:, i]])
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
