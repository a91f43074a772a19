"""What networks do to the page: blips, a proxy away, a restart, paths, frames. No work is lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import BrowserContext, Frame, expect

from tests.support.browsing import (
    films,
    give,
    goto,
    keys,
    pin,
    press,
    read_through,
    row,
    settled,
    upload,
    walked_to,
    why_settled,
)
from tests.support.proxying import Proxy, proxied
from tests.support.serving import Viewer, launched

pytest_plugins = ["tests.support.browsing_fixtures"]


@pytest.fixture()
def proxy(viewer: Viewer) -> Iterator[Proxy]:
    with proxied(viewer.url) as running:
        yield running


@pytest.mark.parametrize("away", ["502", "cut"])
def test_pins_made_while_the_server_is_away_are_kept_and_sent_once(
    window: BrowserContext, proxy: Proxy, film: Path, away: str
) -> None:
    """A blip of 4 s reloaded the page: film, pins and worklist gone without a word."""
    page = goto(window.new_page(), f"{proxy.url}/")
    upload(page, film)
    pin(page, "Mass", "positive")
    why_settled(page)
    proxy.away, proxy.posts[:] = away, []
    pin(page, "Edema", "positive")
    pin(page, "Hernia", "negative")
    expect(page.locator(".lm-away")).to_have_text("Reconnecting; your pins are kept")
    pin(page, "Edema", "negative")
    page.wait_for_timeout(4000)
    expect(page.locator(".lm-count")).to_have_text("3 pinned")
    proxy.away = "no"
    settled(page)
    expect(page.locator(".lm-away")).to_be_hidden()
    expect(page.locator(".lm-alert")).to_be_hidden()
    why_settled(page)
    assert proxy.posts.count("/lmeran/pins") <= 2, "the pins under way, and the newest ones"
    for finding in ("Mass", "Edema", "Hernia"):
        assert row(page, finding)["cond"] == "pinned"
    kept = page.get_by_role("radiogroup", name="Edema").get_by_role("radio", name="negative")
    expect(kept).to_have_attribute("aria-checked", "true")
    page.close()


def test_a_restart_of_the_server_reads_the_film_and_the_list_again(
    window: BrowserContext, checkpoint_folder: Path, film: Path, tmp_path: Path
) -> None:
    first = contextlib.ExitStack()
    url, _ = first.enter_context(launched(checkpoint_folder))
    with proxied(url) as proxy:
        page = goto(window.new_page(), f"{proxy.url}/")
        upload(page, film)
        pin(page, "Mass", "positive")
        why_settled(page)
        before = row(page, "Hernia")
        first.close()
        pin(page, "Edema", "positive")
        keys(page, "q")
        give(page, films(tmp_path / "f", 2), "Add files")
        expect(page.locator(".lm-away")).to_be_visible()
        with launched(checkpoint_folder) as (url, _):
            proxy.upstream = url
            settled(page)
            expect(page.locator(".lm-count")).to_have_text("2 pinned")
            expect(page.locator(".lm-alert")).to_be_hidden()
            read_through(page)
            page.get_by_role("radiogroup", name="Edema").get_by_role(
                "radio", name="unknown"
            ).click()
            settled(page)
            assert row(page, "Hernia") == before
            page.keyboard.press("n")
            walked_to(page, 1)
            page.close()


@pytest.mark.parametrize("strips", [True, False])
def test_under_a_path_of_a_proxy(
    window: BrowserContext, checkpoint_folder: Path, film: Path, strips: bool
) -> None:
    with (
        launched(checkpoint_folder, root_path="/apps/lungs") as (url, _),
        proxied(url, "/apps/lungs", strips) as proxy,
    ):
        page = goto(window.new_page(), f"{proxy.url}/")
        upload(page, film)
        pin(page, "Mass", "positive")
        why_settled(page)
        assert row(page, "Mass")["cond"] == "pinned"
        page.close()
        answer = Client(f"{proxy.url}/", verbose=False).predict(
            handle_file(film), api_name="/predict"
        )
        assert len(answer["findings"]) == 14
        assert httpx.get(f"{proxy.url}/lmeran/none").status_code == 404


def test_leaving_asks_first_where_a_film_or_a_list_is_open(
    window: BrowserContext, viewer: Viewer, film: Path, tmp_path: Path
) -> None:
    page = goto(window.new_page(), viewer.url)
    asked: list[str] = []

    def stay(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.locator("body").click()
    page.reload()
    page.wait_for_selector(".lm[data-ready]")
    page.on("dialog", stay)
    assert asked == []
    upload(page, film)
    pin(page, "Mass", "positive")
    settled(page)
    page.evaluate("setTimeout(() => location.reload())")
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert row(page, "Mass")["cond"] == "pinned"
    press(page, "File", "Forget film")
    give(page, films(tmp_path, 2))
    read_through(page)
    page.evaluate("setTimeout(() => location.reload())")
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"] * 2
    page.close(run_before_unload=False)


SPACE_HOST = "lab-viewer.hf.space"
"""Of a Space, whose page is in a frame of another origin."""

FRAME = """<!doctype html><style>body { margin: 0 } iframe { border: 0; width: 100%% }</style>
<h1 style="margin: 0; height: 40px">A page of another origin</h1>
<iframe id="viewer" src="%s/" style="height: 700px" allow="clipboard-write 'none'"></iframe>
"""
RESIZER = """<script>
const frame = document.querySelector("iframe"), heights = [], tag = "[iFrameSizer]";
const say = (text) => frame.contentWindow.postMessage(tag + text, "*");
const init = () => say("viewer:8:false:false:32:true:true::bodyOffset:::0:false:parent:scroll");
Object.assign(frame, { style: "", scrolling: "no", onload: init });
addEventListener("message", ({ data }) => {
  if (data === "[iFrameResizerChild]Ready") return init();
  const [id, height, width, type] = data.slice(tag.length).split(":");
  if (id !== "viewer") throw new Error(data);
  const seen = { clientHeight: innerHeight, offsetTop: frame.offsetTop };
  if (type === "pageInfo") return say(`pageInfo:${JSON.stringify(seen)}`);
  if (type === "pageInfoStop") return;
  heights.push(Number(height));
  frame.style.height = `${height}px`;
});
</script>"""
"""What a page with iframe-resizer 4.3.9 does and says."""


@pytest.fixture()
def parent() -> Iterator[tuple[str, dict[str, str]]]:
    """A page of another origin; its HTML is set by the test."""
    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages.get("html", "").encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}", pages
    server.shutdown()
    server.server_close()


def test_a_frame_of_another_origin_settles_at_one_height_and_works(
    window: BrowserContext,
    checkpoint_folder: Path,
    film: Path,
    parent: tuple[str, dict[str, str]],
) -> None:
    """Where its parent gives the frame the height of its page, it grew to 4,900 px and on; one with
    iframe-resizer left it at 150 px without scrolling."""
    origin, pages = parent
    with launched(checkpoint_folder, ancestors=(origin,), hosts=(SPACE_HOST,)) as (url, _):
        assert httpx.get(url, headers={"Host": SPACE_HOST}).status_code == 200
        pages["html"] = FRAME % url
        page = window.new_page()
        page.goto(origin)
        frame = page.frames[1]
        frame.wait_for_selector(".lm[data-ready]")
        heights = []
        for _ in range(12):
            height = frame.evaluate("document.documentElement.scrollHeight")
            heights.append(height)
            page.evaluate(
                "(h) => { document.querySelector('iframe').style.height = h + 'px'; }", height
            )
            page.wait_for_timeout(50)
        assert len(set(heights[4:])) == 1, heights
        assert heights[-1] < 1600
        pinned_in(frame, film)
        frame.locator(".lm-take summary").click()
        frame.get_by_role("button", name="Copy link").click()
        expect(frame.locator(".lm-live")).to_have_text("The link is in the address line")
        page.close()

        pages["html"] = FRAME % url + RESIZER
        for width, height in ((1280, 800), (390, 844)):
            page = window.new_page()
            page.set_viewport_size({"width": width, "height": height})
            page.goto(origin)
            frame = page.frames[1]
            pinned_in(frame, film)
            page.wait_for_timeout(500)
            assert page.evaluate("heights.at(-1)") == height - 40, "all that is seen of the parent"
            assert len(set(page.evaluate("heights"))) <= 2
            tall = "[innerHeight, document.documentElement.scrollHeight]"
            assert frame.evaluate(tall) == [height - 40] * 2, (
                "nothing lies where no scrolling leads"
            )
            hernia = frame.get_by_role("radiogroup", name="Hernia")
            hernia.get_by_role("radio", name="negative").click()
            expect(frame.locator(".lm-count")).to_have_text("2 pinned")
            page.close()


def pinned_in(frame: Frame, film: Path) -> None:
    """A film is opened in a frame, and a finding pinned."""
    frame.wait_for_selector(".lm[data-ready]")
    frame.set_input_files("input[type=file]", film)
    frame.wait_for_selector(".lm[data-state=open]")
    frame.get_by_role("radiogroup", name="Mass").get_by_role("radio", name="positive").click()
    frame.wait_for_selector(".lm:not([data-pending])")
    expect(frame.locator(".lm-count")).to_have_text("1 pinned")


def test_other_pages_may_not_frame_the_viewer(
    window: BrowserContext, viewer: Viewer, parent: tuple[str, dict[str, str]]
) -> None:
    origin, pages = parent
    pages["html"] = FRAME % viewer.url
    page = window.new_page()
    page.goto(origin)
    page.wait_for_timeout(1000)
    assert page.frames[1].locator(".lm").count() == 0
    page.close()
