"""Ablations: variants of one run, trained with several seeds, and their tables."""
