"""Run the viewer: `python app.py [--checkpoint C] [--host H] [--port P] [--examples DIR]`."""

import sys

from app.server import main

if __name__ == "__main__":
    sys.exit(main())
