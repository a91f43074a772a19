"""The synthetic films: the same seed, the same film; each lesion where its mask says."""

from __future__ import annotations

import numpy as np
import pytest

from lmeran.findings import FINDINGS
from train.phantom.drawing.anatomy import dome_points, draw_chest
from train.phantom.drawing.draw import draw
from train.phantom.drawing.frame import Frame, depth_inside, splat
from train.phantom.drawing.patient import PhantomSpec, build_of, changed_build, frame_of

SIZE = 256


def small(seed: int, *findings: str, **options: object) -> PhantomSpec:
    return PhantomSpec(seed, findings, **{"height": SIZE, "width": SIZE, **options})


def test_the_same_spec_gives_the_same_film() -> None:
    first, second = draw(small(1, "Edema")), draw(small(1, "Edema"))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.values, second.values)
    assert not np.array_equal(first.pixels, draw(small(2, "Edema")).pixels)


def test_types_and_ranges() -> None:
    film = draw(small(1))
    assert film.pixels.dtype == np.uint8
    assert film.values.dtype == np.uint16
    assert film.values.max() < 4096
    assert film.masks == {}
    assert film.pixels[: SIZE // 16, : SIZE // 16].mean() < 25, "air outside the body is black"
    assert np.ptp(film.pixels.astype(int)) > 180


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_is_drawn(finding: str) -> None:
    film = draw(small(3, finding))
    mask = film.masks[finding]
    assert mask.dtype == bool
    assert mask.shape == (SIZE, SIZE)
    assert 0.0005 < mask.mean() < 0.5
    healthy = draw(small(3)).pixels.astype(float)
    assert np.abs(film.pixels - healthy)[mask].mean() > 2


@pytest.mark.parametrize(
    "finding", ["Mass", "Nodule", "Consolidation", "Pneumonia", "Pneumothorax", "Effusion"]
)
def test_a_lesion_changes_the_film_mainly_inside_its_mask(finding: str) -> None:
    film, healthy = draw(small(4, finding)), draw(small(4))
    changed = np.abs(film.pixels.astype(float) - healthy.pixels)
    mask = film.masks[finding]
    assert changed[mask].mean() > 8 * changed[~mask].mean()
    assert changed[mask].mean() > 10


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("seed", [0, 1])
def test_lungs_are_darker_than_mediastinum_and_abdomen(seed: int, view: str) -> None:
    spec = small(seed, view=view)
    pixels, chest = draw(spec).pixels, draw_chest(frame_of(spec), build_of(spec))
    lung = pixels[chest.lung > 90].mean()
    middle = pixels[(np.abs(chest.x) < 20) & (chest.y > 120) & (chest.y < 220)].mean()
    belly = pixels[(np.abs(chest.x) < 100) & (chest.y > 300) & (chest.y < 320)].mean()
    assert lung + 50 < middle
    assert lung + 50 < belly


def test_heart_is_wide_in_cardiomegaly_only() -> None:
    for seed in range(4):
        spec = small(seed)
        for strengths, low, high in (({}, 0.36, 0.52), ({"Cardiomegaly": 1.0}, 0.55, 0.72)):
            build = changed_build(build_of(spec), strengths)
            chest = draw_chest(frame_of(spec), build)
            heart = chest.x[chest.heart > 20]
            cage = chest.x[(chest.wall > 0) & (chest.y > 200) & (chest.y < 250)]
            assert low < np.ptp(heart) / np.ptp(cage) < high


def test_right_dome_stands_higher_and_emphysema_flattens_both() -> None:
    build = build_of(small(5))
    x, y = dome_points(build).T
    assert y[x < 0].min() < y[x > 0].min()
    flat = dome_points(changed_build(build, {"Emphysema": 1.0}))[:, 1]
    assert flat.min() > y.min() + 10
    assert np.ptp(flat) < 0.5 * np.ptp(y)


@pytest.mark.parametrize(("height", "width"), [(320, 256), (200, 300), (96, 96)])
def test_any_shape(height: int, width: int) -> None:
    film = draw(PhantomSpec(6, ("Nodule",), height, width))
    assert film.pixels.shape == film.values.shape == film.masks["Nodule"].shape == (height, width)
    assert film.masks["Nodule"].any()


def test_a_nodule_is_under_and_a_mass_over_3_cm() -> None:
    for finding, low, high in (("Nodule", 8, 30), ("Mass", 30, 70)):
        spec = small(7, finding)
        area = draw(spec).masks[finding].sum() * frame_of(spec).pitch ** 2
        assert low < 2 * np.sqrt(area / np.pi) < high


@pytest.mark.parametrize(
    "wrong",
    [
        {"findings": ("Cold",)},
        {"height": 20},
        {"view": "lateral"},
        {"findings": ("Mass",), "strengths": (0.5, 0.5)},
        {"findings": ("Mass",), "strengths": (0.0,)},
    ],
    ids=str,
)
def test_wrong_specs_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"findings|pixels|view|strengths"):
        PhantomSpec(0, **wrong)


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_stronger_lesion_changes_the_film_more(finding: str) -> None:
    healthy = draw(small(8)).pixels.astype(float)
    changes = [
        np.abs(draw(small(8, finding, strengths=(strength,))).pixels - healthy).mean()
        for strength in (0.4, 0.7, 1.0)
    ]
    assert 0.01 < changes[0] < changes[1] < changes[2]


def test_another_visit_is_the_same_patient_elsewhere() -> None:
    first, second = small(9, "Mass"), small(9, "Mass", visit=1)
    assert build_of(first).fat == build_of(second).fat
    assert build_of(first).female == build_of(second).female
    assert frame_of(first).stretch == frame_of(second).stretch
    assert frame_of(first).shift != frame_of(second).shift
    overlap = draw(first).masks["Mass"] & draw(second).masks["Mass"]
    assert overlap.sum() < 0.5 * draw(first).masks["Mass"].sum()


def test_patients_differ_in_size_proportions_and_position() -> None:
    frames = [frame_of(small(seed)) for seed in range(60)]
    for name in ("scale", "angle", "stretch"):
        assert np.std([getattr(frame, name) for frame in frames]) > 0.01
    builds = [build_of(small(seed)) for seed in range(60)]
    assert 15 < sum(build.female for build in builds) < 45
    assert np.std([build.turn for build in builds]) > 2


def test_frame_maps_back_and_forth() -> None:
    frame = Frame(300, 200, scale=1.1, angle=0.1, shift=(5, -3), stretch=1.07)
    x, y = frame.grid()
    place = frame.to_pixels(np.array([[x[40, 70], y[40, 70]]], dtype=float))
    assert place[0] == pytest.approx([70, 40], abs=1e-2)


def test_splat_and_depth_measure_in_mm() -> None:
    frame = Frame(200, 200)
    total = splat(frame, np.array([[0.3, 100.2], [10, 120]]), np.array([5.0, 7.0]))
    assert total.sum() * frame.pitch**2 == pytest.approx(12, rel=1e-4)
    wide = Frame(200, 200, stretch=1.2)
    half = np.array([(-50, 100), (0, 100), (0, 200), (-50, 200)], dtype=float)
    assert (depth_inside(wide, half) > 0).sum() > 1.15 * (depth_inside(frame, half) > 0).sum()
    square = np.array([(-50, 100), (50, 100), (50, 200), (-50, 200)], dtype=float)
    assert depth_inside(frame, square).max() == pytest.approx(50, abs=2)
