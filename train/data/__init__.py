"""Data of a run: the index, its pixel cache, and the official boxes."""
