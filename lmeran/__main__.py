"""Command line of the model: `python -m lmeran predict`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Not above: processes that decode films import this module again and need no network.
    from lmeran.cli.main import main

    sys.exit(main())
