"""/predict and /explain as tools of the Model Context Protocol."""

from __future__ import annotations

import ast
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import pytest

from app.http.routes import CLIENTS, GRADIO, MCP, PAGE
from tests.conftest import film_pixels
from tests.support.serving import launched


def test_mcp_is_off_unless_wanted() -> None:
    assert not set(MCP) & {*PAGE, *CLIENTS}


def test_the_two_endpoints_are_mcp_tools_where_wanted(checkpoint_folder: Path) -> None:
    mcp = pytest.importorskip("mcp", reason="needs gradio[mcp]")
    from mcp.client.streamable_http import streamable_http_client

    async def ask(url: str, film: str) -> tuple[list[str], Any, Any]:
        async with (
            streamable_http_client(f"{url}{GRADIO}/mcp/") as (reading, writing, _),
            mcp.ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            tools = await session.list_tools()
            pins = {"Effusion": "positive"}
            read = await session.call_tool("predict", {"file": film, "pins": pins})
            elsewhere = {"file": "http://films.example/film.png"}
            return (
                [t.name for t in tools.tools],
                read,
                await session.call_tool("explain", elsewhere),
            )

    with launched(checkpoint_folder, mcp=True) as (url, _):
        film = cv2.imencode(".png", film_pixels())[1].tobytes()
        (name,) = httpx.post(f"{url}{GRADIO}/upload", files={"files": film}).json()
        asked = ask(url, f"{url}{GRADIO}/file={name}")
        with ThreadPoolExecutor(1) as pool:  # this thread may have a loop of the browser tests
            names, read, refused = pool.submit(asyncio.run, asked).result()
    assert sorted(names) == ["explain", "predict"]
    answer = ast.literal_eval(read.content[0].text)  # Gradio's MCP writes an object as Python does
    assert answer["findings"][2]["state"] == "positive"
    assert "No file is fetched from a web address" in refused.content[0].text
