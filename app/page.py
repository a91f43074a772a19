"""The page: components, then handlers, then their wiring. Looks and behaviour are in `static/`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.payload.facts import page_facts
from app.quotas import Quotas
from app.service import ReadingService
from app.uploads import Uploads, is_prior
from app.worklist import Tickets
from lmeran.findings import PinError
from lmeran.imaging.radiograph import ReadError

STATIC = Path(__file__).resolve().parent / "static"
UNEXPECTED = (
    "The program failed on this; nothing was changed. Try another file, or reload the page."
)
NO_ADDRESS = "No file is fetched from a web address here; send the file itself."
log = logging.getLogger(__name__)

# The page's own modules; they send requests by setting the value and triggering an event.
MOUNT_PAGE = """
const events = ["pin", "explain", "example", "forget"];
import(new URL("lmeran/static/main.js", document.baseURI)).then((viewer) =>
  viewer.mount(element.querySelector(".lm"), JSON.parse(props.facts), (event, request) => {
    props.value = request;
    trigger(event);
  }));
"""
# Answers arrive in a component of their own: one that is both input and output of an event
# would send stale pins under rapid clicks.
MOUNT_REPLY = """
watch("value", () => {
  if (props.value) window.dispatchEvent(new CustomEvent("lmeran:reply", { detail: props.value }));
});
"""
# The worklist asks for a ticket when it needs one; see `app/worklist.py`.
MOUNT_TICKET = """
const events = ["ticket"];
window.addEventListener("lmeran:wantticket", () => trigger("ticket"));
watch("value", () => {
  if (props.value) window.dispatchEvent(new CustomEvent("lmeran:ticket", { detail: props.value }));
});
"""


def build_page(
    service: ReadingService, uploads: Uploads, quotas: Quotas, tickets: Tickets
) -> gr.Blocks:
    """The Blocks app over a reading service; `uploads` is told of each file that has been read,
    `tickets` gives those who have the page open a name for their worklist."""
    facts = {
        **page_facts(service.predictor.checkpoint, [e.title for e in service.examples]),
        "session": quotas.facts(),
    }

    def open_upload(path: str | None, request: gr.Request) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            quotas.file()
            quotas.opening(_owner(request), _address(request))
            return service.open_file(path or "", _owner(request), is_prior(path or ""))

        try:
            return _reply(act)
        finally:
            uploads.discard(path)

    def open_example(value: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        position, frame = _whole(value, "example", -1), _whole(value, "frame", 1)

        def act() -> dict[str, Any]:
            quotas.opening(_owner(request), _address(request))
            return service.open_example(position, _owner(request), frame)

        return _reply(act)

    def pin(value: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        given = value if isinstance(value, dict) else {}
        return _reply(lambda: service.pin(given, _owner(request)), seq=given.get("seq"))

    def explain(value: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        given = value if isinstance(value, dict) else {}
        return _reply(lambda: service.explain(given, _owner(request)), seq=given.get("seq"))

    def forget(value: dict[str, Any], request: gr.Request) -> tuple[dict[str, Any], None]:
        leave(request)
        return {"kind": "forgotten"}, None

    def leave(request: gr.Request) -> None:
        service.films.forget(_owner(request))
        tickets.drop(_owner(request))

    def ticket(request: gr.Request) -> str:
        return tickets.issue(_owner(request))

    def predict(file: str | None, pins: Any, request: gr.Request) -> dict[str, Any]:
        """Read one film: probabilities free and under pins, as the command line's JSON."""
        try:
            quotas.file()
            if file is None:
                raise ReadError("Give a file: a chest X-ray as DICOM, PNG or JPEG.")
            quotas.opening(_owner(request), _address(request))
            return service.predict(file, Path(file).name, pins)
        except (ReadError, PinError) as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception as error:
            log.error("predict failed: %s", type(error).__name__)
            raise gr.Error(UNEXPECTED, print_exception=False) from None
        finally:
            uploads.discard(file)

    # delete_cache: a second net, for uploads whose handler never ran
    with gr.Blocks(
        analytics_enabled=False, delete_cache=(600, 900), fill_width=True, title="LMeRAN viewer"
    ) as page:
        viewer = gr.HTML(
            value=None,
            html_template=(STATIC / "index.html").read_text(encoding="utf-8"),
            js_on_load=MOUNT_PAGE,
            facts=json.dumps(facts),
            elem_id="lm-room",
            apply_default_css=False,
        )
        upload = gr.UploadButton(
            "Open film", elem_id="lm-upload", type="filepath", visible=not quotas.demo
        )
        reply = gr.HTML(
            value=None, html_template="<i></i>", js_on_load=MOUNT_REPLY, elem_id="lm-reply"
        )
        answer_why = gr.HTML(
            value=None, html_template="<i></i>", js_on_load=MOUNT_REPLY, elem_id="lm-reply-why"
        )
        # Of its own: a pin that waits to be sent is sent with what the viewer then holds.
        counter = gr.HTML(
            value=None, html_template="<i></i>", js_on_load=MOUNT_TICKET, elem_id="lm-ticket"
        )
        file, pins, answer = gr.File(visible=False), gr.JSON(visible=False), gr.JSON(visible=False)
        call = gr.Button(visible=False)

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
        # Reading a file is heavy: one at a time. Pins are light and must not wait behind it.
        upload.upload(open_upload, upload, reply, api_name="open", concurrency_id="encode", **quiet)
        last: dict[str, Any] = {"trigger_mode": "always_last", **quiet}
        viewer.example(
            open_example, viewer, reply, api_name="example", concurrency_id="encode", **last
        )
        viewer.pin(pin, viewer, reply, api_name="pin", concurrency_limit=2, **last)
        viewer.explain(explain, viewer, answer_why, api_name="explain", **last)
        viewer.forget(forget, viewer, [reply, answer_why], api_name="forget", **last)
        counter.ticket(ticket, None, counter, api_name="ticket", **last)
        call.click(predict, [file, pins], answer, api_name="predict", concurrency_id="encode")
        page.unload(leave)
    for block in page.blocks.values():
        _refuse_addresses(block)
    return page.queue(max_size=32, default_concurrency_limit=1)


def _reply(act: Callable[[], dict[str, Any]], seq: Any = None) -> dict[str, Any]:
    """The act's reply, or an error as one sentence for the page. What is logged names no file."""
    try:
        return act()
    except (ReadError, PinError) as error:
        return {"kind": "error", "message": str(error), "seq": seq}
    except Exception as error:
        log.error("%s while answering the page", type(error).__name__)
        return {"kind": "error", "message": UNEXPECTED, "seq": seq}


def _whole(value: Any, name: str, otherwise: int) -> int:
    """A whole number that the page sent under a name."""
    sent = value.get(name) if isinstance(value, dict) else None
    return sent if type(sent) is int else otherwise


def _owner(request: gr.Request) -> str:
    return str(request.session_hash)


def _address(request: gr.Request) -> str:
    return str(request.client.host) if request.client else ""


def _refuse_addresses(block: Any) -> None:
    """Gradio would fetch a file from any web address that a client sends in place of one."""
    keep = block.async_move_resource_to_block_cache

    async def keep_files(path: str | Path | None) -> str | None:
        if str(path).lower().startswith(("http:", "https:")):
            raise gr.Error(NO_ADDRESS, print_exception=False)
        kept: str | None = await keep(path)
        return kept

    block.async_move_resource_to_block_cache = keep_files
