"""Run the viewer: `python app.py [--checkpoint C] [--host H] [--port P] [--examples DIR]`."""

import sys

if __name__ == "__main__":
    # Not above: the process that decodes films imports this module again and needs no server.
    from app.server import main

    sys.exit(main())
