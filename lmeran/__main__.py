"""Command line of the model: `python -m lmeran predict`."""

from __future__ import annotations

import sys

from lmeran.cli import main

if __name__ == "__main__":
    sys.exit(main())
