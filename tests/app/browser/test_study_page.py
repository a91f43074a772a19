"""Studies on the real page: three readers by keys alone, one through a reload and a killed server;
an arm without the model is without it; a region taken away."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect

from lmeran.explain.region import what_if
from lmeran.findings import FINDINGS
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.browsing import as_percent, goto, keys, middle_of, upload, why_settled
from tests.support.proxying import proxied
from tests.support.serving import launched
from train.__main__ import main

pytest_plugins = ["tests.support.browsing_fixtures"]

EXAMPLES = 3
ITEMS = 3 * EXAMPLES
ASKED = 2
MANY = 60


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> dict[str, Any]:
    """Of a viewer that offers a few films, as many of them a minute as one likes."""
    folder = tmp_path_factory.mktemp("films")
    for k in range(EXAMPLES):
        cv2.imwrite(str(folder / f"{k}.png"), film_pixels(200, 160, k))
    boxes = ["file,finding,left,top,width,height", "0.png,Mass,9,9,40,40", "1.png,Edema,9,9,40,40"]
    (folder / "boxes.csv").write_text("\n".join(boxes))
    return {"checkpoint": checkpoint_folder, "examples": folder, "films_per_minute": 0}


@pytest.fixture(scope="module")
def offering(settings: dict[str, Any]) -> Iterator[str]:
    """Its address."""
    with launched(**settings) as (url, _):
        yield url


def begin(page: Page, reader: str) -> None:
    page.keyboard.press("s")
    expect(page.locator(".lm-studydialog")).to_be_visible()
    page.get_by_label("Reader code").press_sequentially(reader)
    page.keyboard.press("Enter")
    expect(page.locator(".lm-studydialog")).to_be_hidden()


def answer_film(page: Page, number: int) -> str:
    """All questions of one film, after the pause before it if there is one; the film's arm."""
    bar, dialog = page.locator(".lm-studybar"), page.locator(".lm-studydialog")
    page.locator(".lm-studydialog[open]").or_(bar.filter(has_text=f"Film {number} of ")).wait_for()
    if dialog.is_visible():
        page.keyboard.press("Enter")
    expect(bar).to_contain_text(f"Film {number} of ")
    expect(bar.locator("form")).to_be_visible()
    arm = page.locator(".lm").get_attribute("data-study") or ""
    for _ in range(ASKED):
        expect(bar.locator("strong")).to_contain_text(": present?")
        page.keyboard.press("y" if number % 2 else "n")
        expect(bar.locator("strong")).to_contain_text("how sure")
        page.keyboard.type(str(number))
        page.keyboard.press("Enter")
        if arm != "film":
            expect(bar.locator("strong")).to_contain_text("plausible")
            page.keyboard.press("p")
    expect(bar.locator("strong")).to_contain_text("Anything to note")
    page.keyboard.type(f"film {number}, dnm+")
    page.keyboard.press("Enter")
    return arm


def saved(page: Page, folder: Path) -> Path:
    expect(page.locator(".lm-studydialog h2")).to_have_text("All films are answered")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def reader_page(browser: Browser, url: str) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    return goto(context.new_page(), f"{url}/")


def test_three_readers_do_the_example_study(
    browser: Browser, settings: dict[str, Any], tmp_path: Path
) -> None:
    first, answers = contextlib.ExitStack(), []
    url, _ = first.enter_context(launched(**settings))
    with proxied(url) as proxy:
        for reader in ("ann", "ben"):
            page = reader_page(browser, proxy.url)
            begin(page, reader)
            for number in range(1, ITEMS + 1):
                answer_film(page, number)
            answers.append(saved(page, tmp_path))
            page.context.close()
        page = reader_page(browser, proxy.url)
        begin(page, "cat")
        for number in range(1, 5):
            answer_film(page, number)
        expect(page.locator(".lm-studybar")).to_contain_text("Film 5 of ")
        page.reload()
        expect(page.get_by_role("button", name="Continue")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".lm-studybar form")).to_be_visible()
        first.close()
        answer_film(page, 5)
        expect(page.locator(".lm-away")).to_be_visible()
        with launched(**settings) as (url, _):
            proxy.upstream = url
            for number in range(6, ITEMS + 1):
                answer_film(page, number)
            answers.append(saved(page, tmp_path))
            key = page.request.get(f"{proxy.url}/lmeran/study?truth=true").text()
            page.context.close()
    assert not [path for path in answers if "truth" in path.read_text()]
    (tmp_path / "study.json").write_text(key)
    options = ["--truth", str(tmp_path / "study.json"), "--out", str(tmp_path / "out")]
    assert main(["study", *map(str, answers), *options]) == 0
    tables = list((tmp_path / "out").glob("imrmc_*.csv"))
    assert len(tables) == ASKED
    for path in tables:
        table = pd.read_csv(path)
        truth, scores = table[table.readerID == "truth"], table[table.readerID != "truth"]
        assert len(truth) == EXAMPLES
        assert len(scores) == 3 * ITEMS
        assert not scores.duplicated(["readerID", "caseID", "modalityID"]).any()
        for _, own in scores.groupby("readerID"):
            wanted = [50 + (1 if number % 2 else -1) * number / 2 for number in range(1, ITEMS + 1)]
            assert sorted(own.score) == sorted(wanted)
    table = pd.read_csv(tmp_path / "out/answers.csv")
    assert len(table) == ASKED * 3 * ITEMS
    assert (table.seconds > 0).all()
    assert (table.plausible[table.modalityID != "film"] == "partly").all()
    assert table.plausible[table.modalityID == "film"].isna().all()


FIRST_ALONE = """async (readers) => {
  const { orderOf } = await import(new URL("lmeran/static/study/plan.js", document.baseURI));
  const study = await (await fetch("lmeran/study")).json();
  return readers.find((reader) => orderOf(study, reader)[0].arm === "film"); }"""


def test_where_the_model_is_hidden_nothing_of_it_reaches_the_page(
    browser: Browser, offering: str, film: Path
) -> None:
    page = reader_page(browser, offering)
    upload(page, film)
    why_settled(page)  # what the study must not show
    reader = page.evaluate(FIRST_ALONE, [f"r{k}" for k in range(20)])
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    begin(page, reader)
    for number in range(1, EXAMPLES + 1):
        expect(page.locator(".lm-studybar form")).to_be_visible()
        expect(page.locator(".lm-studybar")).to_contain_text(
            f"Film {number} of {ITEMS}, film alone"
        )
        keys(page, "+ m x c q ArrowDown")  # what would ask the model, or show its map
        assert "%" not in page.locator(".lm-table").inner_text().replace("90 %", "")
        assert "%" not in page.locator(".lm-why").inner_text()
        for selector in (".lm-right", ".lm-caption1", ".lm-without", ".lm-examples", ".lm-truth"):
            assert not page.locator(selector).is_visible(), selector
        label = page.locator(".lm-first > canvas").get_attribute("aria-label") or ""
        assert label.startswith("Film without map")
        answer_film(page, number)
    page.wait_for_selector(".lm-studydialog[open]")
    opened = [answer for answer in answers if "/lmeran/examples/" in answer.url]
    assert len(opened) == EXAMPLES
    (study,) = (answer for answer in answers if answer.url.endswith("/lmeran/study"))
    assert not [answer for answer in (study, *opened) if "truth" in answer.text()]
    for answer in opened:
        assert answer.url.endswith("alone=true")
        facts = answer.json()
        assert not {"reading", "cam", "thumbnail", "title", "boxes"} & set(facts)
        assert facts["gate"] is None
    asked = [answer.url.removeprefix(f"{offering}/lmeran/") for answer in answers]
    assert not [path for path in asked if re.match("pins|why|without|rows|export|reading", path)]
    page.context.close()


def test_many_films_do_not_slow_a_study(browser: Browser, offering: str, tmp_path: Path) -> None:
    page, films = reader_page(browser, offering), []
    for seed in range(MANY):
        films.append(tmp_path / f"{seed}.png")
        cv2.imwrite(str(films[-1]), film_pixels(64, 64, seed))
    study = {
        "study": "Long",
        "films": [{"name": film.name, "truth": {"Mass": True}} for film in films],
        "arms": ["film"],
        "findings": ["Mass"],
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    page.keyboard.press("s")
    expect(page.locator(".lm-studydialog")).to_be_visible()
    own, images = page.locator(".lm-studydialog input[type=file]").all()
    own.set_input_files(tmp_path / "study.json")
    expect(page.get_by_role("button", name="Begin Long")).to_be_visible()
    page.get_by_label("Reader code").fill("ann")
    page.keyboard.press("Enter")
    expect(page.locator(".lm-studydialog")).to_contain_text(
        f"Give {MANY} of its {MANY} films first"
    )
    images.set_input_files(films)
    expect(page.locator(".lm-studydialog")).to_contain_text(f"{MANY} films are here")
    page.get_by_label("Reader code").press("Enter")
    seconds = []
    for number in range(1, MANY + 1):
        begun = time.monotonic()
        expect(page.locator(".lm-studybar")).to_contain_text(f"Film {number} of {MANY}")
        expect(page.locator(".lm-studybar form")).to_be_visible()
        page.keyboard.press("y")
        page.keyboard.type("50")
        page.keyboard.press("Enter")
        seconds.append(time.monotonic() - begun)
    expect(page.locator(".lm-studydialog h2")).to_have_text("All films are answered")
    assert median(seconds[-20:]) < 2 * median(seconds[:20]) + 0.05
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 1
    assert "truth" not in saved(page, tmp_path).read_text()
    page.get_by_role("button", name="Forget answers").click()
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    page.context.close()


def test_a_box_is_taken_away_in_words(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    page.keyboard.press("b")
    x, y = middle_of(page)
    page.mouse.move(x - 60, y - 40)
    page.mouse.down()
    page.mouse.move(x + 30, y + 50)
    page.mouse.up()
    selected = int(page.locator("tr.lm-selected").get_attribute("data-finding") or -1)
    asked: list[Request] = []
    page.on("request", lambda sent: asked.append(sent) if "/without" in sent.url else None)
    page.keyboard.press("x")
    line = page.locator(".lm-without span")
    expect(line).to_contain_text("With it alone")
    assert [request.post_data_json["beside"] for request in asked] == [False, True]
    box = tuple(asked[0].post_data_json["box"])
    assert 20 < box[2] < 240
    found = what_if(predictor, predictor.encode(read_file(film)), box, {})
    values = found["findings"][FINDINGS[selected]]
    name = FINDINGS[selected].replace("_", " ")
    text = line.inner_text()
    assert text.startswith(f"Without this region {name} ")
    assert as_percent(values["without"]) in text
    alone = re.search(f"With it alone {name} is at <?(\\d+) %", text)
    assert int(alone[1]) == pytest.approx(100 * values["only"], abs=1)
    others = [float(value) for value in re.search("at <?(.*) %. With", text)[1].split(" to ")]
    assert others[0] == pytest.approx(100 * min(values["without_controls"]), abs=1)
    assert others[-1] == pytest.approx(100 * max(values["without_controls"]), abs=1)
    page.keyboard.press("ArrowDown")
    expect(line).to_have_text("")
    page.get_by_role("button", name="Without the contour").click()
    expect(line).to_contain_text("Without this region")
