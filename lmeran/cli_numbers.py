"""Whole numbers on the command line, refused in one sentence."""

from __future__ import annotations

import argparse


def from_one(text: str) -> int:
    """1, 2, ... Raises `ArgumentTypeError`."""
    return _at_least(1, text)


def from_zero(text: str) -> int:
    """0, 1, ... Raises `ArgumentTypeError`."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"give a whole number from {least} on")
    return int(text)
