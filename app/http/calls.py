"""Calls of the API before Gradio reads them. What it does not expect it would print into the log,
with all that was sent; what a call names as a file it would look for on the disk, fetch where that
is a web address, and keep under the sender's name for it."""

from __future__ import annotations

import json
from typing import Any

INPUTS = 3
"""Of an endpoint at most (`app.api`): file, pins and, of /explain, a region. Gradio reads as many
as the endpoint has."""

NO_CALL = 'The call is not understood; send {"data": [FILE, PINS]}, or without the pins.'


class CallError(ValueError):
    """A call that makes no sense: one sentence."""


def checked_call(body: bytes) -> bytes:
    """The call with all of its inputs, and with files that are only names of what was sent.

    Raises `CallError`.
    """
    try:
        call = _plain(json.loads(body))
    except (ValueError, RecursionError):
        raise CallError(NO_CALL) from None
    if not isinstance(call, dict):
        raise CallError(NO_CALL)
    if "data" in call:
        inputs = call["data"]
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= INPUTS:
            raise CallError(NO_CALL)
        call["data"] = inputs + [None] * (INPUTS - len(inputs))
    return json.dumps(call).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "meta" in value and "path" in value:
        return {"path": value["path"] if isinstance(value["path"], str) else None}
    return {name: _plain(each) for name, each in value.items()}
