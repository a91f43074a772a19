"""Maps on the real page: drawn, named, side by side, and what a pinned finding shows."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lmeran.findings import FINDINGS
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.browsing import (
    as_percent,
    as_points,
    choose,
    drag,
    film_colours,
    keys,
    middle_of,
    pin,
    row,
    screen_of,
    settled,
    upload,
    why_settled,
)

pytest_plugins = ["tests.support.browsing_fixtures"]


def test_the_map_is_drawn_hidden_and_faded_without_asking_the_server(
    page: Page, film: Path
) -> None:
    upload(page, film)
    page.wait_for_timeout(200)
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url))
    choose(page, ".lm-scale", "relative")
    page.wait_for_timeout(100)
    assert film_colours(page) > 1000
    page.locator(".lm-first > canvas").focus()
    page.keyboard.press("m")
    page.wait_for_timeout(100)
    assert film_colours(page) == 0
    page.keyboard.press("m")
    page.locator(".lm-mapmenu > summary").click()
    page.locator(".lm-opacity").fill("0")
    page.wait_for_timeout(100)
    assert film_colours(page) == 0
    assert not [url for url in requests if "heartbeat" not in url]


def test_colours_and_contour_are_those_of_every_kind_of_map(page: Page, film: Path) -> None:
    upload(page, film)
    expect(page.locator(".lm-opacity")).to_have_value("35")
    choose(page, ".lm-scale", "relative")
    pin(page, "Effusion", "positive")
    why_settled(page)
    page.locator("tr[data-finding='4'] .lm-select").click()
    for kind in ("cam", "attention", "moved", "sum"):
        choose(page, ".lm-kind", kind)
        choose(page, ".lm-colours", "inferno")
        both = screen_of(page)
        page.keyboard.press("c")
        colours_alone = screen_of(page)
        assert not np.array_equal(both, colours_alone), kind
        choose(page, ".lm-colours", "viridis")
        assert not np.array_equal(screen_of(page), colours_alone), kind
        page.keyboard.press("c")


def test_a_map_is_clear_below_its_floor_and_its_peak_stands_out(page: Page) -> None:
    """On the scale of a map that goes beyond the usual end, too."""
    alpha, peak, next_to_it, high = page.evaluate(
        """async () => {
          const { mapOf } = await import(new URL("lmeran/static/viewer/maps.js", document.baseURI));
          const ramp = Uint8Array.from({ length: 768 }, (_, k) => k / 3);
          const facts = { findings: ["Mass"], camFullScale: 4, contour: 0.4,
                          model: { grid: 2, maps: { measured: {} } } };
          const view = { scale: "absolute", colours: "ramp", contour: true };
          const state = { selected: 0, view, reading: {}, film: { cam: [[9, 8, 2, -3]] } };
          const { canvas, high } = mapOf("cam", state, facts, { ramp });
          const at = (x, y) => canvas.getContext("2d").getImageData(x, y, 1, 1).data;
          const far = 255;
          return [[at(0, far)[3], at(far, far)[3]], at(0, 0)[0], at(far, 0)[0], high];
        }"""
    )
    assert alpha == [0, 0]
    assert peak == 255 > next_to_it
    assert high.startswith("9 logits") and "clear below 40 %" in high


def test_each_map_names_finding_layer_head_and_scale(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator("tr[data-finding='4'] .lm-select").click()
    name = page.locator(".lm-caption1 .lm-mapname")
    expect(name).to_have_text("Mass: image part, exact class activation map")
    expect(page.locator(".lm-trust")).to_contain_text("Exact: ")
    page.keyboard.press("v")
    expect(page.locator(".lm-trust")).to_contain_text("not evidence for the finding")
    expect(name).to_have_text(
        "Mass: attention of the label branch, layer 3, mean of heads, free reading (no pins)"
    )
    expect(page.locator(".lm-caption1 .lm-scalebar")).to_contain_text("absolute")
    choose(page, ".lm-layer", "1")
    choose(page, ".lm-headsel", "2")
    settled(page)
    expect(name).to_contain_text("layer 1, head 2")


def test_two_maps_side_by_side_are_each_named(page: Page, film: Path) -> None:
    upload(page, film)
    choose(page, ".lm-kind", "attention")
    choose(page, ".lm-beside", "cam")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("attention")
    expect(page.locator(".lm-caption2 .lm-mapname")).to_contain_text("exact class activation map")
    choose(page, ".lm-kind", "moved")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("nothing is pinned")
    pin(page, "Mass", "positive")
    page.locator("tr[data-finding='0'] .lm-select").click()
    why_settled(page)
    expect(page.locator(".lm-caption1 .lm-scalebar")).to_contain_text("even shares")
    choose(page, ".lm-kind", "sum")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("not exact")


def test_a_pinned_finding_shows_its_free_map_and_says_so(page: Page, film: Path) -> None:
    """Its own attention in the last layer is judged by nothing in training."""
    upload(page, film)
    choose(page, ".lm-kind", "attention")
    choose(page, ".lm-scale", "relative")
    page.locator("tr[data-finding='4'] .lm-select").click()
    free = screen_of(page)
    pin(page, "Mass", "positive")
    settled(page)
    name = page.locator(".lm-caption1 .lm-mapname")
    expect(name).to_contain_text("pinned: free map shown")
    np.testing.assert_array_equal(screen_of(page), free)
    choose(page, ".lm-kind", "moved")
    expect(name).to_contain_text("pinned: free map shown")
    choose(page, ".lm-kind", "attention")
    choose(page, ".lm-layer", "1")
    settled(page)
    expect(name).to_contain_text("layer 1, mean of heads, reading with pins")


def test_free_beside_pinned_and_film_beside_map(page: Page, film: Path) -> None:
    upload(page, film)
    choose(page, ".lm-kind", "attention")
    choose(page, ".lm-scale", "relative")
    pin(page, "Mass", "positive")
    settled(page)
    page.locator("tr[data-finding='9'] .lm-select").click()
    choose(page, ".lm-beside", "free")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("reading with pins")
    expect(page.locator(".lm-caption2 .lm-mapname")).to_contain_text("free reading")
    assert not np.array_equal(screen_of(page), screen_of(page, ".lm-second"))
    choose(page, ".lm-beside", "film")
    expect(page.locator(".lm-caption2 .lm-mapname")).to_have_text("Film without map")
    plain = screen_of(page, ".lm-second").astype(int)
    assert (plain.max(axis=2) == plain.min(axis=2)).all()


def test_a_prior_film_stands_beside_with_its_own_reading(
    page: Page, film: Path, tmp_path: Path, predictor: Predictor
) -> None:
    upload(page, film)
    page.locator("tr[data-finding='4'] .lm-select").click()
    pin(page, "Mass", "positive")
    settled(page)
    choose(page, ".lm-beside", "prior")
    earlier = tmp_path / "earlier.png"
    cv2.imwrite(str(earlier), film_pixels(200, 260, seed=3))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open prior film").click()
    chooser.value.set_files(earlier)
    then, now = (
        predictor.read(predictor.encode(Radiograph(pixels, "PNG", 8)), {}).free
        for pixels in (film_pixels(200, 260, seed=3), film_pixels(300, 240))
    )
    free = as_percent(then[FINDINGS.index("Mass")])
    caption = page.locator(".lm-caption2 .lm-mapname")
    expect(caption).to_contain_text(f"Prior film, free {free}", timeout=60_000)
    for i in range(len(FINDINGS)):
        line = page.locator(f"tr[data-finding='{i}']")
        expect(line.locator(".lm-priorfree")).to_have_text(as_percent(then[i]))
        expect(line.locator(".lm-since")).to_have_text(as_points(now[i] - then[i]))
    assert row(page, "Mass")["cond"] == "pinned", "the reading of the open film stays"
    page.locator(".lm-first > canvas").focus()
    keys(page, "i z z")
    for look in (".lm-first .lm-look", ".lm-second .lm-look"):
        expect(page.locator(look)).to_contain_text("inverted")
    upload_next = tmp_path / "next.png"
    cv2.imwrite(str(upload_next), film_pixels(300, 240, seed=4))
    page.set_input_files(".lm-file", upload_next)
    expect(page.get_by_role("button", name="Open prior film")).to_be_visible(timeout=60_000)


def test_a_box_is_compared_with_the_map(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    choose(page, ".lm-kind", "attention")
    page.locator("tr[data-finding='9'] .lm-select").click()
    keys(page, "b a")
    x, y = middle_of(page)
    drag(page, (x - 60, y - 50), (80, 100), "left")
    said = page.locator(".lm-truth")
    expect(said).to_contain_text("Edema: box drawn here")
    encoded = predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8))
    values = predictor.read(encoded, {}).maps(free=True)[9].values
    field = cv2.resize(values, (240, 300), interpolation=cv2.INTER_LINEAR)
    found = field >= 0.4 * field.max()
    box = np.zeros_like(found)
    box[100:200, 60:140] = True
    iou = (found & box).sum() / (found | box).sum()
    text = said.inner_text()
    assert float(re.search(r"IoU (\d\.\d\d)", text)[1]) == pytest.approx(iou, abs=0.02)
    inside = bool(box.ravel()[field.argmax()])
    assert ("inside" in text) == inside
    page.locator("tr[data-finding='4'] .lm-select").click()
    expect(said).to_be_hidden()
    page.keyboard.press("Delete")
    page.locator("tr[data-finding='9'] .lm-select").click()
    expect(said).to_be_hidden()
