"""Evaluation: what a reviewer asks of a checkpoint, measured and written as one report."""
