"""The data set of a synthetic world: index, masks, levels, and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lmeran.findings import FINDINGS
from lmeran.imaging.files import read_file
from train.__main__ import main
from train.data.boxes import read_boxes
from train.data.index import DataError, label_vector, read_index
from train.phantom.dataset import plan_films, read_world, write_world
from train.phantom.drawing.draw import draw
from train.phantom.world import World

FILMS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    arguments = ["phantom", "--out", str(out), "--films", str(FILMS), "--size", "64"]
    assert main([*arguments, "--seed", "5", "--workers", "1"]) == 0
    return out


def test_the_index_is_one_that_training_reads(folder: Path) -> None:
    train, test = read_index(folder, "train_val"), read_index(folder, "test")
    assert len(train) + len(test) == FILMS
    assert not set(train.patients) & set(test.patients)
    _, index, _ = plan_films(World(), FILMS, 64, 5)
    labels = dict(zip(index["image_index"], index["finding_labels"], strict=True))
    for part in (train, test):
        for name, row in zip(part.names, part.labels, strict=True):
            np.testing.assert_array_equal(row, label_vector(labels[name]))
    assert pd.read_csv(folder / "index.csv")["patient_id"].nunique() < FILMS


def test_films_masks_and_levels_are_those_drawn(folder: Path) -> None:
    data = read_world(folder)
    assert data.world == World()
    specs, _, levels = plan_films(World(), FILMS, 64, 5)
    for k in range(0, FILMS, 6):
        name, film = levels.index[k], draw(specs[k])
        np.testing.assert_array_equal(read_file(folder / "images" / name).pixels, film.pixels)
        np.testing.assert_array_equal(data.levels[name], levels.iloc[k])
        masks = data.masks(name)
        for i, finding in enumerate(FINDINGS):
            drawn = film.masks.get(finding, np.zeros((64, 64), dtype=bool))
            np.testing.assert_array_equal(masks[i], drawn)
            assert (finding in film.masks) == (levels.iloc[k, i] > 0)


def test_each_lesion_has_the_box_round_it(folder: Path) -> None:
    boxes, data = read_boxes(folder), read_world(folder)
    _, index, _ = plan_films(World(), FILMS, 64, 5)
    assert boxes
    for name, text in zip(index["image_index"], index["finding_labels"], strict=True):
        labels = label_vector(text)
        masks, of_film = data.masks(name), boxes.get(name, {})
        # What is drawn without its label only looks like the finding.
        there = {f for i, f in enumerate(FINDINGS) if masks[i].any() and labels[i] > 0.5}
        assert set(of_film) == there
        for finding, (box,) in of_film.items():
            rows, columns = np.nonzero(masks[FINDINGS.index(finding)])
            drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            found = [64 * side for side in (box.left, box.top, box.right, box.bottom)]
            assert found == pytest.approx(drawn)


def test_a_stopped_run_goes_on_to_the_same_files(folder: Path, tmp_path: Path) -> None:
    write_world(tmp_path, FILMS, 64, 5, workers=1)
    kept = sorted((tmp_path / "images").iterdir())[3]
    before = kept.stat().st_mtime_ns
    for lost in (tmp_path / "index.csv", *sorted((tmp_path / "images").iterdir())[10:]):
        lost.unlink()
    write_world(tmp_path, FILMS, 64, 5, workers=1)
    assert kept.stat().st_mtime_ns == before
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for file in files:
        assert (folder / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_a_folder_of_another_world_is_refused(folder: Path) -> None:
    for size, seed in ((96, 5), (64, 6)):
        with pytest.raises(DataError, match="another synthetic world"):
            write_world(folder, FILMS, size, seed)


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    small, large = plan_films(World(), 50, 64, 5), plan_films(World(), 90, 64, 5)
    assert large[0][:50] == small[0]
    for some, more in zip(small[1:], large[1:], strict=True):
        pd.testing.assert_frame_equal(more[:50], some)


def test_a_folder_without_a_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished synthetic world"):
        read_world(tmp_path)


def test_a_patient_keeps_the_anatomy_and_not_the_findings() -> None:
    specs, index, _ = plan_films(World(), 300, 64, 0)
    seeds = np.array([spec.seed for spec in specs])
    assert len({(spec.seed, spec.visit) for spec in specs}) == len(specs)
    again = np.flatnonzero(np.diff(seeds) == 0)
    assert len(again) > 50
    splits = index["official_split"].to_numpy()
    assert (splits[again] == splits[again + 1]).all()
    labels = np.stack([label_vector(text) for text in index["finding_labels"]])
    same = (labels[again] == labels[again + 1]).mean()
    p = np.array(World().prevalence)
    assert same == pytest.approx((p**2 + (1 - p) ** 2).mean(), abs=0.04)
    other = {spec.seed for spec in plan_films(World(), 300, 64, 1)[0]}
    assert not other & set(seeds)
