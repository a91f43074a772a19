"""The real page in headless Chromium: upload, select, pin, rapid clicks, keys, narrow screens."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lmeran.findings import FINDINGS, State
from lmeran.predictor import Predictor
from lmeran.radiograph import Radiograph
from tests.conftest import film_pixels
from tests.serving import Viewer, running_viewer

CHROMIUM = os.environ.get("LMERAN_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Viewer]:
    folder = tmp_path_factory.mktemp("viewer")
    with running_viewer(folder, "--checkpoint", str(checkpoint_folder)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture()
def page(browser: Browser, viewer: Viewer) -> Iterator[Page]:
    """A fresh reader. A request to another host or an error on the page fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    trouble: list[str] = []
    own = (viewer.url, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else trouble.append(r.url))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    page.goto(viewer.url)
    page.wait_for_selector(".lm[data-ready]")
    yield page
    context.close()
    assert trouble == []


@pytest.fixture()
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film_pixels(300, 240))
    return path


def upload(page: Page, film: Path) -> None:
    page.set_input_files("input[type=file]", film)
    page.wait_for_selector(".lm[data-state=open]")


def pin(page: Page, finding: str, state: str) -> None:
    page.get_by_role("radiogroup", name=finding).get_by_role("radio", name=state).click()


def settled(page: Page) -> None:
    page.wait_for_selector(".lm:not([data-pending])")


def row(page: Page, finding: str) -> dict[str, str]:
    """The four texts of a row."""
    line = page.locator(f"tr[data-finding='{FINDINGS.index(finding)}']")
    parts = {"free": ".lm-free", "cond": ".lm-cond", "delta": ".lm-delta"}
    return {k: line.locator(v).inner_text() for k, v in parts.items()}


def film_colours(page: Page) -> int:
    """Number of canvas pixels that are not gray: where the map is seen."""
    return page.evaluate(
        """() => { const c = document.querySelector(".lm-first > canvas");
          const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4)
            if (Math.abs(d[i] - d[i + 2]) > 4 || Math.abs(d[i] - d[i + 1]) > 4) n++;
          return n; }"""
    )


def as_percent(p: float) -> str:
    return f"{100 * p:.{2 if 100 * p < 1 else 1}f} %"


def test_upload_shows_the_models_own_numbers(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    reading = predictor.read(predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8)), {})
    for i, finding in enumerate(FINDINGS):
        assert row(page, finding)["free"] == as_percent(reading.free[i])
    expect(page.locator(".lm-facts")).to_contain_text("240 x 300 px")
    assert "film.png" not in page.content()


def test_an_upload_is_sent_without_its_name_and_gone_once_read(
    page: Page, viewer: Viewer, tmp_path: Path
) -> None:
    named = tmp_path / "Doe_John.png"
    cv2.imwrite(str(named), film_pixels(300, 240))
    bodies: list[bytes] = []
    page.on("request", lambda r: bodies.append(r.post_data_buffer or b"") if r.post_data else None)
    upload(page, named)
    assert not any(b"Doe" in body for body in bodies)
    assert [p for p in viewer.temp.rglob("*") if p.is_file() and p.stat().st_size] == []


def test_a_pin_changes_the_others_and_shows_no_probability_of_its_own(
    page: Page, film: Path, predictor: Predictor
) -> None:
    upload(page, film)
    pin(page, "Effusion", "positive")
    settled(page)
    encoded = predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8))
    reading = predictor.read(encoded, {"Effusion": State.POSITIVE})
    for i, finding in enumerate(FINDINGS):
        texts = row(page, finding)
        if finding == "Effusion":
            assert texts["cond"] == "pinned"
            assert texts["delta"] == ""
        else:
            assert texts["cond"] == as_percent(reading.conditioned[i])
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    page.get_by_role("button", name="Clear pins").click()
    settled(page)
    assert row(page, "Effusion")["cond"] == row(page, "Effusion")["free"]


def test_rapid_clicks_end_at_the_last_pins(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    page.evaluate(
        """() => document.querySelectorAll(".lm-seg").forEach((group, i) =>
          setTimeout(() => group.children[i % 2 ? 0 : 2].click(), 15 * i))"""
    )
    page.wait_for_timeout(300)
    settled(page)
    page.get_by_role("radiogroup", name="Hernia").get_by_role("radio", name="unknown").click()
    settled(page)
    pins = {f: State.NEGATIVE if i % 2 else State.POSITIVE for i, f in enumerate(FINDINGS[:-1])}
    encoded = predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8))
    assert row(page, "Hernia")["cond"] == as_percent(predictor.read(encoded, pins).conditioned[-1])
    expect(page.locator(".lm-warnings")).to_contain_text("13 findings are pinned")


def test_the_map_is_drawn_hidden_and_faded_without_asking_the_server(
    page: Page, film: Path
) -> None:
    upload(page, film)
    page.wait_for_timeout(200)
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url))
    page.locator(".lm-scale").select_option("relative")
    page.wait_for_timeout(100)
    assert film_colours(page) > 1000
    page.locator(".lm-first > canvas").focus()
    page.keyboard.press("m")
    page.wait_for_timeout(100)
    assert film_colours(page) == 0
    page.keyboard.press("m")
    page.locator(".lm-opacity").fill("0")
    page.wait_for_timeout(100)
    assert film_colours(page) == 0
    assert not [url for url in requests if "heartbeat" not in url]


def test_each_map_names_finding_layer_head_and_scale(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator("tr[data-finding='4'] .lm-select").click()
    name = page.locator(".lm-caption1 .lm-mapname")
    expect(name).to_have_text(
        "Mass: attention of the label branch, layer 3, mean of heads, free reading (no pins)"
    )
    expect(page.locator(".lm-caption1 .lm-scalebar")).to_contain_text("absolute")
    page.locator(".lm-layer").select_option("1")
    page.locator(".lm-headsel").select_option("2")
    settled(page)
    expect(name).to_contain_text("layer 1, head 2")


def test_the_whole_reading_works_from_the_keyboard(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator("tr[data-finding='0'] .lm-select").focus()
    page.locator("tr[data-finding='0'] .lm-select").press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("+")
    settled(page)
    assert row(page, "Cardiomegaly")["cond"] == "pinned"
    group = page.get_by_role("radiogroup", name="Cardiomegaly")
    group.get_by_role("radio", name="positive").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    expect(group.get_by_role("radio", name="unknown")).to_be_focused()
    assert row(page, "Cardiomegaly")["cond"] != "pinned"


def why_settled(page: Page) -> None:
    """The explanation of the reading on the screen has come."""
    settled(page)
    page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")


def test_the_ledger_adds_up_and_follows_the_selected_finding(page: Page, film: Path) -> None:
    upload(page, film)
    for finding, state in (("Effusion", "positive"), ("Mass", "negative")):
        pin(page, finding, state)
        settled(page)
    page.locator("tr[data-finding='9'] .lm-select").click()
    why_settled(page)
    expect(page.locator(".lm-why h3").first).to_contain_text("Edema")
    figure = page.locator(".lm-whybody svg")
    expect(figure).to_have_attribute("aria-label", re.compile("Mass negative"))
    label = figure.get_attribute("aria-label") or ""
    parts = [float(x.replace("\u2212", "-")) for x in re.findall(r"[+\u2212]\d+\.\d\d", label)]
    bias, image, branch, free, *pins, total = parts
    assert bias + image + branch == pytest.approx(free, abs=0.021)
    assert free + sum(pins) == pytest.approx(total, abs=0.031)
    assert len(pins) == 2


def test_the_influence_matrix_pins_on_click(page: Page, film: Path) -> None:
    upload(page, film)
    why_settled(page)
    page.get_by_role("tab", name="Influence").click()
    page.get_by_role("button", name="if negative").click()
    hernia = FINDINGS.index("Hernia")
    page.locator(f"rect[data-row='{hernia}'][data-column='0']").first.click()
    settled(page)
    group = page.get_by_role("radiogroup", name="Hernia")
    expect(group.get_by_role("radio", name="negative")).to_have_attribute("aria-checked", "true")


def test_what_next_selects_and_figures_are_saved(page: Page, film: Path) -> None:
    upload(page, film)
    why_settled(page)
    page.get_by_role("tab", name="What next").click()
    first = page.locator(".lm-next button").first
    name = first.inner_text()
    first.click()
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text(name)
    with page.expect_download() as download:
        page.get_by_role("button", name="as CSV").click()
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
    assert rows[0][:2] == ["finding", "expected change"]
    assert len(rows) == 15
    page.get_by_role("tab", name="Attention").click()
    for form, magic in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"as {form}").first.click()
        assert Path(download.value.path()).read_bytes().startswith(magic)


def test_two_maps_side_by_side_are_each_named(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator(".lm-beside").select_option("cam")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("attention")
    expect(page.locator(".lm-caption2 .lm-mapname")).to_contain_text("exact class activation map")
    page.locator(".lm-kind").select_option("moved")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("nothing is pinned")
    pin(page, "Mass", "positive")
    why_settled(page)
    expect(page.locator(".lm-caption1 .lm-scalebar")).to_contain_text("even shares")
    page.locator(".lm-kind").select_option("sum")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("not exact")


def test_rows_sort_by_probability_and_by_change(page: Page, film: Path) -> None:
    upload(page, film)
    pin(page, "Mass", "positive")
    settled(page)

    def column(selector: str) -> list[float]:
        texts = page.locator(f".lm-table tbody {selector}").all_inner_texts()
        digits = (t.replace("\u2212", "-").replace("%", "").replace("+", "") for t in texts)
        return [float(t) for t in digits if t.strip() not in ("", "pinned")]

    page.locator(".lm-sort").select_option("probability")
    shown = column(".lm-cond")
    assert shown == sorted(shown, reverse=True)
    page.locator(".lm-sort").select_option("change")
    sizes = [abs(x) for x in column(".lm-delta")]
    assert sizes == sorted(sizes, reverse=True)


def test_a_bad_file_says_why_and_leaves_the_screen(page: Page, film: Path, tmp_path: Path) -> None:
    upload(page, film)
    pin(page, "Mass", "negative")
    settled(page)
    before = row(page, "Hernia")
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no film at all")
    page.set_input_files("input[type=file]", bad)
    expect(page.locator(".lm-alert")).to_contain_text("not a DICOM, PNG or JPEG")
    assert row(page, "Hernia") == before
    expect(page.locator(".lm-count")).to_have_text("1 pinned")


def test_too_large_a_file_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    big = tmp_path / "big.dcm"
    with big.open("wb") as file:
        file.truncate(65 * 2**20)
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if "upload" in r.url else None)
    page.set_input_files("input[type=file]", big)
    expect(page.locator(".lm-alert")).to_contain_text("limit of 64 MB")
    expect(page.locator(".lm-busy")).to_be_hidden()
    assert sent == []


def test_examples_open_with_one_click_and_forget_clears(page: Page, viewer: Viewer) -> None:
    page.locator(".lm-examples button").first.click()
    page.wait_for_selector(".lm[data-state=open]")
    expect(page.locator(".lm-facts")).to_contain_text("Synthetic")
    pin(page, "Edema", "positive")
    settled(page)
    page.get_by_role("button", name="Forget film").click()
    page.wait_for_selector(".lm[data-state=empty]")
    assert row(page, "Edema")["free"] == "\u2013"


def test_film_bytes_need_their_token_and_go_when_the_reader_leaves(
    browser: Browser, viewer: Viewer, film: Path
) -> None:
    page = browser.new_page()
    films: list[str] = []
    page.on("request", lambda r: films.append(r.url) if "/lmeran/film/" in r.url else None)
    page.goto(viewer.url)
    page.wait_for_selector(".lm[data-ready]")
    upload(page, film)
    assert page.request.get(films[0]).status == 200
    other = browser.new_page()
    assert other.request.get(f"{viewer.url}/lmeran/film/guess").status == 404
    page.close()
    for _ in range(50):
        if other.request.get(films[0]).status == 404:
            break
        other.wait_for_timeout(200)
    assert other.request.get(films[0]).status == 404
    other.close()


def test_a_narrow_screen_has_no_sideways_scroll_and_works(
    browser: Browser, viewer: Viewer, film: Path
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(viewer.url)
    page.wait_for_selector(".lm[data-ready]")
    upload(page, film)
    page.get_by_role("radiogroup", name="Edema").get_by_role("radio", name="positive").tap()
    settled(page)
    assert row(page, "Edema")["cond"] == "pinned"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    box = page.get_by_role("radiogroup", name="Edema").get_by_role("radio").first.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    page.close()
