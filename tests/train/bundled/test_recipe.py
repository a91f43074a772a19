"""The losses by hand, the counting of label rows, and a whole run from pack to checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lmeran.checkpoint import load_checkpoint
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from lmeran.model.lmeran import LMeRAN
from tests.conftest import film_pixels, small_config
from train.augment import Augmentation
from train.bundled import run as run_module
from train.bundled.assemble import assemble
from train.bundled.backbone import attention_loss, box_loss, hint_loss, mixed
from train.bundled.branch import BranchRecipe, hide_channels
from train.bundled.films import BoxTargets, Films
from train.bundled.measure import counting_shift, overlap, token_cosines
from train.bundled.pack import add_weights, make_pack, read_pack, read_soft_labels
from train.bundled.teacher import imagenet_weights
from train.data.index import DataError, label_sets, read_index
from train.evaluation.metrics import known_masks

PATIENTS = 40


def _targets() -> BoxTargets:
    share = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    return BoxTargets(torch.tensor([0, 1]), torch.tensor([2, 5]), share, torch.ones(2))


def test_box_loss_is_the_cross_entropy_of_the_softmax_over_cells() -> None:
    scores = torch.randn(2, 4, len(FINDINGS), generator=torch.Generator().manual_seed(0))
    expected = []
    for image, finding, share in ((0, 2, [0.5, 0.5, 0, 0]), (1, 5, [0, 0, 0, 1])):
        own = scores[image, :, finding].double().exp()
        own = own / own.sum()
        expected.append(-sum(s * np.log(p) for s, p in zip(share, own.tolist(), strict=True)))
    assert float(box_loss(scores, _targets())) == pytest.approx(np.mean(expected), rel=1e-5)


def test_attention_follows_boxes_where_there_are_some_and_the_map_elsewhere() -> None:
    generator = torch.Generator().manual_seed(1)
    attention = torch.rand(2, len(FINDINGS), 4, generator=generator)
    cam = torch.randn(2, len(FINDINGS), 4, generator=generator)
    labels = (torch.rand(2, len(FINDINGS), generator=generator) < 0.3).float()
    logs = (attention / attention.sum(-1, keepdim=True)).log()
    boxed, followed, weights = [], 0.0, 0.0
    for image in range(2):
        for finding in range(len(FINDINGS)):
            if (image, finding) == (0, 2):
                boxed.append(-0.5 * (logs[0, 2, 0] + logs[0, 2, 1]))
            elif (image, finding) == (1, 5):
                boxed.append(-logs[1, 5, 3])
            else:
                weight = 1.0 if labels[image, finding] else 0.2
                goal = cam[image, finding].softmax(0)
                followed += weight * float(-(goal * logs[image, finding]).sum())
                weights += weight
    expected = float(sum(boxed) / 2) + 0.3 * followed / weights
    found = attention_loss(attention, cam, labels, _targets(), follow=0.3, absent=0.2)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_hint_asks_for_direction_not_for_what_all_cells_share() -> None:
    wanted = torch.randn(4, 9, 8)
    assert float(hint_loss(wanted * 3 + 7, wanted)) == pytest.approx(0, abs=1e-5)
    assert float(hint_loss(-wanted, wanted)) == pytest.approx(2, abs=1e-5)


def test_half_of_a_films_channels_are_hidden_in_all_of_its_cells() -> None:
    cells = torch.rand(3, 5, 4000) + 1
    shown = hide_channels(cells, 0.5, torch.Generator().manual_seed(0))
    kept = shown != 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    assert not torch.equal(kept[0], kept[1])
    assert torch.allclose(shown[kept], 2 * cells[kept])
    assert float(kept.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert torch.equal(hide_channels(cells, 0.0, torch.Generator()), cells)


def test_mixed_weights_lie_between_those_started_from_and_those_trained() -> None:
    start, trained = (LMeRAN(small_config(64, layers=1)) for _ in range(2))
    before = {name: t.clone() for name, t in trained.state_dict().items()}
    between = mixed(start.state_dict(), trained, 0.25).class_weight
    assert torch.allclose(between, 0.75 * start.class_weight + 0.25 * trained.class_weight)
    whole = mixed(start.state_dict(), trained, 1.0).state_dict()
    assert all(torch.equal(whole[name], before[name]) for name in before)
    assert all(torch.equal(trained.state_dict()[name], before[name]) for name in before)


def test_overlap_is_one_for_equal_maps_and_none_for_maps_apart() -> None:
    apart = np.eye(len(FINDINGS), dtype=np.float32)[None]
    assert overlap(np.ones((3, len(FINDINGS), 5), np.float32)) == pytest.approx(1)
    assert overlap(apart) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like NIH's: index, boxes, soft labels, label table, official list."""
    root = tmp_path_factory.mktemp("data")
    (root / "labels").mkdir()
    (root / "splits").mkdir()
    rng = np.random.default_rng(0)
    rows, soft, boxes = [], [], []
    for k in range(PATIENTS):
        name = f"{k:08d}_000.png"
        split = "test" if k >= PATIENTS - 8 else "train_val"
        side = 240 if k % 2 else 128
        cv2.imwrite(str(root / name), film_pixels(side, side, seed=k))
        present = [f for f in FINDINGS if rng.random() < 0.3]
        text = "|".join(present) or "No Finding"
        rows.append((name, name, split, k, text, side, side, "AB"[k % 2]))
        if split == "train_val":
            boxes.append((name, ("Effusion", "Consolidation")[k % 2], 100, 200, 600, 700, split))
            if k % 3:
                soft.append((name, *rng.random(len(FINDINGS)).round(3)))
    columns = ["file", "image_index", "official_split", "patient_id", "finding_labels"]
    index = pd.DataFrame(rows, columns=[*columns, "height", "width", "source"])
    index.to_csv(root / "index.csv", index=False)
    pd.DataFrame(soft, columns=["Image Index", *FINDINGS]).to_csv(
        root / "labels/soft_labels_train_val.csv.gz", index=False
    )
    pd.DataFrame(
        boxes, columns=["image_index", "finding", "x1", "y1", "x2", "y2", "official_split"]
    ).to_csv(root / "labels/boxes_chestxdet.csv.gz", index=False)
    index.rename(
        columns={
            "image_index": "Image Index",
            "finding_labels": "Finding Labels",
            "patient_id": "Patient ID",
        }
    ).to_csv(root / "labels/Data_Entry_2017_v2020.csv.gz", index=False)
    tested = index.image_index[index.official_split == "test"]
    lines = [f"{name},Effusion,100,200,300,300" for name in tested]
    (root / "labels/BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n" + "\n".join(lines)
    )
    kept = index.image_index[index.official_split == "train_val"]
    (root / "splits/train_val_list.txt").write_text("\n".join(kept))
    return root


@pytest.fixture(scope="module")
def pack_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    make_pack(data, folder, 64, quality=80, small_quality=80, share=0.3, seed=0)
    return folder


def test_a_pack_holds_the_films_and_what_is_known_of_them(data: Path, pack_folder: Path) -> None:
    pack = read_pack(pack_folder)
    index = pd.read_csv(data / "index.csv").set_index("image_index")
    assert len(pack.names) == PATIENTS
    for k, name in enumerate(pack.names):
        film = cv2.imread(str(data / name), cv2.IMREAD_GRAYSCALE)
        small = cv2.resize(film, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(pack.gray[k].astype(int) - small).mean() < 4
        present = {f for f, on in zip(FINDINGS, pack.labels[k], strict=True) if on}
        assert "|".join(f for f in FINDINGS if f in present) == (
            index.finding_labels[name] if present else ""
        )
        assert (pack.part[k] == 2) == (index.official_split[name] == "test")
        findings = {FINDINGS[f] for f in pack.box_finding[pack.box_film == k]}
        if index.official_split[name] == "test" or int(name[:8]) % 2 == 0:
            assert findings == {"Effusion"}
        else:  # a consolidation teaches where to look for its kin
            assert findings == {"Consolidation", "Infiltration", "Pneumonia"}
    held = set(pack.names[pack.part == 1])
    assert len(pack.label_rows) == (pack.part == 0).sum()
    assert held.isdisjoint(pack.names[pack.part == 0])


def test_soft_labels_that_are_none_are_refused(data: Path, tmp_path: Path) -> None:
    index, table = read_index(data, "train_val"), pd.DataFrame({"Image Index": ["nowhere.png"]})
    table[list(FINDINGS)] = 0.5
    table.to_csv(tmp_path / "soft.csv", index=False)
    assert np.isnan(read_soft_labels(tmp_path / "soft.csv", index)).all()
    table.assign(Mass=1.5).to_csv(tmp_path / "soft.csv", index=False)
    with pytest.raises(DataError, match="no probabilities"):
        read_soft_labels(tmp_path / "soft.csv", index)
    table.drop(columns="Mass").to_csv(tmp_path / "soft.csv", index=False)
    with pytest.raises(DataError, match="14 findings"):
        read_soft_labels(tmp_path / "soft.csv", index)


def test_counting_is_the_label_prior(pack_folder: Path) -> None:
    pack = read_pack(pack_folder)
    prior = LabelPrior.from_sets(label_sets(pack.label_rows.astype(np.float32)))
    row = int(pack.rows(1)[0])

    films = Films(pack, torch.device("cpu"), Augmentation())
    found = counting_shift(films, np.array([row]), 7)[0]
    for mask in known_masks(pack.names[row], len(FINDINGS), 7):
        pins = {
            f: State.POSITIVE if pack.labels[row, i] else State.NEGATIVE
            for i, f in enumerate(FINDINGS)
            if not mask[i]
        }
        share, marginal = prior.probabilities(pins)[mask], prior.marginal[mask]
        with np.errstate(divide="ignore"):
            shift = np.log(share / (1 - share)) - np.log(marginal / (1 - marginal))
        assert np.allclose(found[mask], shift, atol=1e-4)


def test_cosines_of_label_tokens_are_one_where_all_labels_are_one() -> None:
    model = LMeRAN(small_config(64, layers=2, embedding_std=0.5)).eval()
    cells = torch.rand(3, 4, model.config.backbone.width)
    labels = (model.label_embedding + model.state_embedding[0]).detach()
    unit = labels / labels.norm(dim=1, keepdim=True)
    expected = unit @ unit.T
    apart = token_cosines(model, cells)
    assert len(apart) == 3
    assert apart[0] == pytest.approx(float(expected[~torch.eye(14, dtype=bool)].mean()), abs=2e-3)
    with torch.no_grad():
        model.label_embedding.copy_(model.label_embedding[:1].expand_as(model.label_embedding))
    assert token_cosines(model, cells) == pytest.approx([1, 1, 1])


def test_a_run_becomes_a_checkpoint_that_loads(
    data: Path,
    pack_folder: Path,
    checkpoint_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_config(64, layers=2, embedding_std=0.5)
    monkeypatch.setattr(run_module, "model_config", lambda size: config)
    start = LMeRAN(config).state_dict()
    save_file(
        {k: v for k, v in start.items() if k.startswith(("backbone.", "class_"))},
        pack_folder / "init.safetensors",
    )
    lite = torch.load(imagenet_weights(), map_location="cpu", weights_only=True)
    add_weights(pack_folder, "teacher", {k: v for k, v in lite.items() if k[:4] != "_fc."})
    given = argparse.Namespace(
        pack=pack_folder, out=tmp_path / "run", start=None, seconds=[0] * 4, steps=[1, 2, 4, 4],
        size=64, sizes=[], batch=8, rate=0, arms=2, seed=1, keep=True,
    )  # fmt: skip
    run_module.command(given)
    with np.load(tmp_path / "run" / "predictions.npz") as kept:
        assert kept["test:lmeran"].shape == (4, 8, len(FINDINGS))
        assert np.isfinite(kept["validation:no_map_supervision"]).all()
        assert not np.array_equal(kept["test:lmeran"][0], kept["test:plain"][0])
    assemble(tmp_path / "run", pack_folder, data, checkpoint_folder, tmp_path / "checkpoint")
    checkpoint = load_checkpoint(tmp_path / "checkpoint")
    assert checkpoint.training["initial"] == load_checkpoint(checkpoint_folder).training
    assert checkpoint.config == config
    assert checkpoint.training["train_images"] == int((read_pack(pack_folder).part == 0).sum())
    before, after = start["label_embedding"], checkpoint.model.label_embedding
    assert not torch.allclose(before.float(), after.detach(), atol=1e-3)

    # A second run goes on from the first with its backbone, here without learning anything.
    given.start, given.out, given.steps = given.out, tmp_path / "second", [0, 0, 0, 1]
    monkeypatch.setattr(run_module, "BranchRecipe", lambda sizes: BranchRecipe(rate=0.0))
    run_module.command(given)
    assemble(given.out, pack_folder, data, checkpoint_folder, tmp_path / "again")
    again = load_checkpoint(tmp_path / "again")
    assert again.training["earlier"]["steps"] == dict(
        zip(run_module.STAGES, [1, 2, 4, 4], strict=True)
    )
    assert again.training["config"]["backbone"] == checkpoint.training["config"]["backbone"]
    for name, tensor in checkpoint.model.state_dict().items():
        assert torch.allclose(tensor, again.model.state_dict()[name], atol=1e-3), name
