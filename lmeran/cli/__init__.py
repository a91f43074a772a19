"""The command line, `python -m lmeran`."""
