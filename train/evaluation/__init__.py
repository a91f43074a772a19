"""Evaluation: what a reviewer asks about a checkpoint, measured and written as one report."""
